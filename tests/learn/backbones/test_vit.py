"""The transformer is torchvision's with other names, its maps are its patches, and its places fit any size."""

import math

import numpy as np
import pytest
import torch
from torchvision.models.vision_transformer import VisionTransformer

from augstudy.core.errors import UserError
from augstudy.learn.adopted import Trunk, adopt
from augstudy.learn.backbones.vit import ViT, sincos

SMALL = {"dim": 24, "depth": 3, "heads": 3, "patch": 4, "image": 16}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return ViT(**SMALL).encoder().eval()


def images(size=16, count=2):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_with_the_same_weights_it_is_torchvisions(encoder):
    peer = VisionTransformer(16, 4, 3, 3, 24, 96, num_classes=1).eval()
    own, theirs = encoder.embedding, peer.encoder
    with torch.no_grad():
        peer.class_token.copy_(own.cls_token)
        theirs.pos_embedding.copy_(own.pos_embed)
    peer.conv_proj.load_state_dict(own.proj.state_dict())
    for block, other in zip(encoder.stack, theirs.layers, strict=True):
        other.load_state_dict(block.state_dict())
    theirs.ln.load_state_dict(encoder.norm.state_dict())
    x = images()
    sequence = torch.cat((peer.class_token.expand(2, -1, -1), peer._process_input(x)), 1)
    wanted = theirs(sequence)
    torch.testing.assert_close(encoder.embed(x), wanted[:, 0])
    torch.testing.assert_close(encoder.encoded(encoder.embedding(x)), wanted)


def test_a_map_has_each_patch_where_it_is_in_the_image(encoder):
    """Only the patch that changes has another token before the first block mixes them."""
    x, other = images(), images()
    other[:, :, 4:8, 12:16] *= -1
    changed = (encoder.embedding(x).map() != encoder.embedding(other).map()).any(1)
    assert changed[0].nonzero().tolist() == [[1, 3]]


def test_places_of_its_own_size_are_taken_as_they_are_and_others_lie_between(encoder):
    embedding = encoder.embedding
    assert embedding.places((4, 4)) is embedding.pos_embed
    larger = embedding.places((8, 8))
    assert larger.shape == (1, 65, 24)
    assert torch.equal(larger[:, 0], embedding.pos_embed[:, 0])  # [CLS] has no place in the plane
    with torch.no_grad():
        embedding.pos_embed.copy_(torch.arange(24.0))
    torch.testing.assert_close(embedding.places((3, 7)), torch.arange(24.0).expand(1, 22, -1))


def test_images_need_not_be_square_nor_whole_patches(encoder):
    maps = encoder.layers(torch.zeros(1, 3, 18, 31))
    assert {y.shape[2:] for name, y in maps.items() if name != "cls"} == {(4, 7)}


def test_fixed_places_are_sines_and_cosines_of_row_and_column():
    width, side = 8, 3
    found = sincos(width, side)[0]
    assert not found[0].any()
    for row in range(side):
        for column in range(side):
            angles = [n / 10000 ** (k / (width / 4)) for n in (column, row) for k in range(width // 4)]
            wanted = [f(a) for half in (angles[:2], angles[2:]) for f in (math.sin, math.cos) for a in half]
            np.testing.assert_allclose(found[1 + row * side + column], wanted, rtol=1e-5)
    assert "blocks.block1.embedding.pos_embed" not in dict(
        ViT(**SMALL, positions="sincos").encoder().named_parameters()
    )


def test_attention_of_cls_is_the_softmax_of_its_query_with_all_keys(encoder):
    x = images()
    found = encoder.attention(x)
    assert found.shape == (2, 3, 4, 4)
    tokens = encoder.embedding(x)
    for block in encoder.stack[:-1]:
        tokens = block(tokens)
    last = encoder.stack[-1]
    with torch.no_grad():
        y = last.ln_1(tokens.sequence).numpy()
    weight, bias = (getattr(last.self_attention, f"in_proj_{kind}").detach().numpy() for kind in ("weight", "bias"))
    q, k = (y @ weight[part].T + bias[part] for part in (slice(0, 24), slice(24, 48)))
    for head in range(3):
        own = slice(8 * head, 8 * head + 8)
        scores = np.exp(np.einsum("bc,bsc->bs", q[:, 0, own], k[:, :, own]) / math.sqrt(8))
        share = (scores / scores.sum(1, keepdims=True))[:, 1:]
        np.testing.assert_allclose(found[:, head].flatten(1).detach(), share, rtol=1e-4)


def test_branches_are_dropped_in_training_only():
    torch.manual_seed(0)
    encoder = ViT(**SMALL, drop_path=0.9).encoder()
    x = images()
    assert not torch.equal(encoder.train()(x), encoder(x))
    assert torch.equal(encoder.eval()(x), encoder(x))
    torch.manual_seed(0)
    assert torch.equal(encoder(x), ViT(**SMALL).encoder().eval()(x))


def test_the_small_one_has_the_names_and_shapes_of_dinos_release():
    with torch.device("meta"):
        encoder = ViT().encoder()
    found = {encoder.exported_name(key): tuple(value.shape) for key, value in encoder.state_dict().items()}
    parts = {"norm1": (384,), "norm2": (384,), "attn.qkv": (1152, 384), "attn.proj": (384, 384)}
    parts |= {"mlp.fc1": (1536, 384), "mlp.fc2": (384, 1536)}
    wanted = {"cls_token": (1, 1, 384), "pos_embed": (1, 197, 384), "patch_embed.proj.weight": (384, 3, 16, 16)}
    wanted |= {"patch_embed.proj.bias": (384,), "norm.weight": (384,), "norm.bias": (384,)}
    for i in range(12):
        for part, shape in parts.items():
            wanted |= {f"blocks.{i}.{part}.weight": shape, f"blocks.{i}.{part}.bias": shape[:1]}
    assert found == wanted


def test_a_checkpoint_of_dinos_is_taken_and_can_be_probed_up_to_a_block(encoder, tmp_path):
    state = {f"backbone.{encoder.exported_name(key)}": value for key, value in encoder.state_dict().items()}
    again = ViT(**SMALL).encoder()
    adopt(again, state, ["block1", "block2"], tmp_path / "dino.pth")
    trunk, x = Trunk(again, ["block1", "block2"]).eval(), images(24)
    wanted = encoder.layers(x)
    assert {name: torch.equal(y, wanted[name]) for name, y in trunk.layers(x).items()} == {
        "block1": True,
        "block2": True,
    }
    assert torch.equal(trunk(x), wanted["block2"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dim": 100}, "6 heads cannot share"),
        ({"dim": 18, "heads": 3, "positions": "sincos"}, "multiple of 4"),
        ({"image": 8}, "image must lie in"),
        ({"positions": "sine"}, "'sincos'"),
    ],
)
def test_sizes_that_do_not_fit_are_told(settings, words):
    with pytest.raises(UserError, match=words):
        ViT(**settings)
