"""What a finished training leaves in its run's folder: the encoder, and first pictures of it."""

from dataclasses import asdict
from shutil import rmtree

from augstudy.core.store import RunFolder
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.checkpoint import save_encoder
from augstudy.learn.sided import around
from augstudy.study.pictures import save_first_pictures
from augstudy.study.plan import Run

__all__ = ["keep"]


def keep(folder: RunFolder, run: Run, encoder: Encoder, source: Source) -> None:
    """Write the encoder with its card, then what costs next to nothing to draw of it."""
    rmtree(folder.gallery("").parent, ignore_errors=True)  # of an encoder that was here before
    size = run.view.size if run.method.trains else None
    more = around(run.method.network(run.backbone, run.view), run.view_name)
    save_encoder(folder, encoder.cpu(), run.backbone_name, asdict(run.backbone), size, more)
    save_first_pictures(folder, run, source, encoder)
