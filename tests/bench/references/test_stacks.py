"""The references are what they say they are."""

import pytest
import torch
from PIL import Image
from torchvision import transforms

from augstudy.augment.color import ColorJitter
from augstudy.augment.filters import GaussianBlur
from augstudy.augment.views.standard import Standard
from augstudy.bench.references import stacks
from augstudy.bench.references.script import Script
from augstudy.data.corpus import Recipe


@pytest.fixture
def image(picture):
    return Image.fromarray(picture.permute(1, 2, 0).numpy())


def test_the_script_runs_its_steps_in_order(image, picture_file):
    script = Script(picture_file, 32)
    names = [type(step).__name__ for step in script.steps(image).transforms]
    assert names == ["RandomCrop", "RandomResizedCrop", "RandomAffine", "CenterCrop", "RandomApply", "ToTensor"]
    crop = script.steps(image)(image)
    assert crop.shape == (3, 32, 32)
    assert crop.dtype == torch.float32
    assert script.start()() == 1


def test_the_script_draws_from_the_same_ranges_as_our_recipe(image, picture_file):
    first, box, affine, _, jitter, _ = Script(picture_file, 32).steps(image).transforms
    recipe = Recipe(size=32)
    assert first.size == (int(recipe.initial_crop * 120),) * 2
    assert box.size == (int(recipe.enlarge * 32),) * 2
    assert tuple(box.scale) == recipe.scale
    assert tuple(box.ratio) == pytest.approx(recipe.ratio)
    assert affine.degrees == [-recipe.rotation, recipe.rotation]
    assert affine.shear[:2] == [-recipe.shear, recipe.shear]
    assert jitter.p == recipe.jitter_p
    ours = transforms.ColorJitter(recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue)
    assert repr(jitter.transforms[0]) == repr(ours)


def test_the_stacks_have_our_settings():
    ours = Standard()
    assert ours.scale == stacks.SCALE
    assert (ours.brightness, ours.contrast, ours.saturation, ours.hue) == stacks.JITTER
    assert ours.blur_sigma == stacks.SIGMA
    ops = {type(op): op for op in ours.graph().ops}
    crop, jitter, grey, blur, flip = stacks.kornia_stack(32, "slice")
    assert (jitter.p, grey.p, blur.p, flip.p) == (ours.jitter_p, ours.gray_p, ours.blur_p, ours.flip_p)
    assert crop.p == 1
    assert ops[ColorJitter].p == 0.8
    assert ops[GaussianBlur].p == 0.5


@pytest.mark.parametrize(("size", "kernel"), [(16, 3), (32, 3), (128, 13), (224, 23)])
def test_the_kernel_spans_a_tenth_of_the_side(size, kernel):
    assert stacks.kernel_size(size) == kernel


@pytest.mark.parametrize("mode", ["slice", "resample"])
def test_kornia_makes_views_of_a_batch(mode):
    views = stacks.kornia_stack(24, mode)(torch.rand(4, 3, 32, 32))
    assert views.shape == (4, 3, 24, 24)
    assert views.isfinite().all()


def test_torchvision_makes_a_view_of_one_image():
    view = stacks.torchvision_stack(24)(torch.randint(256, (3, 32, 32), dtype=torch.uint8))
    assert view.shape == (3, 24, 24)
    assert view.dtype == torch.float32
    assert 0 <= view.min() <= view.max() <= 1


def test_every_job_counts_images():
    images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
    assert stacks.KorniaViews(images, 24, "resample").start()() == 4
    assert stacks.TorchvisionViews(images, 24).start()() == 1
