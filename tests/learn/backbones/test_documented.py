"""The table in docs/backbones.md says what the code builds."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from augstudy.core import registry
from augstudy.core.build import build

LINES = (Path(__file__).parents[3] / "docs" / "backbones.md").read_text(encoding="utf-8").splitlines()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES if line.startswith("| `{name: ")]


def numbers(text):
    """64, 3 x 128 -> [64, 128, 128, 128]."""
    words = [word.rpartition(" x ") for word in text.split(", ")]
    return [int(number) for times, _, number in words for _ in range(int(times or 1))]


def named(text):
    """conv1, layer1 ... layer4 -> ["conv1", "layer1", "layer2", "layer3", "layer4"]."""
    spread = re.sub(
        r"([a-z]+)(\d+) \.\.\. \1(\d+)",
        lambda m: ", ".join(f"{m[1]}{i}" for i in range(int(m[2]), int(m[3]) + 1)),
        text,
    )
    return spread.split(", ")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_says_what_is_built(row):
    choice, layers, channels, maps, embed, weights, _ = row
    settings = yaml.safe_load(choice.strip("`"))
    with torch.device("meta"):
        encoder = build(registry.find("learn.backbones", settings.pop("name")), settings, choice).encoder()
        assert encoder.names == named(layers)
        assert encoder.width() == int(embed.replace(",", ""))
        assert sum(p.numel() for p in encoder.parameters()) == int(weights.replace(",", ""))
        for size, _, sides in (entry.partition(": ") for entry in maps.split("; ")):
            outputs = encoder.layers(torch.empty(2, 3, int(size), int(size)))
            assert [y.shape[1] for y in outputs.values()] == numbers(channels)
            assert [y.shape[2] for y in outputs.values()] == numbers(sides), size


def test_every_backbone_has_a_row():
    told = {yaml.safe_load(row[0].strip("`"))["name"] for row in ROWS}
    assert told == set(registry.names("learn.backbones"))
