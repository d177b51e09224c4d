"""An epoch of pretraining: ours, the same with lightly's input pipeline, and the bare compute of its steps."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import lightly
import torch
from lightning_fabric import Fabric
from torch import Tensor

from augstudy.augment.cpu.threads import cores
from augstudy.bench.base import Bench, Job, Line, Settings, Side, race
from augstudy.bench.crops import picture
from augstudy.bench.references.pipeline import LightlyEpoch
from augstudy.core.store import read_yaml
from augstudy.data.corpus import Corpus
from augstudy.data.images import load_image
from augstudy.learn.backbones.resnet import ResNet
from augstudy.learn.loop import Compute, Loop
from augstudy.study.compose import configs_folder, presets
from augstudy.study.plan import Run, expand
from augstudy.study.sections import SECTIONS
from augstudy.study.spec import Study

__all__ = ["Train", "card_run", "loop_of", "preset_run", "preset_runs"]

METHODS = ("moco", "rotnet")
WARM = 1  # rounds thrown away


@dataclass(frozen=True)
class Train(Bench):
    """Crops a second in training at the laptop preset; sizes are those of views, by default the preset's own.

    Args:
        parts: the epoch is cut into so many, which the sides do in turns; the figure is the median part's.
        scale: the preset.
        methods: one line each.
    """

    parts: int = 5
    scale: str = "laptop"
    methods: tuple[str, ...] = METHODS

    def lines(self, settings: Settings) -> Iterator[Line]:
        """One line for each size and method; on a card, one of MoCo with a ResNet-18 besides."""
        used = picture(settings.image)
        image = load_image(used.path)
        runs = preset_runs(self.scale, self.methods, settings.sizes)
        for run in [*runs, card_run(self.parts)] if settings.place.type == "cuda" else runs:
            yield self._line(run, image, used.label, settings.place)

    def _line(self, run: Run, image: Tensor, label: str, device: torch.device) -> Line:
        loop = loop_of(part_of(run, self.parts, self.parts + WARM), image, device)
        name = f"lightly {lightly.__version__}'s transform, {cores()} workers"
        sides = [Side("ours", Epochs(loop)), Side(name, LightlyEpoch(loop, run.view)), Side("compute", Steps(loop))]
        rates = race(sides, 0, device, WARM, self.parts)
        more = {
            "compute_per_s": rates["compute"],
            "compute_share": rates["ours"] / rates["compute"],
            "backbone": run.backbone_name,
            "crop_size": run.recipe.size,
            "batch": run.method.batch_size,
            "crops": run.recipe.count,
            "image": label,
            "threads": torch.get_num_threads(),
        }
        key = {"method": run.method_name, "size": run.view.size}
        return Line("train", key, device, rates["ours"], name, rates[name], more)


def preset_runs(scale: str, methods: Sequence[str], sizes: Sequence[int]) -> list[Run]:
    """Those of these methods at every size of views, or at the preset's own if none is asked for."""
    return [preset_run(scale, method, size) for size in sizes or (None,) for method in methods]


def preset_run(scale: str, method: str, size: int | None = None) -> Run:
    """The run of a study of one row at this scale; `size` (px) in place of its views' own."""
    node = read_yaml(configs_folder() / "scale" / f"{scale}.yaml")
    sections = {key: node[key] for key in (*SECTIONS, "methods") if key in node}
    overrides = {} if size is None else {"view.size": size}
    [run] = expand(
        Study("bench", rows=({"label": method, "method": method},), overrides=overrides, **sections), presets()
    )
    return run


def card_run(parts: int, batches: int = 4) -> Run:
    """MoCo v2 as published but for its ResNet-18, 224 px: what one card is used for; each part is some batches long."""
    run = preset_run("paper", "moco")
    recipe = replace(run.recipe, count=parts * batches * run.method.batch_size)
    return replace(run, backbone_name="resnet", backbone=ResNet(depth=18), recipe=recipe)


def part_of(run: Run, parts: int, epochs: int) -> Run:
    """The run with an epoch of a part of its crops, in whole batches, and a schedule of so many such epochs."""
    batches = max(1, run.recipe.count // parts // run.method.batch_size)
    recipe = replace(run.recipe, count=batches * run.method.batch_size)
    return replace(run, recipe=recipe, method=replace(run.method, epochs=epochs))


def loop_of(
    run: Run, image: Tensor, device: torch.device, precision: str = "32-true", compute: Compute | None = None
) -> Loop:
    """The training loop of a run, as `augstudy run` makes it."""
    fabric = Fabric(accelerator=device.type, devices=1, precision=precision)
    source = Corpus(image, run.recipe, run.seed, fabric.device)
    view, compute = run.view, compute or Compute()
    return Loop(run.method, run.backbone, source, view.graph(), view.size, run.seed, fabric, compute=compute)


@dataclass(frozen=True, eq=False)
class Epochs(Job):
    """Epochs of the loop itself: crops, views and steps."""

    loop: Loop

    def start(self) -> Callable[[], int]:
        modules, optimizers = self.loop.make()
        epochs = count()

        def step() -> int:
            self.loop.epoch(next(epochs), modules, optimizers, lambda done, total, note: None)
            return len(self.loop.source)

        return step


@dataclass(frozen=True, eq=False)
class Steps(Job):
    """As many steps in plain torch on batches that were made beforehand: nothing but the compute."""

    loop: Loop

    def start(self) -> Callable[[], int]:
        modules, optimizers = self.loop.make()
        size, number = self.loop.method.batch_size, len(self.loop.source)
        batches = list(self.loop.batches(torch.arange(number), size, epoch=0))

        def step() -> int:
            for batch in batches:
                for optimizer in optimizers.values():
                    optimizer.zero_grad()
                with self.loop.fabric.autocast():
                    loss = modules.loss(batch)
                assert isinstance(loss, Tensor)
                loss.backward()
                for optimizer in optimizers.values():
                    optimizer.step()
                modules.after_step()
            return number

        return step
