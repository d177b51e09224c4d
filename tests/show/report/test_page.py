"""Laws of the report: everything is on one page, escaped, and equal for equal results."""

import base64
import datetime
import hashlib
import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder, write_yaml
from augstudy.show.base import load
from augstudy.show.figures.base import draw
from augstudy.show.report.facts import told
from augstudy.show.report.page import compare, is_drawn, write
from augstudy.show.report.plates import plates
from augstudy.show.table import summary

from ..synthetic import LAYERS, LINES, failed, records_of, study_index, write_study

CLAIMS = [
    {
        "say": "RotNet beats random",
        "greater": {"label": "RotNet, 1 image", "layer": "conv2"},
        "than": {"label": "random"},
    },
    {"say": "random beats all", "greater": {"label": "random", "layer": "conv2"}, "than": {"label": "supervised"}},
]


class Page(HTMLParser):
    """The tags of a page, each with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def __getitem__(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The folder of a study with claims, three seeds and one figure, its report written."""
    index = study_index(LINES, (0, 1, 2)) | {"claims": CLAIMS}
    results = load(
        write_study(StudyFolder(tmp_path_factory.mktemp("reported") / "synthetic"), index, records_of(index))
    )
    draw(results, ["layer_curves"])
    write(results)
    return results


def test_what_a_killed_process_left_of_a_figure_is_no_figure_and_goes_with_the_next(reported):
    left = reported.folder.figures / ".layer_curves.png.z12_jz73.tmp.png"
    left.touch()
    assert [plate.name for plate in plates(reported)] == ["layer_curves"]
    draw(reported, ["layer_curves"])
    assert not left.exists()


def words(path):
    """The text of a page as a reader sees it."""
    text = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(html.unescape(text).split())


def test_title_question_verdicts_and_the_command_are_there(reported):
    text = words(reported.folder.report)
    assert reported.title in text
    assert "How far does one image go?" in text
    assert "holds 1 · contradicted 1 of 2 claims" in text
    assert "augstudy run studies/synthetic.yaml" in text
    assert "The image A that the study asks for was not at hand: retina was used instead." in text


def test_the_table_has_every_mean_with_its_interval(reported):
    text = words(reported.folder.report)
    for line in summary(reported.frame).itertuples():
        assert f"{line.mean:.1f} ± {line.sd:.1f} {line.low:.1f} to {line.high:.1f}" in text


