"""Keyed randomness: every draw is a pure function of (seed, stream, epoch, index, view).

Philox4x32-10 is counter-based, so sample i gets the same numbers whatever the batch size, worker count, device or
resume point, and no generator has a state that could be lost.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augstudy.core.native import compiled

__all__ = ["derive", "permutation", "philox4x32", "torch_seeded", "uniform"]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
LOW = 0xFFFFFFFF


def philox4x32(counter: Tensor, key: tuple[int, int], rounds: int = 10) -> Tensor:
    """Four random 32-bit words for each counter.

    Args:
        counter: (..., 4) int64, each entry an unsigned 32-bit word.
        key: two unsigned 32-bit words.

    Returns:
        (..., 4) int64, each entry an unsigned 32-bit word.
    """
    c0, c1, c2, c3 = counter.unbind(-1)
    k0, k1 = key
    for _ in range(rounds):
        # int64 products wrap modulo 2^64, so shifting and masking still gives the right high and low words.
        p0, p1 = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> 32 & LOW) ^ c1 ^ k0, p1 & LOW, (p0 >> 32 & LOW) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return torch.stack((c0, c1, c2, c3), -1)


@compiled
def _fill(
    index: NDArray[np.int64], epoch: np.uint64, view: np.uint64, key: NDArray[np.uint64], out: NDArray[np.uint32]
) -> None:
    """The same for `words` on the CPU, many times as fast: four words for each block of each row of `out`."""
    low, half = np.uint64(LOW), np.uint64(32)
    for row in range(len(index)):
        at = np.uint64(index[row])
        for block in range(out.shape[1] // 4):
            c0, c1, c2, c3 = at & low, at >> half, epoch & low, np.uint64(block) + (view << np.uint64(16))
            k0, k1 = key[0], key[1]
            for _ in range(10):
                p0, p1 = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
                c0, c1, c2, c3 = (p1 >> half) ^ c1 ^ k0, p1 & low, (p0 >> half) ^ c3 ^ k1, p0 & low
                k0, k1 = (k0 + np.uint64(WEYL[0])) & low, (k1 + np.uint64(WEYL[1])) & low
            out[row, 4 * block], out[row, 4 * block + 1] = c0, c1
            out[row, 4 * block + 2], out[row, 4 * block + 3] = c2, c3


def derive(seed: int, stream: str) -> tuple[int, int]:
    """The Philox key of a named stream: 64 bits of BLAKE2b over the seed and the name."""
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def words(seed: int, stream: str, index: Tensor, count: int, epoch: int = 0, view: int = 0) -> Tensor:
    """`count` random 32-bit words for each index: (B,) int64 -> (B, count) int64."""
    if index.device.type == "cpu":
        found = np.empty((len(index), -(-count // 4) * 4), np.uint32)
        _fill(index.long().numpy(), np.uint64(epoch), np.uint64(view), np.array(derive(seed, stream), np.uint64), found)
        return torch.from_numpy(found[:, :count].astype(np.int64))
    blocks = torch.arange(-(-count // 4), device=index.device)
    counter = torch.stack(
        torch.broadcast_tensors(
            index[:, None] & LOW,
            index[:, None] >> 32,
            torch.full_like(blocks, epoch)[None],
            (blocks + (view << 16))[None],
        ),
        -1,
    )  # (B, blocks, 4)
    return philox4x32(counter, derive(seed, stream)).flatten(1)[:, :count]


def uniform(seed: int, stream: str, index: Tensor, count: int, epoch: int = 0, view: int = 0) -> Tensor:
    """`count` uniform numbers in [0, 1) for each index, the same bits on every device.

    Args:
        seed: non-negative.
        stream: the name of what is drawn; streams are independent.
        index: (B,) int64 sample numbers.
        epoch, view: non-negative; view below 65536.

    Returns:
        (B, count) float32, multiples of 2^-24.
    """
    return (words(seed, stream, index, count, epoch, view) >> 8).float().mul_(2.0**-24)


def permutation(seed: int, stream: str, n: int, epoch: int = 0) -> Tensor:
    """A keyed permutation of range(n): (n,) int64 on the CPU. Sorting 64-bit words makes ties negligible."""
    w = words(seed, stream, torch.arange(n), 2, epoch)
    return torch.argsort((w[:, 0] << 31) ^ w[:, 1], stable=True)


@contextmanager
def torch_seeded(seed: int, stream: str) -> Iterator[None]:
    """Run library code that draws from torch's global generator (weight init, dropout) on a key of its own."""
    low, high = derive(seed, stream)
    with torch.random.fork_rng():
        torch.manual_seed(low | (high & 0x7FFFFFFF) << 32)
        yield
