"""Ways to compute the same steps: which memory format, precision and compiler are fastest on this device."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from augstudy.bench.base import Bench, Line, Settings, Side, race
from augstudy.bench.crops import picture
from augstudy.bench.train import METHODS, Steps, loop_of, part_of, preset_runs
from augstudy.data.images import load_image
from augstudy.learn.loop import Compute

__all__ = ["Ways"]

PLAIN = "float32, eager, torch's own format"
WAYS = {
    PLAIN: ("32-true", Compute(channels_last=False)),
    "channels_last": ("32-true", Compute()),
    "channels_last, bf16": ("bf16-mixed", Compute()),
    "compile": ("32-true", Compute(channels_last=False, compile=True)),
    "channels_last, compile": ("32-true", Compute(compile=True)),
    "channels_last, compile, bf16": ("bf16-mixed", Compute(compile=True)),
}


@dataclass(frozen=True)
class Ways(Bench):
    """Crops a second of the bare steps at a preset; sizes are those of views, by default the preset's own.

    Compiling, which takes a minute or so on a CPU, falls into the rounds that are thrown away.

    Args:
        scale: the preset.
        methods: so many sets of lines.
        ways: names of `WAYS`; each has a line against the first.
        parts: the batches are those of such a part of an epoch.
    """

    scale: str = "laptop"
    methods: tuple[str, ...] = METHODS
    ways: tuple[str, ...] = tuple(WAYS)
    parts: int = 20

    def lines(self, settings: Settings) -> Iterator[Line]:
        """A line for each size, method and way but the first; all ways of a method take turns."""
        image = load_image(picture(settings.image).path)
        for run in preset_runs(self.scale, self.methods, settings.sizes):
            part = part_of(run, self.parts, 1)
            loops = {way: loop_of(part, image, settings.place, *WAYS[way]) for way in self.ways}
            rates = race([Side(way, Steps(loop)) for way, loop in loops.items()], settings.seconds, settings.place)
            first, *others = self.ways
            for way in others:
                key = {"method": run.method_name, "size": run.view.size, "way": way}
                more = {"batch": run.method.batch_size, "threads": torch.get_num_threads()}
                yield Line("compute", key, settings.place, rates[way], first, rates[first], more)
