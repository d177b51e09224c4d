"""Views of several sizes are embedded together with those of their own size."""

import torch
from torch import nn

from augstudy.learn.multicrop import crossed, passes


def test_views_of_one_size_are_one_pass_and_come_back_in_order():
    seen = []

    def network(x):
        seen.append(len(x))
        return x.mean((1, 2, 3))[:, None]

    views = [torch.rand(4, 3, side, side) for side in (16, 16, 10, 10, 10)]
    found = passes(network, views, nn.Identity())
    assert seen == [8, 12]
    for z, view in zip(found, views, strict=True):
        torch.testing.assert_close(z, view.mean((1, 2, 3))[:, None])


def test_batch_norm_sees_views_of_one_size_together():
    norm, views = nn.BatchNorm2d(3), [torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8) + 5]
    first, second = passes(norm, views, nn.Identity())
    assert first.mean() < -0.5 < 0.5 < second.mean()
    torch.testing.assert_close(torch.cat((first, second)).mean(), torch.tensor(0.0), atol=1e-5, rtol=0)


def test_the_head_and_its_batch_norm_see_views_of_all_sizes_at_once():
    """As in the released codes of SwAV and DINO: small views are far from large ones, and are normed with them."""
    norm, views = nn.BatchNorm1d(3), [torch.rand(4, 3, side, side) + side for side in (8, 8, 5)]
    found = passes(lambda x: x.mean((2, 3)), views, norm)
    assert [len(z) for z in found] == [4, 4, 4]
    torch.testing.assert_close(torch.cat(found).mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    assert found[2].max() < -1 < 0.5 < found[0].min()


def test_views_are_crossed_with_all_others_but_themselves():
    a, b, c = torch.eye(3)
    found = [(x.argmax().item(), y.argmax().item()) for x, y in crossed([a, b, c], [a, b])]
    assert found == [(0, 1), (1, 0), (2, 0), (2, 1)]
