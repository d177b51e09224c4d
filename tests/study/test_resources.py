"""What a study asks of a cluster, and what it cannot ask."""

import pytest

from augstudy.core.errors import UserError
from augstudy.study.compose import compose
from augstudy.study.resources import Resources


@pytest.mark.parametrize("text", ["devices: 2\nresources: {gpus: 2}", "devices: 2", "device: cpu\ndevices: 4"])
def test_as_many_cards_as_train_one_run_will_do(write, text):
    assert Resources.of(compose(write(text))).gpus in (0, 2)


@pytest.mark.parametrize("gpus", [1, 0.5, 3])
def test_fewer_cards_than_train_one_run_are_refused_before_any_task(write, gpus):
    study = compose(write(f"devices: 4\nresources: {{gpus: {gpus}}}"))
    with pytest.raises(UserError, match=f"toy.yaml: resources: gpus is {gpus}, but devices is 4") as raised:
        Resources.of(study)
    assert "Set gpus to 4" in raised.value.fix


def test_runs_may_share_a_card(write):
    assert Resources.of(compose(write("resources: {gpus: 0.5}"))).gpus == 0.5


def test_a_mistake_names_file_and_key(write):
    with pytest.raises(UserError, match=r"toy\.yaml: resources") as raised:
        Resources.of(compose(write("resources: {cpu: 4}")))
    assert "cpus" in str(raised.value.what) + str(raised.value.fix)
