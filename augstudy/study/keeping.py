"""What a finished training leaves in its run's folder, and what a killed one leaves by mistake."""

from dataclasses import asdict
from shutil import rmtree

from augstudy.core.lock import holding
from augstudy.core.store import RunFolder, sweep
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.checkpoint import save_encoder
from augstudy.learn.sided import around
from augstudy.study.pictures import save_first_pictures
from augstudy.study.plan import Run

__all__ = ["keep", "tidy"]


def keep(folder: RunFolder, run: Run, encoder: Encoder, source: Source) -> None:
    """Write the encoder with its card, then what costs next to nothing to draw of it."""
    rmtree(folder.gallery("").parent, ignore_errors=True)  # of an encoder that was here before
    size = run.view.size if run.method.trains else None
    more = around(run.method.network(run.backbone, run.view), run.view_name)
    save_encoder(folder, encoder.cpu(), run.backbone_name, asdict(run.backbone), size, more)
    save_first_pictures(folder, run, source, encoder)


def tidy(folder: RunFolder) -> None:
    """Take away what a killed process left of a run, finished or not: half a file, its lock."""
    if folder.lock.exists():
        with holding(folder.lock) as mine:
            if mine:
                sweep(folder.path)
