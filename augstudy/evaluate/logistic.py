"""Multinomial logistic regression for several penalties at once: L-BFGS that starts from the ridge Hessian.

Plain L-BFGS on features that repeat each other takes hundreds of steps. Here its first guess of the inverse Hessian is
not a number but (G / K + penalty)^-1, with G the features' second moments and K the number of classes: exactly the
Hessian at weights of 0, where all classes are alike. One matrix inverse a penalty makes it, and a few
tens of steps are enough. All penalties share each product with the features, and the line search needs none, for along
a direction the scores are a straight line. Where images are fewer than features, weights lie in the span of the images,
and the problem is turned into that space first: it is the same, and as small as their number.

Sources: Nocedal and Wright, "Numerical optimization", 2006, algorithms 3.1 and 7.4 (the two-loop recursion); Böhning,
"Multinomial logistic regression algorithm", 1992, for the Hessian's bound by the features' second moments.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, cholesky_inverse
from torch.linalg import cholesky
from torch.nn.functional import one_hot

__all__ = ["Solution", "logistic"]

MEMORY = 10  # pairs of steps and gradients that L-BFGS remembers
SHRINK, TRIES, SLOPE = 0.5, 12, 1e-4  # of the line search: Armijo's rule


@dataclass(frozen=True)
class Solution:
    """Classifiers, one for each penalty.

    Args:
        weights: (P, D, K).
        biases: (P, K).
        inverses: (P, D, D) of the ridge Hessian; None of a solution found in the span of fewer images than features.
        steps: of L-BFGS, the same for all.
        left: (P,) about how far the loss is from its minimum, in nats an image: half the Newton decrement.
    """

    weights: Tensor
    biases: Tensor
    inverses: Tensor | None
    steps: int
    left: Tensor

    def only(self, number: int) -> "Solution":
        """That of one penalty."""
        part = slice(number, number + 1)
        inverses = None if self.inverses is None else self.inverses[part]
        return Solution(self.weights[part], self.biases[part], inverses, self.steps, self.left[part])

    def turned(self, axes: Tensor) -> "Solution":
        """The same along other axes, (D, E) orthonormal; what is not in their span is left out."""
        return Solution(axes.T @ self.weights, self.biases, None, self.steps, self.left)

    def scores(self, x: Tensor) -> Tensor:
        """(N, D) -> (P, N, K)."""
        return (x @ _wide(self.weights)).view(len(x), *self.biases.shape).transpose(0, 1) + self.biases[:, None]


def logistic(
    x: Tensor,
    labels: Tensor,
    classes: int,
    penalties: Sequence[float],
    steps: int = 100,
    tolerance: float = 3e-5,
    start: Solution | None = None,
) -> Solution:
    """Minimise, for each penalty, the mean cross-entropy + penalty / 2 |weights|^2; biases are free.

    scikit-learn's `LogisticRegression` minimises the same with C = 1 / (N penalty).

    Args:
        x: (N, D) float32, about centred; (N,) int64 labels in [0, classes).
        steps: at most.
        tolerance: nats an image; a penalty rests when half its Newton decrement, by L-BFGS's own Hessian, is below it.
            The loss is about that far above its minimum at large penalties, up to 40 times as far at 1e-4.
        start: a solution to begin from, of as many penalties; its Hessian is good enough for much the same images.
    """
    if len(x) < x.shape[1]:
        axes = torch.linalg.qr(x.T).Q  # (D, N)
        begun = None if start is None else start.turned(axes)
        return logistic(x @ axes, labels, classes, penalties, steps, tolerance, begun).turned(axes.T)
    known = None if start is None else start.inverses
    inverses = _inverses(x, classes, penalties) if known is None else known
    problem = _Problem(x, labels, classes, penalties, inverses)
    state = problem.zero() if start is None else torch.cat((start.weights, start.biases[:, None]), 1)
    scores = problem.scores(state)
    loss, gradient = problem.loss(scores, state), problem.gradient(scores, state)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []
    taken, left = 0, torch.full((len(penalties),), torch.inf)
    for taken in range(steps + 1):
        direction = -_two_loops(gradient, pairs, problem)
        slope = _dot(gradient, direction)  # (P,), below 0
        left = -slope / 2
        if taken == steps or bool((left < tolerance).all()):
            break
        along = problem.scores(direction)
        size, loss = _search(problem, state, direction, scores, along, loss, slope, resting=left < tolerance)
        step = size[:, None, None] * direction
        state, scores = state + step, scores + size[:, None] * along
        before, gradient = gradient, problem.gradient(scores, state)
        change = gradient - before
        curvature = _dot(step, change)
        pairs = [*pairs[1 - MEMORY :], (step, change, torch.where(curvature > 0, 1 / curvature, 0.0))]
        if not bool((size > 0).any()):
            break
    return Solution(state[:, :-1], state[:, -1], inverses, taken, left)


def _inverses(x: Tensor, classes: int, penalties: Sequence[float]) -> Tensor:
    """(P, D, D): of features that repeat each other, what rounding leaves of a small penalty must not be below 0."""
    moments = (x.T @ x / len(x)).double() / classes
    least = 1e-7 * float(moments.diagonal().sum())
    eye = torch.eye(len(moments), dtype=torch.double, device=x.device)
    return torch.stack([cholesky_inverse(cholesky(moments + max(p, least) * eye)).to(x.dtype) for p in penalties])


class _Problem:
    """The losses of all penalties; weights and biases are one state, (P, D + 1, K), the biases in its last row."""

    def __init__(self, x: Tensor, labels: Tensor, classes: int, penalties: Sequence[float], inverses: Tensor) -> None:
        self.x, self.classes, self.inverses = x, classes, inverses
        self.labels = labels[:, None, None]
        self.penalties = torch.tensor(penalties, device=x.device)
        self.targets = one_hot(labels, classes).to(x.dtype)

    def zero(self) -> Tensor:
        return self.x.new_zeros(len(self.penalties), self.x.shape[1] + 1, self.classes)

    def scores(self, state: Tensor) -> Tensor:  # (P, D + 1, K) -> (N, P, K)
        return (self.x @ _wide(state[:, :-1])).view(len(self.x), *state[:, -1].shape) + state[:, -1]

    def loss(self, scores: Tensor, state: Tensor) -> Tensor:  # -> (P,) double
        hit = scores.gather(2, self.labels.expand(-1, scores.shape[1], 1))[:, :, 0]
        entropy = (scores.logsumexp(2) - hit).double().mean(0)
        return entropy + self.penalties / 2 * state[:, :-1].double().square().sum((1, 2))

    def gradient(self, scores: Tensor, state: Tensor) -> Tensor:  # -> (P, D + 1, K)
        slack = (scores.softmax(2) - self.targets[:, None]) / len(self.x)  # (N, P, K)
        onto = self.x.T @ slack.flatten(1)
        weights = onto.view(-1, *slack.shape[1:]).transpose(0, 1) + self.penalties[:, None, None] * state[:, :-1]
        return torch.cat((weights, slack.sum(0)[:, None]), 1)

    def precondition(self, gradient: Tensor) -> Tensor:
        """The ridge Hessian's inverse; of a bias the Hessian at 0 is 1 / K."""
        return torch.cat((self.inverses @ gradient[:, :-1], self.classes * gradient[:, -1:]), 1)


