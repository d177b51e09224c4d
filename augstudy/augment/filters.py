"""Ops that change a pixel by its neighbours, through kornia's functions."""

from dataclasses import dataclass

from kornia.filters import gaussian_blur2d
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.core.build import check_interval

__all__ = ["GaussianBlur"]


@dataclass(frozen=True)
class GaussianBlur(FilterOp):
    """Gaussian blur with a sigma uniform in `sigma`, in pixels.

    The kernel spans a tenth of the image side, made odd and at least 3, as SimCLR does.

    Source: Chen et al., ICML 2020, appendix A; MoCo v2 takes sigma in [0.1, 2] with p = 0.5.
    """

    sigma: tuple[float, float] = (0.1, 2.0)
    p: float = 0.5
    draws = 1

    def __post_init__(self) -> None:
        check_interval("sigma", self.sigma, 0.01)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), pixels
        return self.sigma[0] + uniforms[:, 0] * (self.sigma[1] - self.sigma[0])

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        kernel = max(3, min(x.shape[-2:]) // 10 | 1)
        return gaussian_blur2d(x, (kernel, kernel), params[:, None].expand(-1, 2), border_type="reflect")
