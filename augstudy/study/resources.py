"""What a run may use of a cluster."""

from dataclasses import dataclass
from typing import Self

from augstudy.core.build import build, check_range, check_types
from augstudy.core.errors import UserError
from augstudy.study.spec import Study

__all__ = ["Resources"]


@dataclass(frozen=True)
class Resources:
    """What one run asks of a cluster: the section `resources` of a study. It moves no result, so no hash tells of it.

    Args:
        cpus: cores, and so threads.
        gpus: cards; 0 trains on the CPU. Ray also shares cards: 0.5 puts two runs on one.
        memory_gb: of the machine; 0 asks for nothing in particular.
        hours: after which Slurm ends a task; it then goes on in a new one.
        requeues: how often Slurm may do that to one run.
        retries: how often Ray starts a run again whose worker was lost.
        partition: of the Slurm cluster; "" leaves it to the cluster.
    """

    cpus: int = 1
    gpus: float = 0
    memory_gb: float = 0
    hours: float = 24
    requeues: int = 20
    retries: int = 3
    partition: str = ""

    @classmethod
    def of(cls, study: Study) -> Self:
        """What a study says; raises UserError for a mistake, also where cards are fewer than train one run."""
        where = f"{study.said_in('resources')}: resources"
        asked = build(cls, study.resources, where)
        if study.device != "cpu" and study.devices > 1 and 0 < asked.gpus < study.devices:
            what = f"{where}: gpus is {asked.gpus:g}, but devices is {study.devices}"
            raise UserError(what, f"Set gpus to {study.devices}: that many cards train one run together.")
        return asked

    def __post_init__(self) -> None:
        check_types(self)
        check_range("cpus", self.cpus, 1)
        check_range("hours", self.hours, 1 / 60)
        for name in ("gpus", "memory_gb", "requeues", "retries"):
            check_range(name, getattr(self, name), 0)
