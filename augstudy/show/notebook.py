"""A study's results in a notebook: `augstudy.load("results/single_image_A")` and objects that show themselves."""

import base64
import io
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from augstudy.core import registry
from augstudy.core.store import StudyFolder
from augstudy.show import base
from augstudy.show.report.page import write
from augstudy.show.style import house
from augstudy.show.table import ASIDE, measure, summary
from augstudy.show.verdicts import judge

__all__ = ["Drawing", "StudyResults", "load"]

_DPI = 110  # of pictures in a notebook


def load(path: str | Path) -> "StudyResults":
    """The results of a study, from the folder that they lie in; needs no torch and no training.

    Raises:
        UserError: there are no results in this folder, or neither records nor records.json.
    """
    results = base.load(StudyFolder(Path(path)))
    results.require_records()
    return StudyResults(results)


@dataclass(frozen=True)
class Drawing:
    """A figure that shows itself in a notebook.

    Args:
        name: of the figure.
        matplotlib: the figure, to be changed or saved.
    """

    name: str
    matplotlib: Figure = field(repr=False)

    @property
    def caption(self) -> str:
        """What it shows, in words."""
        found = [text.get_text() for text in self.matplotlib.texts if text.get_gid() == "caption"]
        return " ".join(" ".join(found).split())

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        with house():
            self.matplotlib.savefig(stream, format="png", dpi=_DPI)
        return stream.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._repr_png_()).decode()
        alt = escape(f"{self.name.replace('_', ' ')}: {self.caption}")
        return f'<img src="data:image/png;base64,{data}" alt="{alt}" style="max-width: 100%; background: #fff">'


@dataclass(frozen=True)
class StudyResults:
    """What a study found.

    Args:
        results: everything that tables and figures are made from.
    """

    results: base.Results = field(repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """One measured value a line: label, seed, layer, probe, metric, value and more."""
        return self.results.frame.copy()

    @property
    def summary(self) -> pd.DataFrame:
        """Mean, sd, n and the 95 % interval over seeds, a line for each row, probe, metric and layer."""
        return summary(self.results.frame)

    @property
    def table(self) -> pd.DataFrame:
        """Means over seeds of the study's first metric: rows by layers, in its order; NaN where there is none."""
        means = self.summary
        means = means[~means["metric"].isin(ASIDE)]
        if means.empty:
            return pd.DataFrame(columns=self.results.layers)
        probe, metric = means[["probe", "metric"]].iloc[0]
        first = means[(means["probe"] == probe) & (means["metric"] == metric)]
        names = ["label", *self.results.axes]
        found = dict(zip(first[[*names, "layer"]].itertuples(index=False, name=None), first["mean"], strict=True))
        rows = list(dict.fromkeys(key[:-1] for key in found))
        layers = [layer for layer in self.results.layers if layer in set(first["layer"])]
        lines = [[found.get((*row, layer), float("nan")) for layer in layers] for row in rows]
        index = pd.MultiIndex.from_tuples(rows, names=names) if len(names) > 1 else [row[0] for row in rows]
        return pd.DataFrame(lines, index, pd.Index(layers, name=f"{self.results.shown(probe)}, {measure(metric)}"))

    @property
    def claims(self) -> pd.DataFrame:
        """Every claim of the study with its verdict, difference and interval."""
        return judge(self.results).copy()

    @property
    def figures(self) -> list[str]:
        """Names of all figures there are; of some a study has nothing to show."""
        return registry.names("show.figures")

    def figure(self, name: str) -> Drawing:
        """Draw a figure.

        Raises:
            UserError: there is no such figure, or nothing to show in it.
        """
        return Drawing(name, registry.find("show.figures", name)()(self.results))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, into the study's folder unless told; returns its path."""
        return write(self.results, Path(path) if path else None)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.results.counts.items() if count)
        return f"<{self.results.title}: {len(self.results.rows)} rows, runs: {counts}>"

    def _repr_html_(self) -> str:
        question = escape(str(self.results.index.get("question") or ""))
        notes = (self.results.image_sentence, self.results.probe_sentence, *self.results.warnings)
        said = "".join(f"<p><small>{escape(note)}</small></p>" for note in notes if note)
        table = self.table.to_html(float_format=lambda value: f"{value:.1f}", na_rep="-", border=0)
        return f"<h3>{escape(self.results.title)}</h3><p>{question}</p>{said}{table}{self._claims_html()}"

    def _claims_html(self) -> str:
        claims = self.claims[["claim", "verdict", "difference", "low", "high", "n"]]
        return (
            ""
            if claims.empty
            else claims.to_html(index=False, float_format=lambda v: f"{v:+.2f}", na_rep="-", border=0)
        )
