"""The Sobel front end: edges, no colours, nothing to train."""

import numpy as np
import torch
from scipy.ndimage import sobel

from augstudy.learn.backbones.alexnet import AlexNet, Sobel


def test_sobel_is_scipys_on_the_mean_of_the_channels():
    x = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    grey = x.mean(1).double().numpy()
    found = Sobel()(x)
    for image, (across, down) in zip(grey, found, strict=True):
        # scipy's slope points the other way: its kernel is turned, as a convolution's is
        np.testing.assert_allclose(across, -sobel(image, axis=1, mode="constant"), atol=1e-5)
        np.testing.assert_allclose(down, -sobel(image, axis=0, mode="constant"), atol=1e-5)


def test_an_encoder_that_sees_edges_is_blind_to_colour_and_trains_no_filter_of_sobels():
    encoder = AlexNet(width=0.125, sobel=True).encoder().eval()
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    swapped = x[:, [2, 0, 1]]
    torch.testing.assert_close(encoder(x), encoder(swapped))
    plain = AlexNet(width=0.125).encoder()
    assert len(list(encoder.parameters())) == len(list(plain.parameters()))
    assert next(m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)).in_channels == 2
