"""Whether probes agree on an order, by the artists."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.probe_agreement import ProbeAgreement, agreement

from ..synthetic import LAYERS, LINES, write_probed


def results(tmp_path, change=lambda label, layer, value: value):
    return load(write_probed(tmp_path / "synthetic", change))


def test_probes_of_one_order_have_a_correlation_of_one_and_of_the_opposite_order_of_minus_one(tmp_path):
    table = agreement(results(tmp_path, lambda label, layer, value: 100 - value if layer == "conv2" else value))
    rho = table.groupby(["probe", "layer"])["rho"].first()
    assert rho["linear_paper", "conv2"] == pytest.approx(-1)
    assert rho["linear_paper", "conv1"] == rho["knn", "conv2"] == pytest.approx(1)
    assert set(table.groupby(["probe", "layer"]).size()) == {len(LINES)}


def test_the_correlation_is_that_of_scipy(tmp_path):
    noise = dict(zip((line[0] for line in LINES), np.random.default_rng(0).normal(0, 8, len(LINES)), strict=True))
    table = agreement(results(tmp_path, lambda label, layer, value: value + noise[label]))
    for _, part in table[table["probe"] == "linear_paper"].groupby("layer"):
        assert part["rho"].iloc[0] == pytest.approx(spearmanr(part["x"], part["y"]).statistic)


def test_a_panel_a_probe_with_the_correlation_of_each_layer(tmp_path):
    figure = ProbeAgreement()(results(tmp_path))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["linear (paper)", "knn"]
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words == [f"{layer}: 1.00" for layer in LAYERS]
    points = [line for line in figure.axes[1].get_lines() if line.get_gid() != "equal"]
    assert [len(line.get_xdata()) for line in points] == [len(LINES)] * len(LAYERS)
    assert figure.axes[1].get_xlabel().startswith("linear (fast): ")


def test_a_probe_that_finds_all_rows_alike_has_no_order(tmp_path):
    figure = ProbeAgreement()(results(tmp_path, lambda label, layer, value: 50.0))
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "conv1: level"


def test_one_probe_has_nothing_to_agree_with(usual):
    with pytest.raises(NothingToShow, match="no two probes"):
        ProbeAgreement()(usual)
