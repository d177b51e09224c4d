"""What can be found out about a run's networks before anything is trained."""

import torch

from augstudy.core.errors import UserError
from augstudy.learn.methods.base import Context
from augstudy.study.plan import Run

__all__ = ["try_networks"]


def try_networks(run: Run) -> None:
    """Build a run's networks without memory, to find now what they would refuse after the rows before it.

    Raises:
        UserError: the method or the backbone cannot take views of this size.
    """
    size, where = run.view.size, f"row {run.label!r}"
    if run.cropped and run.recipe.count < run.method.batch_size:
        what = f"{where}: corpus.count {run.recipe.count} is less than one batch of {run.method.batch_size}"
        raise UserError(what, "Set corpus.count to more, or method.batch_size to less.")
    with torch.device("meta"):
        encoder = run.backbone.encoder()
        try:
            run.method.modules(encoder, Context(run.seed, size, count=1, classes=2))
            if run.method.trains:
                encoder(torch.empty(2, 3, size, size))
        except UserError as error:
            raise error.at(where) from None
        except RuntimeError:
            what = f"{where}: views of {size} px are too small for {run.backbone_name}"
            raise UserError(what, "Set view.size to more, or name another backbone.") from None
