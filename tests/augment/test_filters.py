"""Laws of the blur: torchvision's, with a sigma of its own for each sample."""

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.filters import GaussianBlur
from augstudy.core.errors import UserError


@pytest.mark.parametrize("size", [(8, 9), (32, 32), (33, 47), (96, 64)])
def test_blur_is_torchvisions_with_the_same_kernel_and_sigma(size):
    generator = torch.Generator().manual_seed(0)
    x, sigma = torch.rand(5, 3, *size, generator=generator), torch.linspace(0.1, 2.0, 5)
    kernel = max(3, min(size) // 10 // 2 * 2 + 1)  # odd, a tenth of the side
    ours = GaussianBlur().apply(x, sigma)
    theirs = torch.stack([tv.gaussian_blur(a, [kernel, kernel], [float(s)] * 2) for a, s in zip(x, sigma, strict=True)])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)


def test_a_constant_stays_and_detail_shrinks_with_sigma():
    assert torch.allclose(GaussianBlur().apply(torch.full((1, 3, 32, 32), 0.3), torch.tensor([1.0])), torch.tensor(0.3))
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)).expand(4, -1, -1, -1)
    spread = GaussianBlur().apply(x, torch.tensor([0.1, 0.5, 1.0, 2.0])).std((1, 2, 3))
    assert (spread.diff() < 0).all()


def test_sigma_fills_its_interval():
    u = torch.tensor([[0.0], [0.5], [1 - 2.0**-24]])
    torch.testing.assert_close(GaussianBlur(sigma=(0.5, 1.5)).sample(u), torch.tensor([0.5, 1.0, 1.5]))


@pytest.mark.parametrize("sigma", [(0.0, 1.0), (2.0, 1.0), (1.0,)])
def test_a_bad_interval_is_refused(sigma):
    with pytest.raises(UserError, match="sigma must"):
        GaussianBlur(sigma=sigma)
