"""Critics: functions that score whether two sides belong together, fitted to pairs."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from augstudy.core import rng

__all__ = ["Bilinear", "Separable", "fitted"]

LOOK = 20  # steps between two looks at the pairs that are not fitted to

Loss = Callable[[Tensor], Tensor]  # (B, B) scores, those of pairs on the diagonal -> scalar


class Bilinear(nn.Module):
    """x^T W y, plus a quadratic form of either side, so that pairs of normal vectors are within its reach.

    W has rank `rank`; the optimal critic of a joint normal law is log p(x, y) / p(x) p(y), which is such a form.
    """

    def __init__(self, first: int, second: int, rank: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Linear(width, rank, bias=False) for width in (first, second))
        self.own = nn.ModuleList(nn.Linear(width, rank, bias=False) for width in (first, second))
        for layer in (self.first, self.second, *self.own):
            nn.init.normal_(layer.weight, std=0.1 / math.sqrt(layer.weight.shape[1]))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # (A, D), (B, D') -> (A, B)
        squares = [own(side).square().sum(1) for own, side in zip(self.own, (x, y), strict=True)]
        return self.first(x) @ self.second(y).T - squares[0][:, None] - squares[1][None, :]


class Separable(nn.Module):
    """g(x) . h(y) with two networks of one hidden layer, as in van den Oord et al. and in Poole et al."""

    def __init__(self, first: int, second: int, hidden: int, width: int) -> None:
        super().__init__()
        self.first, self.second = (
            nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, width)) for inputs in (first, second)
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # (A, D), (B, D') -> (A, B)
        scores: Tensor = self.first(x) @ self.second(y).T
        return scores


def fitted(make: Callable[[], nn.Module], x: Tensor, y: Tensor, loss: Loss, steps: int, batch: int) -> nn.Module:
    """A critic fitted to pairs (N, D), (N, D') by at most `steps` of Adam, by a fixed key; in eval mode.

    A fifth of the pairs, at most `batch` x 2, is not fitted to: of all critics on the way the one that is best there is
    taken, lest one that knows its pairs by heart be judged on others.
    """
    held = min(max(2, len(x) // 5), 2 * batch)
    with torch.enable_grad(), rng.torch_seeded(0, "mi/critic"):
        critic = make().to(x.device)
        optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
        best, kept = math.inf, {name: value.clone() for name, value in critic.state_dict().items()}
        for step in range(steps + 1):
            if step % LOOK == 0 or step == steps:
                with torch.no_grad():
                    found = loss(critic(x[:held], y[:held])).item()
                if found < best:
                    best, kept = found, {name: value.clone() for name, value in critic.state_dict().items()}
            index = held + torch.randperm(len(x) - held)[:batch].to(x.device)
            optimizer.zero_grad(set_to_none=True)
            loss(critic(x[index], y[index])).backward()
            nn.utils.clip_grad_norm_(critic.parameters(), 1.0)
            optimizer.step()
    critic.load_state_dict(kept)
    return critic.eval().requires_grad_(False)