def test_a_page_is_whole_in_itself(reported):
    page = Page(reported.folder.report.read_text(encoding="utf-8"))
    for tag, attributes in page.tags:
        for key in ("src", "href", "action", "data"):
            assert attributes.get(key, "#").startswith(("#", "data:")), (tag, attributes)
    assert "link" in [tag for tag, _ in page.tags]
    [policy] = [meta for meta in page["meta"] if meta.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy["content"]
    assert reported.folder.report.stat().st_size < 1e6


def test_every_picture_has_a_text_in_its_place(reported):
    page = Page(reported.folder.report.read_text(encoding="utf-8"))
    assert page["img"]
    for image in page["img"]:
        assert image["alt"].startswith("Layer curves: Top-1 accuracy (%) of linear probe on frozen layers")
    assert all(drawing["aria-label"] for drawing in page["svg"])


def test_a_plate_is_the_drawing_without_title_and_caption(reported):
    [plate] = plates(reported)
    assert plate.caption.startswith("Top-1 accuracy (%) of linear probe")
    assert plate.caption.endswith("12 classes, 4,800 training and 1,200 test images.")
    assert (plate.width, plate.gallery) == (672, False)
    assert 150 < plate.height < 400


def test_pictures_are_galleries_and_a_png_alone_is_shown(make):
    results = load(make(study_index(LINES[:2], (0,))))
    draw(results, ["filters", "layer_curves"])
    (results.folder.figures / "filters.svg").rename(results.folder.figures / "later.svg")
    shown = {plate.name: plate for plate in plates(results)}
    assert list(shown) == ["layer_curves", "filters", "later"]  # the study's, then others
    assert [plate.gallery for plate in shown.values()] == [False, True, True]
    assert shown["filters"].source.startswith("data:image/png")
    assert shown["filters"].alt == "Filters, a figure of this study"


def test_equal_results_give_equal_bytes(reported, tmp_path):
    assert write(reported, tmp_path / "again.html").read_bytes() == reported.folder.report.read_bytes()


@pytest.mark.parametrize("where", ["label", "title", "question", "command"])
def test_what_a_study_says_is_never_markup(tmp_path, where):
    hostile = '<script>alert("1")</script><img src=x onerror=alert(2)>&amp;'
    index = study_index(((hostile if where == "label" else "plain", "rotnet", "single_image"),), (0,))
    if where != "label":
        index[where] = hostile
    results = load(write_study(StudyFolder(tmp_path / "<b>&"), index, records_of(index)))
    text = write(results).read_text(encoding="utf-8")
    assert len(Page(text)["script"]) == 1  # ours
    assert Page(text)["img"] == []
    assert hostile in words(results.folder.report)


def test_nor_is_what_else_strangers_name(tmp_path):
    """Names of images, of sets and of axes, notes, claims, credits, and the reasons of failures."""
    hostile = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&"
    index = study_index(LINES[:3], (0, 1), (0.07, hostile))
    claims = [{"say": hostile, "greater": {"label": LINES[1][0], "layer": "conv2"}, "than": {"label": "random"}}]
    index |= {"claims": claims, "notes": [hostile]}
    index["image"] |= {"used": hostile, "label": hostile, "credit": hostile, "licence": hostile}
    index["probe_data"] |= {"used": hostile, "label": hostile, "note": hostile}
    for run in index["runs"]:
        run["image"] = hostile
    records = records_of(index)
    last = index["runs"][-1]
    records[last["hash"]] = failed(last) | {"reason": hostile}
    results = load(write_study(StudyFolder(tmp_path / "study"), index, records))
    text = write(results).read_text(encoding="utf-8")
    assert len(Page(text)["script"]) == 1  # ours
    assert Page(text)["img"] == []
    assert words(results.folder.report).count(hostile) >= 6


@pytest.mark.parametrize("records", ["none", "failed", "one"])
def test_a_study_that_is_not_whole_has_a_report_too(tmp_path, records):
    index = study_index(LINES[:2], (0, 1))
    found = records_of(index)
    if records != "one":
        found = {run["hash"]: failed(run) for run in index["runs"]} if records == "failed" else {}
    else:
        found = dict(list(found.items())[:1])
    results = load(write_study(StudyFolder(tmp_path), index, found))
    text = words(write(results))
    assert "Failed or unfinished" in text
    assert ("No run has been evaluated yet." in text) == (records != "one")


def test_a_comparison_has_each_claim_once_and_every_study(reported, tmp_path):
    other = study_index(LINES[:3], (0,)) | {"claims": CLAIMS[:1], "title": "The other"}
    results = load(write_study(StudyFolder(tmp_path / "other" / "synthetic"), other, records_of(other)))
    text = words(compare([reported, results], tmp_path / "page.html"))
    assert text.count("RotNet beats random") == text.count("random beats all") == 1
    assert "other/synthetic" in text
    assert "The other" in text
    with pytest.raises(UserError, match="nothing to be compared with"):
        compare([reported], tmp_path / "page.html")


def test_a_sweep_has_a_column_an_axis_and_missing_layers_a_dash(tmp_path):
    index = study_index(LINES[1:3], (0,), (0.07, 0.2))
    records = records_of(index)
    del records[index["runs"][0]["hash"]]["evaluations"][1]["metrics"][3]
    grid = told(load(write_study(StudyFolder(tmp_path), index, records)))["grids"][0]
    assert (grid["axes"], grid["layers"]) == (["method.temperature"], list(LAYERS))
    assert [row["values"] for row in grid["rows"]] == [[0.07], [0.2]] * 2
    assert grid["rows"][0]["cells"][3]["text"] == "-"


def test_broken_curves_are_a_user_error(make):
    folder = make(study_index(LINES[1:2], (0,)))
    folder.run(load(folder).index["runs"][0]["hash"]).metrics.write_text("")
    with pytest.raises(UserError, match=r"metrics\.csv is not readable"):
        write(load(folder))


def test_what_is_not_of_a_layer_has_a_table_too(informed):
    grids = {grid["heading"]: grid for grid in told(informed)["grids"]}
    assert grids["infonce: nats"]["layers"] == ["embedding"]
    assert len(grids["infonce: nats"]["rows"]) == 5


def test_more_probes_and_metrics_are_shown_as_they_come(make):
    index = study_index(LINES[:3], (0, 1))
    index["probes"] += [{"name": "knn", "key": "k"}, {"name": "mutual <information>", "key": "m"}]
    folder = make(index, probes=index["probes"])
    write_yaml(folder.index, index)
    text = words(write(load(folder)))
    assert "mutual <information>: top-1 accuracy (%)" in text


def test_a_page_says_what_it_was_drawn_from(reported):
    assert is_drawn(reported)
    assert is_drawn(replace(reported, index=reported.index | {"command": "augstudy run elsewhere.yaml"}))
    assert not is_drawn(replace(reported, index=reported.index | {"title": "Another"}))
    assert not is_drawn(replace(reported, index=reported.index | {"title": datetime.date(2026, 11, 2)}))
    key, record = next(iter(reported.records.items()))
    assert not is_drawn(replace(reported, records=reported.records | {key: record | {"seconds": -1.0}}))
    reported.folder.report.unlink()
    assert not is_drawn(reported)
    write(reported)
    assert is_drawn(reported)


def test_no_script_may_run_but_the_pages_own(reported):
    text = reported.folder.report.read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    name = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [m["content"] for m in Page(text)["meta"] if m.get("http-equiv") == "Content-Security-Policy"]
    assert re.search(r"script-src ([^;]*)", policy)[1] == f"'sha256-{name}'"


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"", b"\x89PNG\r\n\x1a\n\x00"]
)
def test_a_figure_that_is_no_png_is_an_error_and_nothing_else_is_opened(reported, content):
    path = reported.folder.figures / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png is no PNG that can be read"):
        plates(reported)
    path.unlink()
