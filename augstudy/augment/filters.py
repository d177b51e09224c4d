"""Ops that change a pixel by its neighbours, through kornia's functions."""

from dataclasses import dataclass

from kornia.filters import gaussian_blur2d
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.augment.cpu import blur as compiled
from augstudy.augment.cpu.threads import fits, spread_rows
from augstudy.core.build import check_interval

__all__ = ["GaussianBlur"]


SHARP = 0.01  # pixels: no neighbour has a weight in float32


@dataclass(frozen=True)
class GaussianBlur(FilterOp):
    """Gaussian blur with a sigma uniform in `sigma`, in pixels; `strength` multiplies it.

    The kernel spans a tenth of the image side, made odd and at least 3, as SimCLR does.

    Source: Chen et al., ICML 2020, appendix A; MoCo v2 takes sigma in [0.1, 2] with p = 0.5.
    """

    sigma: tuple[float, float] = (0.1, 2.0)
    p: float = 0.5
    draws = 1
    symmetric = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("sigma", self.sigma, 0.01)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), pixels
        sigma = self.sigma[0] + uniforms[:, 0] * (self.sigma[1] - self.sigma[0])
        return sigma * self.strength

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        kernel = self._kernel(x)
        sigma = params.clamp(min=SHARP)[:, None].expand(-1, 2)
        return gaussian_blur2d(x, (kernel, kernel), sigma, border_type="reflect")

    def change(self, x: Tensor, params: Tensor, rows: Tensor) -> Tensor:
        if not fits(x):
            return super().change(x, params, rows)
        pixels, sigma, reach = x.numpy(), params.clamp(min=SHARP).numpy(), self._kernel(x) // 2
        spread_rows(lambda mine: compiled.blur(pixels, sigma, reach, mine), rows, x[0, 0].numel())
        return x

    def _kernel(self, x: Tensor) -> int:
        return max(3, min(x.shape[-2:]) // 10 | 1)
