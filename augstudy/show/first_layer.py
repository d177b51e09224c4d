"""First-layer filters as arrays: their colour, direction and fineness, how they are sorted and made visible.

Filters are (F, kh, kw, C): three channels see colours; two see the slopes of the grey image, across and down, as a
network with a Sobel front end does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "ANGLES",
    "DEAD",
    "FREQUENCIES",
    "GREY",
    "TWIN",
    "FilterStatistics",
    "coherence",
    "colourfulness",
    "frequency",
    "on_image",
    "ordered",
    "orientation",
    "statistics",
    "stretched",
    "tiles",
]

Array = np.ndarray[Any, np.dtype[Any]]

GREY = 0.25  # colourfulness below which a filter counts as grey: under a sixteenth of its power is colour
DEAD = 0.1  # share of the layer's median size below which a filter is dead: it answers with 1 % of the usual power
TWIN = 0.9  # cosine from which two filters are near-duplicates: they share four fifths (0.81) of their power
ANGLES = np.arange(0.0, 180.0, 22.5)  # degrees, middles of the histogram's bins; 0 is a vertical edge
FREQUENCIES = np.linspace(0, 0.5, 11)  # cycles per pixel, edges of its bins; what is finer is counted in the last

# What stands before conv1 in `AlexNet(sobel=True)`: the mean of the channels, then these two, as torch correlates.
_ACROSS = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
SOBEL = np.stack((_ACROSS, _ACROSS.T), -1)  # (3, 3, 2)


@dataclass(frozen=True)
class FilterStatistics:
    """A first layer in numbers.

    Args:
        count: filters.
        orientation: (8,) share of the filters in each bin of `ANGLES`, each counted by its coherence; sums to 1, or is
            0 where no filter has a direction.
        frequency: (10,) share of the filters between `FREQUENCIES`, each counted once, dead ones left out.
        coloured: share in [0, 1] with a colourfulness of `GREY` or more; NaN where no colour is seen.
        dead: share whose root mean square is below `DEAD` of the layer's median one.
        duplicate: share of the others that have a twin, another one with a cosine of `TWIN` or more.
    """

    count: int
    orientation: Array
    frequency: Array
    coloured: float
    dead: float
    duplicate: float


def statistics(filters: Array) -> FilterStatistics:
    """The statistics of one layer's filters (F, kh, kw, 2 or 3)."""
    flat = filters.reshape(len(filters), -1)
    size = np.sqrt((flat**2).mean(axis=1))
    alive = size >= max(DEAD * np.median(size), np.finfo(float).tiny)
    seen = on_image(filters[alive])
    # Two bins at once, for a direction half-way between two middles belongs to both.
    place = orientation(seen) / 22.5
    share, low, weight = place % 1, place.astype(int) % 8, coherence(seen)
    turned = np.bincount(low, weight * (1 - share), 8) + np.bincount((low + 1) % 8, weight * share, 8)
    fine = np.histogram(np.minimum(frequency(seen), FREQUENCIES[-1]), FREQUENCIES)[0]
    colour = float((colourfulness(filters[alive]) >= GREY).mean()) if filters.shape[-1] == 3 and alive.any() else np.nan
    return FilterStatistics(
        count=len(filters),
        orientation=turned / max(turned.sum(), np.finfo(float).tiny),
        frequency=fine / max(fine.sum(), 1),
        coloured=colour,
        dead=float(1 - alive.mean()),
        duplicate=_with_twins(flat[alive]),
    )


def _with_twins(flat: Array) -> float:  # (F, D)
    """Share of filters that point the way of another one."""
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.finfo(float).tiny)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -1)
    return float((cosine.max(axis=1) >= TWIN).mean()) if len(flat) > 1 else 0.0


def colourfulness(filters: Array) -> Array:  # (F, kh, kw, C) -> (F,)
    """Share in [0, 1] of a filter's spread that lies between its channels: 0 is a grey filter."""
    grey = filters.mean(axis=-1, keepdims=True)
    chroma = ((filters - grey) ** 2).sum(axis=(1, 2, 3))
    total = ((filters - filters.mean(axis=(1, 2, 3), keepdims=True)) ** 2).sum(axis=(1, 2, 3))
    return np.asarray(np.sqrt(chroma / np.maximum(total, np.finfo(float).tiny)))


