"""Compiled code gives the same last bits whether it was just compiled or comes from the cache."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import augstudy

HASHES = """
import hashlib
import torch
from augstudy.augment.views.standard import Standard
from augstudy.data.corpus import Corpus, Recipe

def noise(shape, seed):
    return torch.randint(0, 256, (3, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)

images = [noise(shape, seed) for seed, shape in enumerate(((40, 60), (64, 48), (33, 33)))]
view = Standard(size=24, gray_p=0.5, blur_p=0.5).graph()
for border in ("valid", "reflect", "black"):
    corpus = Corpus(images, Recipe(count=57, size=16, initial_crop=0, enlarge=1, border=border))
    for pixels in (corpus.batch(torch.arange(57)), corpus.view(torch.arange(57), view)):
        print(hashlib.sha256(pixels.numpy().tobytes()).hexdigest())
"""
MODULES = sorted(Path(augstudy.__file__).parent.rglob("*.py"))


@pytest.mark.slow
def test_just_compiled_and_from_the_cache_it_gives_the_same_bits(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def hashes():
        return subprocess.run(
            [sys.executable, "-c", HASHES], env=environment, check=True, capture_output=True, text=True, timeout=200
        ).stdout.split()

    compiled = hashes()
    assert list(tmp_path.rglob("warp.warp-*.nbc"))
    assert len(set(compiled)) == 6
    assert hashes() == compiled


def decorated(tree, name):
    """Functions of a module under the decorator of this name."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [f for f in functions if any(isinstance(d, ast.Name) and d.id == name for d in f.decorator_list)]


@pytest.mark.parametrize("path", [p for p in MODULES if "native import" in p.read_text()], ids=lambda p: p.stem)
def test_compiled_functions_call_parts_but_not_each_other(path):
    tree = ast.parse(path.read_text())
    whole = {f.name for f in decorated(tree, "compiled")}
    assert whole
    for function in [f for name in ("compiled", "part", "inlined") for f in decorated(tree, name)]:
        called = {n.func.id for n in ast.walk(function) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not called & whole, f"{function.name}: call a @part instead, see core/native.py"
