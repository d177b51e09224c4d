"""kill -9 at random moments, the long form; the short one is in test_damage.py, whose process it shares."""

import random
import re
import signal
import time

import pytest

from .conftest import MOMENTS

pytestmark = pytest.mark.faults
EXPORT = ("crops", "hubble", "--count", "3000", "--size", "32", "--shard-size", "500")


@pytest.fixture(scope="module")
def rehearsed(lab, tmp_path_factory):
    """How many files an undisturbed study puts in place, and how many seconds it takes."""
    folder = tmp_path_factory.mktemp("rehearsed")
    began = time.monotonic()
    code, said = lab(folder, lab.DRAWN, fault="count")
    assert code == 0, said
    assert lab.table(folder) == lab.table(lab.whole)
    return int(re.findall(r"writes (\d+)", said)[-1]), time.monotonic() - began


def kill(lab, results, chance, rehearsed):
    """Kill a study while it writes a file drawn by chance, or at a time drawn by chance; returns what was drawn."""
    writes, seconds = rehearsed
    if chance.random() < 0.5:
        wish = {"fault": chance.choice(MOMENTS), "at": chance.randint(1, writes)}
    else:
        wish = {"after": chance.uniform(0.05, 0.95) * seconds}
    code, said = lab(results, lab.DRAWN, **wish)
    assert code == -signal.SIGKILL or ("after" in wish and code == 0), said
    return wish


@pytest.mark.parametrize("number", range(40))
def test_a_study_killed_at_random(lab, tmp_path, number, rehearsed):
    drawn = kill(lab, tmp_path, random.Random(number), rehearsed)
    print(drawn)
    lab.check(tmp_path, (lab.DRAWN,))


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", range(10))
def test_an_export_killed_at_random(lab, tmp_path, number, exported):
    seconds, whole = exported
    after = random.Random(number).uniform(0.05, 0.95) * seconds
    lab(tmp_path / "said", *EXPORT, "--out", str(tmp_path / "crops"), bare=True, after=after)
    code, said = lab(tmp_path / "said", *EXPORT, "--out", str(tmp_path / "crops"), bare=True)
    assert code == 0, said
    assert content(tmp_path / "crops") == whole


@pytest.fixture(scope="module")
def exported(lab, tmp_path_factory):
    """How long an undisturbed export takes, and its files."""
    folder = tmp_path_factory.mktemp("exported")
    began = time.monotonic()
    code, said = lab(folder / "said", *EXPORT, "--out", str(folder / "crops"), bare=True)
    assert code == 0, said
    return time.monotonic() - began, content(folder / "crops")
