"""Laws of keyed randomness: the published vectors, a slow reference, and independence of everything that is a key."""

import itertools

import pytest
import torch

from augstudy.core import rng

# Random123, examples/kat_vectors: counter, key, output of philox4x32 with 10 rounds.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
N = 4096
INDEX = torch.arange(N)


def hexes(text):
    return [int(word, 16) for word in text.split()]


def slow_philox(counter, key, rounds=10):
    """Salmon et al., figure 1, on Python's unbounded ints."""
    c, k = list(counter), list(key)
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 // 2**32 ^ c[1] ^ k[0], p1 % 2**32, p0 // 2**32 ^ c[3] ^ k[1], p0 % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter, key, answer):
    k0, k1 = hexes(key)
    assert rng.philox4x32(torch.tensor(hexes(counter)), (k0, k1)).tolist() == hexes(answer)
    assert slow_philox(hexes(counter), hexes(key)) == hexes(answer)


def test_philox_is_the_slow_reference_on_many_counters():
    generator = torch.Generator().manual_seed(0)
    counters = torch.randint(0, 2**32, (200, 4), generator=generator)
    for key in [(0, 1), (2**32 - 1, 2**31), rng.derive(3, "crop")]:
        assert rng.philox4x32(counters, key).tolist() == [slow_philox(c, key) for c in counters.tolist()]


def test_uniforms_are_the_slow_reference_at_the_documented_counter():
    """Counter words: index low, index high, epoch, block + view 2^16; 24 bits of each word."""
    index, epoch, view = 5 * 2**32 + 17, 3, 2
    got = rng.uniform(9, "crop", torch.tensor([index]), 6, epoch, view)[0]
    key = rng.derive(9, "crop")
    words = [w for block in range(2) for w in slow_philox((17, 5, epoch, block + view * 2**16), key)]
    assert got.tolist() == [(w >> 8) / 2**24 for w in words[:6]]


@pytest.mark.parametrize("size", [1, 32, 57])
def test_a_sample_does_not_depend_on_its_batch(size):
    whole = rng.uniform(0, "crop", INDEX[:200], 7)
    parts = torch.cat([rng.uniform(0, "crop", part, 7) for part in INDEX[:200].split(size)])
    order = rng.permutation(0, "order", 200)
    assert torch.equal(whole, parts)
    assert torch.equal(whole[order], rng.uniform(0, "crop", order, 7))


def test_more_numbers_begin_with_the_fewer():
    assert torch.equal(rng.uniform(0, "crop", INDEX[:9], 13)[:, :5], rng.uniform(0, "crop", INDEX[:9], 5))


def test_every_key_gives_other_and_uncorrelated_numbers():
    draws = [
        rng.uniform(0, "crop", INDEX, 2),
        rng.uniform(1, "crop", INDEX, 2),
        rng.uniform(0, "view", INDEX, 2),
        rng.uniform(0, "crop", INDEX, 2, epoch=1),
        rng.uniform(0, "crop", INDEX, 2, view=1),
        rng.uniform(0, "crop", INDEX + N, 2),
        rng.uniform(0, "crop", INDEX + 2**32, 2),
    ]
    columns = torch.cat(draws, 1).T.double()  # (14, N)
    correlation = torch.corrcoef(columns) - torch.eye(len(columns))
    assert correlation.abs().max() < 5 / N**0.5  # five standard errors
    for a, b in itertools.combinations(columns, 2):
        assert (a == b).float().mean() < 0.01


def test_neighbouring_samples_are_uncorrelated():
    u = rng.uniform(0, "crop", INDEX, 1)[:, 0].double()
    for lag in (1, 2, 64):
        assert torch.corrcoef(torch.stack((u[lag:], u[:-lag])))[0, 1].abs() < 5 / N**0.5


def test_numbers_are_uniform_in_the_half_open_interval():
    u = rng.uniform(0, "crop", INDEX, 4).flatten()
    assert u.dtype == torch.float32
    assert u.min() >= 0
    assert u.max() < 1
    counts = torch.histc(u, bins=16, min=0, max=1)
    expected = len(u) / 16
    assert ((counts - expected).square() / expected).sum() < 44  # chi-square, 15 degrees of freedom, p = 1e-4


def test_the_largest_word_stays_below_one(monkeypatch):
    monkeypatch.setattr(rng, "words", lambda *_: torch.tensor([[rng.LOW]]))
    assert rng.uniform(0, "crop", torch.tensor([0]), 1).item() == 1 - 2.0**-24


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_permutation_is_one(n):
    assert rng.permutation(0, "order", n).sort().values.tolist() == list(range(n))


def test_permutations_are_keyed_and_all_are_reached():
    assert torch.equal(rng.permutation(0, "order", 100, epoch=2), rng.permutation(0, "order", 100, epoch=2))
    assert not torch.equal(rng.permutation(0, "order", 100), rng.permutation(0, "order", 100, epoch=1))
    seen = [tuple(rng.permutation(seed, "order", 3).tolist()) for seed in range(600)]
    for order in itertools.permutations(range(3)):
        assert 60 < seen.count(order) < 140  # 100 expected, sd 9


def test_torch_seeded_is_keyed_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with rng.torch_seeded(0, "init"):
        first = torch.rand(3)
    with rng.torch_seeded(0, "init"):
        again = torch.rand(3)
    with rng.torch_seeded(0, "dropout"):
        other = torch.rand(3)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_torch_seeded_gives_the_generator_back_after_an_error():
    def fail():
        with rng.torch_seeded(0, "init"):
            torch.rand(3)
            raise RuntimeError("in the library")

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="in the library"):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_nothing_draws_from_the_global_generator():
    before = torch.get_rng_state()
    rng.uniform(0, "crop", INDEX, 3)
    rng.permutation(0, "order", 10)
    assert torch.equal(torch.get_rng_state(), before)
