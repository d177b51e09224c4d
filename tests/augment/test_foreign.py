"""Laws of a foreign op: kornia's own result, keyed by the sample, and nothing left behind."""

import kornia.augmentation
import pytest
import torch

from augstudy.augment import foreign
from augstudy.augment.foreign import Kornia
from augstudy.augment.graph import Graph
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.errors import UserError

SETTINGS = {  # what kornia has no default for
    "CenterCrop": {"size": [16, 16]},
    "Denormalize": {"mean": [0.5], "std": [0.5]},
    "LongestMaxSize": {"max_size": 16},
    "Normalize": {"mean": [0.5], "std": [0.5]},
    "PadTo": {"size": [16, 16]},
    "RandomAffine": {"degrees": 20.0},
    "RandomCrop": {"size": [16, 16]},
    "RandomFisheye": {
        "center_x": torch.tensor([-0.3, 0.3]),
        "center_y": torch.tensor([-0.3, 0.3]),
        "gamma": torch.tensor([0.9, 1.1]),
    },
    "RandomGaussianBlur": {"kernel_size": [3, 3], "sigma": [0.5, 1.0]},
    "RandomJPEG": {"jpeg_quality": 50.0},
    "RandomMotionBlur": {"kernel_size": 3, "angle": 35.0, "direction": 0.5},
    "RandomResizedCrop": {"size": [16, 16]},
    "RandomRotation": {"degrees": 20.0},
    "RandomRotation90": {"times": [1, 3]},
    "RandomShear": {"shear": 0.2},
    "Resize": {"size": [16, 16]},
    "SmallestMaxSize": {"max_size": 16},
}
BROKEN = {"RandomDissolving"}  # downloads a diffusion model


def pictures(n=3, side=16):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def run(op, x, index):
    graph = Graph((op,))
    return graph(Pyramid(x), graph.sample(0, "test", index))


@pytest.mark.parametrize("name", sorted(set(foreign._classes()) - BROKEN))
def test_every_class_of_kornia_runs_the_same_again_and_leaves_the_global_generator_alone(name):
    op, x, index = Kornia(name=name, settings=SETTINGS.get(name, {})), pictures(), torch.arange(3)
    before = torch.get_rng_state()
    first = run(op, x, index)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(first, run(op, x, index))
    assert torch.equal(first[1:2], run(op, x[1:2], index[1:2]))
    assert first.shape == x.shape
    assert first.min() >= 0
    assert first.max() <= 1


def test_it_is_kornias_own_result_from_the_samples_seed():
    op, x = Kornia(name="RandomPlasmaShadow", settings={"roughness": [0.2, 0.6]}), pictures()
    params = rng.uniform(0, "test", torch.arange(3), 2)
    theirs = kornia.augmentation.RandomPlasmaShadow(roughness=(0.2, 0.6), p=1.0)
    for one, y, (high, low) in zip(x.split(1), op.apply(x, params), (params * 2**24).long().tolist(), strict=True):
        with rng.torch_seeded(high << 24 | low, "kornia/RandomPlasmaShadow"):
            torch.testing.assert_close(y, theirs(one)[0])


def test_samples_differ():
    x = pictures(1).expand(2, -1, -1, -1)
    first, second = run(Kornia(name="RandomGaussianNoise"), x, torch.arange(2))
    assert not torch.equal(first, second)


def test_a_class_that_changes_the_size_says_so():
    with pytest.raises(UserError, match="RandomCrop makes"):
        run(Kornia(name="RandomCrop", settings={"size": [8, 8]}), pictures(), torch.arange(3))


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("RandomPlasma", {}, ["'RandomPlasma'", "Did you mean 'RandomPlasma"]),
        ("AugmentationBase2D", {}, ["no 2-D augmentation"]),
        ("RandomInvert", {"maxval": 1}, ["RandomInvert", "'maxval'", "'max_val'"]),
        ("RandomInvert", {"p": 0.5}, ["RandomInvert", "'p'"]),
        ("RandomResizedCrop", {}, ["RandomResizedCrop", "size"]),
        ("RandomGamma", {"gamma": "high"}, ["RandomGamma refuses"]),
    ],
)
def test_a_mistake_is_named(name, settings, words):
    with pytest.raises(UserError) as caught:
        Kornia(name=name, settings=settings)
    assert len(str(caught.value).splitlines()) == 2
    for word in words:
        assert word in str(caught.value)
