"""kill -9 at any moment: what is resumed ends with the table of an undisturbed study, and repeats no finished run."""

import random
import signal

import pytest

MOMENTS = ("half a file", "not in place", "in place")
EXPORT = ("crops", "hubble", "--count", "3000", "--size", "32", "--shard-size", "500")


def kill(lab, results, chance):
    """Kill a study while it writes a file drawn by chance, or at a time drawn by chance; returns what was drawn."""
    if chance.random() < 0.5:
        wish = {"fault": chance.choice(MOMENTS), "at": chance.randint(1, lab.writes)}
    else:
        wish = {"after": chance.uniform(0.05, 0.95) * lab.seconds}
    code, said = lab(results, **wish)
    assert code == -signal.SIGKILL or ("after" in wish and code == 0), said
    return wish


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_it_writes(lab, tmp_path, moment):
    share = {"half a file": 0.45, "not in place": 0.75, "in place": 0.95}[
        moment
    ]  # checkpoint or features, record, table
    code, said = lab(tmp_path, fault=moment, at=int(share * lab.writes))
    assert code == -signal.SIGKILL, said
    lab.check(tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("number", range(40))
def test_a_study_killed_at_random(lab, tmp_path, number):
    drawn = kill(lab, tmp_path, random.Random(number))
    print(drawn)
    lab.check(tmp_path)


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.faults
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
    import time

    folder = tmp_path_factory.mktemp("exported")
    began = time.monotonic()
    code, said = lab(folder / "said", *EXPORT, "--out", str(folder / "crops"), bare=True)
    assert code == 0, said
    return time.monotonic() - began, content(folder / "crops")