def _wide(weights: Tensor) -> Tensor:  # (P, D, K) -> (D, P K)
    return weights.transpose(0, 1).flatten(1)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """One number a penalty, summed in double precision."""
    return (a * b).double().sum((1, 2))


def _two_loops(gradient: Tensor, pairs: list[tuple[Tensor, Tensor, Tensor]], problem: _Problem) -> Tensor:
    """L-BFGS's inverse Hessian times the gradient."""
    q, weights = gradient, []
    for step, change, inverse in reversed(pairs):
        weight = (inverse * _dot(step, q)).to(q.dtype)[:, None, None]
        q = q - weight * change
        weights.append(weight)
    q = problem.precondition(q)
    for (step, change, inverse), weight in zip(pairs, reversed(weights), strict=True):
        q = q + (weight - (inverse * _dot(change, q)).to(q.dtype)[:, None, None]) * step
    return q


def _search(
    problem: _Problem,
    state: Tensor,
    direction: Tensor,
    scores: Tensor,
    along: Tensor,
    loss: Tensor,
    slope: Tensor,
    resting: Tensor,
) -> tuple[Tensor, Tensor]:
    """How far each penalty goes, and its loss there: 1, or halved until the loss fell enough; 0 if it never does."""
    size = (~resting).to(scores.dtype)
    found, short = loss, ~resting
    for _ in range(TRIES):
        found = problem.loss(scores + size[:, None] * along, state + size[:, None, None] * direction)
        short = found > loss + SLOPE * size * slope
        if not bool((short & (size > 0)).any()):
            break
        size = torch.where(short, size * SHRINK, size)
    stays = short | (size == 0)
    return torch.where(stays, 0.0, size), torch.where(stays, loss, found)
