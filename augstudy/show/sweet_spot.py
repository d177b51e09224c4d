"""Whether accuracy rises, falls, or first rises and then falls along an axis, and how sure the runs make us of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["Verdict", "judge_curve"]

Array = NDArray[np.float64]

MARGIN = 2.0  # of AICc: less is no evidence worth the name (Burnham, Anderson, 2002, section 2.6)
REPEATS = 400  # of the bootstrap
BREAKS = np.linspace(0, 1, 23)[1:-1]  # candidates for where a line breaks, as shares of the range
TAIL = 0.025  # on each side of a 95 % interval
FEW = 4  # points: a curve with a peak through three of them fits anything


@dataclass(frozen=True)
class Verdict:
    """What the runs say.

    Args:
        kind: "reverse-U", "rising", "falling" or "undecided".
        reason: why, in some words.
        at, low, high: the peak and the 95 % interval of its place, of a reverse-U.
        curve: what was fitted, of a reverse-U: places -> accuracies.
    """

    kind: str
    reason: str
    at: float | None = None
    low: float | None = None
    high: float | None = None
    curve: Callable[[Array], Array] | None = None

    def sentence(self, axis: str) -> str:
        """The verdict for a caption."""
        if self.kind == "reverse-U":
            return f"reverse-U: sweet spot at {axis} {self.at:.3g}, 95 % interval {self.low:.3g} to {self.high:.3g}"
        name = "undecided" if self.kind == "undecided" else f"monotone, {self.kind} with {axis}"
        return f"{name} ({self.reason})"


def judge_curve(x: Array, y: Array, point: NDArray[np.int64]) -> Verdict:
    """A reverse-U only where the runs support one.

    A concave quadratic or a line that breaks once, up and then down, must beat a constant, a line and a line that
    levels off by an AICc of two; in a bootstrap over seeds the 95 % interval of its peak must lie between the outermost
    points; and some inner point must stand out above both of these (see `stands_out`), for what levels off is often
    fitted best by something that falls a little. A line or one that levels off must beat the constant by as much, and
    97.5 % of the bootstrap must agree on its direction. Anything else is undecided.

    The bootstrap draws the runs' deviations from their point's mean anew, pooled over points and widened for the mean
    that was taken off: three seeds alone would give ten resamples, too narrow.

    Args:
        x, y: (n,) place and accuracy of each run.
        point: (n,) which point of the sweep it belongs to, from 0 on.
    """
    count = np.bincount(point)
    if len(count) < FEW:
        return Verdict("undecided", f"{len(count)} points, and it takes {FEW} to tell a peak")
    if (count < 2).any():
        return Verdict("undecided", "one seed at some point, so that chance cannot be told from the curve")
    low, high = (float(end) for end in np.quantile(np.bincount(point, x) / count, (0, 1)))
    if not high > low or len(x) < FEW + 3:
        return Verdict("undecided", "the points lie on one place of the axis")
    x = (x - low) / (high - low)  # so that sums of squares are of one size
    flat, best = (
        scores(x, y, "constant")[0],
        {"monotone": min(scores(x, y, *MONOTONE)), "peak": np.inf, "valley": np.inf},
    )
    for kind, score in zip(PEAKED, scores(x, y, *PEAKED), strict=True):
        form = form_of(kind, fitted(kind, x, y)[0])
        best[form] = min(best[form], score)
    steady, peaked = best["monotone"], best["peak"]
    if best["valley"] < min(flat, steady, peaked) - MARGIN:
        return Verdict("undecided", "a valley fits best")
    if peaked < min(flat, steady) - MARGIN:
        return _peak(x, y, point, low, high)
    if steady < flat - MARGIN:
        return _direction(x, y, point, flat - steady)
    better = min(steady, peaked)
    if better < flat:
        return Verdict(
            "undecided", f"no curve beats a constant by an AICc of {MARGIN:g}, the best by {flat - better:.1f}"
        )
    return Verdict("undecided", "a constant fits best")


def scores(x: Array, y: Array, *kinds: str) -> list[float]:
    """AICc of these models, the variance counted as a parameter (Burnham, Anderson, 2002, section 2.4)."""
    n, found = x.shape[-1], []
    for kind in kinds:
        k = PARAMETERS[kind] + 1
        rss = max(float(fitted(kind, x, y)[1]), 1e-12)
        found.append(float(n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)))
    return found


def _peak(x: Array, y: Array, point: NDArray[np.int64], low: float, high: float) -> Verdict:
    """A reverse-U if its peak surely lies inside, and something there surely above the ends."""
    quadratic, tent = scores(x, y, *PEAKED)
    kind = "quadratic" if quadratic <= tent else "tent"
    weights, _, at = fitted(kind, x, y)
    again = resampled(x, y, point)
    refits = fitted(kind, *again)
    peaks = peak_of(kind, refits[0], refits[2])
    if not stands_out(x, y, point):
        return Verdict("undecided", "a peak fits best, but no point inside is surely above both outermost ones")
    first, last = np.quantile(np.where(np.isnan(peaks), np.inf, peaks), (TAIL, 1 - TAIL))
    if not 0 < first <= last < 1:
        return Verdict("undecided", "a peak fits best, but its interval reaches an end of the range")
    top, start, end = (low + (high - low) * float(place) for place in (peak_of(kind, weights, at), first, last))
    return Verdict(
        "reverse-U", "", top, start, end, lambda where: drawn(kind, (where - low) / (high - low), weights, at)
    )


def stands_out(x: Array, y: Array, point: NDArray[np.int64]) -> bool:
    """Whether some inner point's mean is above those of both outermost points: a one-sided t test at 2.5 % with the
    variance of all runs about their points, shared out among the inner points (Bonferroni)."""
    count = np.bincount(point)
    places, means = (np.bincount(point, v) / count for v in (x, y))
    freedom = len(y) - len(count)
    variance = np.square(y - means[point]).sum() / freedom
    ends = places.argsort()[[0, -1]]
    inner = np.setdiff1d(np.arange(len(count)), ends)
    error = np.sqrt(variance * (1 / count[inner][:, None] + 1 / count[ends][None, :]))
    above = means[inner][:, None] - means[ends][None, :] > stdtrit(freedom, 1 - TAIL / len(inner)) * error
    return bool(above.all(1).any())


def _direction(x: Array, y: Array, point: NDArray[np.int64], gain: float) -> Verdict:
    slopes = fitted("line", *resampled(x, y, point))[0][:, 1]
    up = float((slopes > 0).mean())
    if TAIL < up < 1 - TAIL:
        return Verdict("undecided", "its direction changes from resample to resample")
    return Verdict("rising" if up > 0.5 else "falling", f"AICc {gain:.1f} better than a constant, no peak within reach")


def resampled(x: Array, y: Array, point: NDArray[np.int64]) -> tuple[Array, Array]:
    """Each run's point mean plus a deviation drawn from all runs', x and y of one run together: (R, n) each."""
    count = np.bincount(point)
    means = [(np.bincount(point, v) / count)[point] for v in (x, y)]
    widen = np.sqrt(count / (count - 1))[point]
    drawn = np.random.default_rng(0).integers(0, len(x), (REPEATS, len(x)))
    first, second = (mean + ((v - mean) * widen)[drawn] for mean, v in zip(means, (x, y), strict=True))
    return first, second


def fitted(kind: str, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Least squares of a model: (..., n) twice -> weights (..., p), sums of squares (...) and breaks (...)."""
    if kind not in BROKEN:
        weights, rss = least_squares(PLAIN[kind](x), y)
        return weights, rss, np.full(rss.shape, np.nan)
    designs = np.stack([BROKEN[kind](x, b) for b in BREAKS], -3)  # (..., breaks, n, p)
    weights, rss = least_squares(designs, y[..., None, :])
    best = rss.argmin(-1)
    chosen = np.take_along_axis(weights, best[..., None, None], -2)[..., 0, :]
    return chosen, rss.min(-1), BREAKS[best]


