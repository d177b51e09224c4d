"""Estimators of mutual information beside closed forms: `python -m augstudy.bench.references.information`.

Prints the table of docs/mutual_information.md: mean and sd over draws of correlated normal vectors, whose information
is -d/2 log(1 - rho^2), and of identical sides, of which an estimator tells as much as it can.
"""

import math
import statistics
import time
from dataclasses import dataclass

import torch

from augstudy.evaluate.mi.base import Estimator, Pairs
from augstudy.evaluate.mi.infonce import InfoNCE
from augstudy.evaluate.mi.ksg import KSG
from augstudy.evaluate.mi.smile import SMILE
from augstudy.evaluate.probes.base import Metric

__all__ = ["Case", "gaussian", "truth"]

PAIRS, DRAWS, K = 5000, 3, 1024
ESTIMATORS: dict[str, tuple[Estimator, str]] = {
    "infonce (bilinear)": (InfoNCE(k=K), "nats (bilinear)"),
    "smile": (SMILE(), "nats"),
    "ksg": (KSG(), "nats"),
}


@dataclass(frozen=True)
class Case:
    """d correlated coordinates of each side; rho 1 stands for identical sides."""

    rho: float
    d: int


CASES = [Case(rho, d) for d in (1, 5, 20) for rho in (0.0, 0.5, 0.9, 0.99)] + [Case(1.0, 5)]


def truth(case: Case) -> float:
    """Nats; infinite for identical sides."""
    return math.inf if case.rho == 1 else abs(case.d / 2 * math.log(1 - case.rho**2))


def gaussian(case: Case, pairs: int, seed: int) -> Pairs:
    """Pairs of normal vectors whose coordinates correlate by rho."""
    generator = torch.Generator().manual_seed(seed)
    x, noise = torch.randn(2, pairs, case.d, generator=generator)
    return Pairs(x, case.rho * x + math.sqrt(1 - case.rho**2) * noise)


def _row(case: Case) -> str:
    cells = [f"{case.rho:g}", f"{case.d}", f"{truth(case):.2f}"]
    for estimator, metric in ESTIMATORS.values():
        found = [_one(estimator(gaussian(case, PAIRS, seed)), metric) for seed in range(DRAWS)]
        mean = statistics.mean(m.value for m in found)
        half = statistics.mean(((m.high or 0.0) - (m.low or 0.0)) / 2 for m in found)
        bias = f"{mean - truth(case):+.2f}" if case.rho < 1 else "-"
        cells.append(f"{mean:.2f} ({bias}) ± {statistics.stdev(m.value for m in found):.2f}, {half:.2f}")
    return f"| {' | '.join(cells)} |"


def _one(metrics: list[Metric], name: str) -> Metric:
    return next(m for m in metrics if m.metric == name)


def _main() -> None:
    torch.set_num_threads(1)
    start = time.process_time()
    names = ["rho", "d", "truth", *ESTIMATORS]
    print(f"{PAIRS:,} pairs, {DRAWS} draws, K = {K}, log K = {math.log(K):.2f}.\n")
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for case in CASES:
        print(_row(case), flush=True)
    print(f"\n{time.process_time() - start:.0f} s of one thread.")


if __name__ == "__main__":
    _main()
