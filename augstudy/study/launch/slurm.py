"""The runs of a study as tasks of a Slurm array job, through submitit."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.study.launch.base import imported, limit, threads
from augstudy.study.pipeline import Laboratory
from augstudy.study.plan import Study
from augstudy.study.progress import Reporter
from augstudy.study.stock import Planned, waits

__all__ = ["Slurm"]

LOOK = 10.0  # s between two looks at the results folder
WARNING = 120  # s before the end of its time that a task is warned


class Slurm:
    """An array job with a task for each run that is not finished; the results folder must be one that all nodes see.

    A task that is warned of its end (SIGUSR2 before the time limit or when it is preempted) is put back in the queue by
    submitit, and goes on after the last finished epoch. Progress is read from the records on disk.

    Args:
        laboratory: of the study.
        jobs: how many tasks Slurm may run at a time.
        wait: return when every run is finished, rather than when they are in the queue.
        cluster: submitit's name for what runs them; "local" is this machine, for tests.

    Raises:
        UserError: submitit is not installed, --jobs is less than 1, or a run asks for part of a card.
    """

    def __init__(
        self, laboratory: Laboratory, jobs: int | None = None, wait: bool = True, cluster: str = "slurm"
    ) -> None:
        self.laboratory, self.jobs, self.wait, self.cluster = laboratory, limit(jobs), wait, cluster
        self.resources = laboratory.resources
        self.submitit = imported("submitit", "slurm")
        if self.resources.gpus % 1:
            raise UserError(f"resources: gpus is {self.resources.gpus:g}", "Slurm gives whole cards: set it to 0 or 1.")
        self.logs = laboratory.folder.path.absolute() / "slurm"

    def __call__(self, reporter: Reporter) -> None:
        """Submit, and return when every run is finished; Ctrl-C ends the waiting, not the tasks.

        Raises:
            UserError: there is no Slurm here, or tasks ended before their runs did.
        """
        left = self.laboratory.unfinished()
        jobs = self._submit(left)
        first = str(jobs[0].job_id).split("_")[0]
        reporter.note(f"{len(jobs)} tasks are submitted as {self.cluster} job {first}; their logs are in {self.logs}")
        if self.wait:
            self._watch(dict(zip([plan.key for plan in left], jobs, strict=True)), left, reporter)

    def _submit(self, plans: list[Planned]) -> list[Any]:
        executor = self._executor()
        results = self.laboratory.folder.path.parent.absolute()
        tasks = [Task(self.laboratory.study, results, plan.key, self.resources.cpus) for plan in plans]
        with executor.batch():
            return [executor.submit(task) for task in tasks]

    def _executor(self) -> Any:
        asked = self.resources
        try:
            executor = self.submitit.AutoExecutor(
                self.logs,
                cluster=self.cluster,
                slurm_max_num_timeout=asked.requeues,
                local_max_num_timeout=asked.requeues,
            )
        except RuntimeError as error:
            raise UserError(f"there is no Slurm here ({error})", "Run it on a login node of the cluster.") from None
        optional = {
            "mem_gb": asked.memory_gb,
            "gpus_per_node": int(asked.gpus),
            "slurm_partition": asked.partition,
            "slurm_array_parallelism": self.jobs or 1000,
        }
        executor.update_parameters(
            name=f"augstudy-{self.laboratory.study.name}",
            timeout_min=max(1, round(60 * asked.hours)),
            cpus_per_task=asked.cpus,
            slurm_signal_delay_s=WARNING,
            slurm_setup=[f"export OMP_NUM_THREADS={asked.cpus}"],
            **{key: value for key, value in optional.items() if value},
        )
        return executor

    def _watch(self, jobs: dict[str, Any], plans: list[Planned], reporter: Reporter) -> None:
        """Tell of each run as its record appears, until all are there or nobody works on those that are not."""
        total = len(plans)
        ended: set[str] = set()
        while plans:
            missing = {plan.key for plan in self.laboratory.unfinished()}
            for plan in [plan for plan in plans if plan.key not in missing]:
                plans.remove(plan)
                self._tell(plan, reporter)
            if dead := [plan for plan in plans if plan.key in ended]:
                raise UserError(
                    f"{len(dead)} of {total} tasks ended before their runs did, the first {jobs[dead[0].key].job_id}",
                    f"Look into its log in {self.logs}, then run it again: what is finished is kept.",
                )
            ended = {plan.key for plan in plans if jobs[plan.key].done()}
            if plans and not ended:
                time.sleep(LOOK)

    def _tell(self, plan: Planned, reporter: Reporter) -> None:
        record = read_record(self.laboratory.folder.run(plan.key).record)
        reporter.begin(f"{self.laboratory.place(plan)} {plan.run.label}, seed {plan.run.seed}", plan.run.place)
        reporter.end(record, self.laboratory.measurement.main(record, self.laboratory.labelled))


@dataclass(frozen=True)
class Task:
    """What a task of the array does: make one run, unless somebody else has it.

    Args:
        study, results: as of `Laboratory`.
        key: the run's hash.
        cpus: threads.
        again: how often it was put back in the queue.
    """

    study: Study
    results: Path
    key: str
    cpus: int
    again: int = 0

    def __call__(self) -> bool:
        """Whether the run was made here."""
        reporter = Reporter(Console(width=200))  # the log of the task
        if self.again:
            reporter.note(f"put back in the queue {self.again} times; it goes on after the last finished epoch")
        laboratory = Laboratory(self.study, self.results)
        plan = next(plan for plan in laboratory.planned if plan.key == self.key)
        with threads(self.cpus):
            while not (made := laboratory.attempt(plan, reporter)) and waits(plan, laboratory.folder):
                time.sleep(LOOK)  # for a teacher, which is another task's
        return made

    def checkpoint(self) -> Any:
        """What submitit puts in the queue in its place: the same, for what was trained is on disk."""
        return imported("submitit", "slurm").helpers.DelayedSubmission(replace(self, again=self.again + 1))