def least_squares(design: Array, y: Array) -> tuple[Array, Array]:
    """Weights (..., p) and sums of squares (...); a ridge of 1e-9 keeps a column of zeros harmless."""
    across = np.swapaxes(design, -1, -2)
    gram = across @ design + 1e-9 * np.eye(design.shape[-1])
    weights = np.asarray(np.linalg.solve(gram, across @ y[..., None]), np.float64)
    return weights[..., 0], np.square((design @ weights)[..., 0] - y).sum(-1)


def peak_of(kind: str, weights: Array, at: Array) -> Array:
    """Where fits peak, NaN where they do not: (...)."""
    if kind == "tent":
        return np.where((weights[..., 1] > 0) & (weights[..., 2] < 0), at, np.nan)
    slope, bend = weights[..., 1], weights[..., 2]
    return np.where(bend < 0, -slope / np.where(bend < 0, 2 * bend, 1), np.nan)


def form_of(kind: str, weights: Array) -> str:
    """What one fit of a peaked model is over [0, 1]: `peak`, `valley` or `monotone`."""
    if kind == "tent":
        up, down = bool(weights[1] > 0), bool(weights[2] < 0)
        return "peak" if up and down else "valley" if not up and not down else "monotone"
    turn = -weights[1] / (2 * weights[2]) if weights[2] else np.inf
    return "monotone" if not 0 < turn < 1 else "peak" if weights[2] < 0 else "valley"


def drawn(kind: str, x: Array, weights: Array, at: Array) -> Array:
    """What a peaked model says at these places."""
    design = bent(x, float(at)) if kind == "tent" else curved(x)
    return np.asarray(design @ weights)


def sloped(x: Array) -> Array:
    return np.stack((np.ones_like(x), x), -1)


def curved(x: Array) -> Array:
    return np.stack((np.ones_like(x), x, x**2), -1)


def bent(x: Array, b: float) -> Array:
    return np.stack((np.ones_like(x), np.minimum(x - b, 0), np.maximum(x - b, 0)), -1)


PLAIN: dict[str, Callable[[Array], Array]] = {
    "constant": lambda x: np.ones_like(x)[..., None],
    "line": sloped,
    "quadratic": curved,
}
BROKEN: dict[str, Callable[[Array, float], Array]] = {
    "levels off": lambda x, b: sloped(np.minimum(x, b)),
    "sets in": lambda x, b: sloped(np.maximum(x, b)),
    "tent": bent,
}
MONOTONE = ("line", "levels off", "sets in")
PEAKED = ("quadratic", "tent")
PARAMETERS = {"constant": 1, "line": 2, "levels off": 3, "sets in": 3, "quadratic": 3, "tent": 4}
