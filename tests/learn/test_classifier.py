"""Classifiers come back as they were left, torchvision's too, or it is said what they lack."""

import pytest
import torch
from torchvision.models import resnet18

from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder
from augstudy.learn.adopted import MEAN, SD
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.resnet import ResNet
from augstudy.learn.checkpoint import save_encoder
from augstudy.learn.classifier import adopt_classifier, head_file, load_classifier, load_head, save_head, untrained

TINY = Conv4(width=0.125)


@pytest.fixture
def left(tmp_path):
    """A folder with a classifier, and the classifier."""
    classifier, folder = untrained(TINY, 5), RunFolder(tmp_path / "run")
    save_encoder(folder, classifier.encoder, "conv4", {"width": 0.125})
    save_head(folder, classifier.head)
    return folder, classifier


@torch.no_grad()
def test_a_classifier_of_ours_comes_back_as_it_was(left):
    folder, classifier = left
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    for where in (folder, folder.path, folder.encoder):
        again = load_classifier(where)
        assert again.classes == 5
        assert torch.equal(again(x), classifier(x))


def test_an_encoder_without_a_head_is_no_classifier(left):
    folder, _ = left
    folder.head.unlink()
    assert load_head(folder) is None
    with pytest.raises(UserError, match=r"there is no .*head.safetensors, so this encoder tells no classes"):
        load_classifier(folder)


def test_a_damaged_head_is_named(left):
    folder, _ = left
    folder.head.write_bytes(b"half")
    with pytest.raises(UserError, match=str(head_file(folder))):
        load_classifier(folder)


@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
@torch.no_grad()
def test_a_torchvision_checkpoint_says_what_torchvision_says(prefix, tmp_path):
    torch.manual_seed(2)
    theirs, path = resnet18(num_classes=7).eval(), tmp_path / "theirs.pth"
    torch.save({"state_dict": {prefix + key: value for key, value in theirs.state_dict().items()}}, path)
    x = torch.rand(2, 3, 64, 64)
    mean, sd = (torch.tensor(v)[:, None, None] for v in (MEAN, SD))
    ours = adopt_classifier(path, ResNet())
    assert ours.classes == 7
    torch.testing.assert_close(ours(2 * x - 1), theirs((x - mean) / sd), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adopt_classifier(path, ResNet(), imagenet=False)(x), theirs(x), rtol=1e-4, atol=1e-5)


def test_a_checkpoint_without_its_last_layer_is_refused(tmp_path):
    path = tmp_path / "trunk.pth"
    torch.save({k: v for k, v in resnet18().state_dict().items() if not k.startswith("fc.")}, path)
    with pytest.raises(UserError, match=r"has no last layer of 512 inputs, called one of fc, head"):
        adopt_classifier(path, ResNet())


def test_loading_draws_nothing_from_the_global_generator(left):
    folder, _ = left
    state = torch.get_rng_state()
    load_classifier(folder)
    assert torch.equal(torch.get_rng_state(), state)