def spectrum(filters: Array, side: int = 32) -> tuple[Array, Array, Array]:
    """Power at each frequency, summed over channels: (F, side, side); and the frequencies, two (side, side).

    Args:
        side: px, what filters are padded to with zeros.

    Returns:
        power, cycles per pixel to the right, and cycles per pixel up.
    """
    power = (np.abs(np.fft.fft2(filters, (side, side), axes=(1, 2))) ** 2).sum(axis=-1)
    right, down = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))
    return power, right, -down


def direction(filters: Array) -> tuple[Array, Array]:
    """Orientation and coherence of each filter, (F,) each, from the power within half a cycle per pixel.

    The power at opposite directions is added up as vectors of twice the angle; channels count alike, so a red-green
    edge has a direction too. White noise favours none by more than a fifth; derivatives in place of the spectrum would
    make a quarter more of its filters diagonal.
    """
    power, right, up = spectrum(filters)
    radius = np.hypot(right, up)
    power = np.where((radius > 0) & (radius <= 0.5), power, 0)
    total = np.maximum(power.sum(axis=(1, 2)), np.finfo(float).tiny)
    sums = [
        (power * weight).sum(axis=(1, 2)) / total
        for weight in np.divide((right**2 - up**2, 2 * right * up), np.maximum(radius**2, 1e-9))
    ]
    length = np.hypot(*sums)
    angle = np.where(length > 1e-9, np.degrees(np.arctan2(sums[1], sums[0]) / 2) % 180, 0.0)
    return angle, length


def orientation(filters: Array) -> Array:  # (F, kh, kw, C) -> (F,)
    """Direction in which a filter changes, in degrees, counter-clockwise from the right, in [0, 180)."""
    return direction(filters)[0]


def coherence(filters: Array) -> Array:  # (F, kh, kw, C) -> (F,)
    """How much direction a filter has: 1 for an endless grating, 0 for a blob or for noise that goes all ways alike."""
    return direction(filters)[1]


def frequency(filters: Array) -> Array:  # (F, kh, kw, C) -> (F,)
    """Mean spatial frequency in cycles per pixel: the centroid of the power spectrum.

    White noise has 0.38, a constant filter of 5 px 0.13.
    """
    power, right, up = spectrum(filters)
    total = np.maximum(power.sum(axis=(1, 2)), np.finfo(float).tiny)
    return np.asarray((power * np.hypot(right, up)).sum(axis=(1, 2)) / total)


def on_image(filters: Array) -> Array:  # (F, kh, kw, 2 or 3) -> (F, kh, kw, 3), or (F, kh + 2, kw + 2, 1)
    """Filters as they act on the image: of slopes, the grey filter that Sobel and they make together."""
    if filters.shape[-1] == 3:
        return filters
    count, kh, kw, _ = filters.shape
    seen = np.zeros((count, kh + 2, kw + 2, 1))
    for (down, right), taps in zip(np.ndindex(3, 3), SOBEL.reshape(9, 2), strict=True):
        seen[:, down : down + kh, right : right + kw, 0] += (filters * taps).sum(axis=-1) / 3
    return seen


def ordered(filters: Array, grey_below: float = GREY) -> Array:
    """Grey filters first, by orientation, then the coloured ones from pale to vivid; equal ones keep their order."""
    # Rounded, so that the last bits of a sum cannot shuffle filters that are as good as equal.
    seen = on_image(filters)
    colour, angle = colourfulness(seen).round(2), orientation(seen).round() % 180
    grey = colour < grey_below
    return filters[np.lexsort((angle, np.where(grey, 0, colour)))]


def stretched(filters: Array) -> Array:  # (F, kh, kw, C)
    """Each filter scaled to [0, 1] by its own min and max over all channels; a constant filter becomes mid-grey."""
    low, high = (edge(filters, axis=(1, 2, 3), keepdims=True) for edge in (np.min, np.max))
    flat = high <= low
    return np.where(flat, 0.5, (filters - low) / np.where(flat, 1, high - low))


def tiles(filters: Array) -> Array:  # (F, kh, kw, 1, 2 or 3) in [0, 1] -> (F, kh, width, 3)
    """What is shown of each filter: colours as they are, one channel as grey, two side by side as two greys."""
    if filters.shape[-1] == 3:
        return filters
    across = np.concatenate(np.moveaxis(filters, -1, 0), axis=2)  # (F, kh, C kw)
    return np.repeat(across[..., None], 3, axis=-1)
