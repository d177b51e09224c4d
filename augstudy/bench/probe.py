"""The linear probe against scikit-learn: the same layers, the same penalties, the same accuracy."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from augstudy.bench.base import Bench, Job, Line, Settings, Side, race
from augstudy.core import rng
from augstudy.data.datasets.photos import Photos
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.logistic import logistic
from augstudy.evaluate.probes.linear import Linear
from augstudy.evaluate.scores import accuracy, class_count, standardised
from augstudy.learn.backbones.conv5 import Conv5

__all__ = ["Probe"]

Layer = tuple[Tensor, Tensor]  # standardised features of training and of test images


@dataclass(frozen=True)
class Fits:
    """What both sides fit.

    Args:
        layers: standardised features.
        labels, truth: of training and of test images.
        penalties: every layer is fitted with each.
    """

    layers: tuple[Layer, ...]
    labels: Tensor
    truth: Tensor
    penalties: tuple[float, ...]

    @property
    def classes(self) -> int:
        return class_count(self.labels, self.truth)


@dataclass(frozen=True)
class Probe(Bench):
    """Fits a second (a fit is a layer with a penalty) of the fast protocol's solver and of `LogisticRegression`.

    The features are those of a random five-layer network on the set of photographs that is part of the package.
    Accuracies are means over layers and penalties.

    Args:
        images: of the training split; half as many are tested.
        dims: of a layer, at most.
        penalties: see `Linear`.
        warm, rounds: turns thrown away, turns that count.
    """

    images: int = 4000
    dims: int = 512
    penalties: tuple[float, ...] = (1.0, 0.1, 1e-2, 1e-3, 1e-4)
    warm: int = 1
    rounds: int = 2

    def lines(self, settings: Settings) -> Iterator[Line]:
        """One line."""
        fits = layers_of(self.images, self.dims, self.penalties, settings.place)
        name = f"scikit-learn {sklearn.__version__}'s LogisticRegression"
        ours, reference = Ours(fits), Reference(fits)
        sides = [Side("ours", ours), Side(name, reference)]
        rates = race(sides, 0, settings.place, warm=self.warm, rounds=self.rounds)
        more = {
            "accuracy": ours.found[-1],
            "reference_accuracy": reference.found[-1],
            "layers": len(fits.layers),
            "penalties": len(fits.penalties),
            "images": len(fits.labels),
            "dims": max(x.shape[1] for x, _ in fits.layers),
            "threads": torch.get_num_threads(),
        }
        yield Line("probe", {"probe": "linear"}, settings.place, rates["ours"], name, rates[name], more)


def layers_of(images: int, dims: int, penalties: tuple[float, ...], device: torch.device) -> Fits:
    """The features of five random layers."""
    data = Photos(train_per_class=-(-images // 12), test_per_class=-(-images // 24)).load()
    with rng.torch_seeded(0, "bench/probe"):
        encoder = Conv5().encoder()
    train, test = Extraction(images, images // 2, dims)(encoder, data, device)
    layers = tuple(standardised(train.layers[name], test.layers[name]) for name in train.layers)
    return Fits(layers, train.labels, test.labels, penalties)


@dataclass(frozen=True, eq=False)
class Fitting(Job):
    """Fits every layer with every penalty in a step, and keeps what each step found."""

    fits: Fits
    found: list[float] = field(default_factory=list)  # accuracies, one a step

    def start(self) -> Callable[[], int]:
        def step() -> int:
            self.found.append(self.accuracy())
            return len(self.fits.layers) * len(self.fits.penalties)

        return step

    @abstractmethod
    def accuracy(self) -> float:
        """Fit; top-1 in per cent, the mean over layers and penalties."""


@dataclass(frozen=True, eq=False)
class Ours(Fitting):
    """All penalties of a layer at once, to the probe's own tolerance."""

    def accuracy(self) -> float:
        fits, probe, found = self.fits, Linear(), []
        for x, again in fits.layers:
            solved = logistic(x, fits.labels, fits.classes, fits.penalties, probe.steps, probe.tolerance)
            found += [accuracy(scores, fits.truth) for scores in solved.scores(again)]
        return sum(found) / len(found)


@dataclass(frozen=True, eq=False)
class Reference(Fitting):
    """One fit after the other, as a user would write it: single precision, the default solver, until it converges."""

    def accuracy(self) -> float:
        fits, found = self.fits, []
        labels, truth = fits.labels.cpu().numpy(), fits.truth.cpu().numpy()
        for x, again in fits.layers:
            for penalty in fits.penalties:
                model = LogisticRegression(C=1 / (penalty * len(x)), max_iter=10_000)
                model.fit(x.cpu().numpy(), labels)
                found.append(100 * model.score(again.cpu().numpy(), truth))
        return sum(found) / len(found)
