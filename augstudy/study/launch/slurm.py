"""The runs of a study as tasks of a Slurm array job, through submitit."""

import shutil
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.study.launch.base import imported, limit, planned, threads
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter
from augstudy.study.resources import Resources
from augstudy.study.spec import Study
from augstudy.study.stock import Planned

__all__ = ["Slurm"]

LOOK = 10.0  # s between two looks at the results folder
LONGEST = 1000  # tasks of an array, whose numbers Slurm lets go up to 1000 unless configured (MaxArraySize)
WARNING = 120  # s before the end of its time that a task is warned


class Slurm:
    """An array job with a task for each run that is not finished; the results folder must be one that all nodes see.

    Runs that learn from others of these are an array of their own, which Slurm holds back until their teachers' tasks
    have ended.

    A task that is warned of its end (SIGUSR2 before the time limit or when it is preempted) is put back in the queue by
    submitit, and goes on after the last finished epoch. Progress is read from the records on disk.

    Args:
        study: composed study.
        jobs: how many tasks Slurm may run at a time.
        wait: return when every run is finished, rather than when they are in the queue.
        cluster: submitit's name for what runs them; "local" is this machine, for tests.

    Raises:
        UserError: submitit is not installed, there is no Slurm here, --jobs is less than 1, or there is a mistake in
            `resources`.
    """

    def __init__(self, study: Study, jobs: int | None = None, wait: bool = True, cluster: str = "slurm") -> None:
        self.study, self.jobs, self.wait, self.cluster = study, limit(jobs), wait, cluster
        self.resources = Resources.of(study)
        self.submitit = imported("submitit", "slurm")
        if self.resources.gpus % 1:
            what = f"resources: gpus is {self.resources.gpus:g}"
            raise UserError(what, "Slurm gives whole cards only: set it to 0, 1 or more.")
        for command in ("srun", "sbatch") if cluster == "slurm" else ():
            if shutil.which(command) is None:
                fix = "Run it on a login node of the cluster."
                raise UserError(f"there is no Slurm here: no command {command}", fix)

    def __call__(self, laboratory: Laboratory, reporter: Reporter) -> None:
        """Submit, and return when every run is finished; Ctrl-C ends the waiting, not the tasks.

        Raises:
            UserError: Slurm does not take the tasks, or tasks ended before their runs did.
        """
        while left := list({plan.key: plan for plan in laboratory.unfinished()}.values()):  # anew, as `Laboratory.work`
            jobs = self._submit(left, laboratory)
            numbers = ", ".join(dict.fromkeys(map(number, jobs.values())))
            where = f"{self.cluster} job{'s' if ',' in numbers else ''} {numbers}"
            reporter.note(f"{len(jobs)} tasks are submitted as {where}; their logs are in {logs(laboratory)}")
            if not self.wait:
                break
            watch(jobs, left, laboratory, reporter)

    def _submit(self, plans: list[Planned], laboratory: Laboratory) -> dict[str, Any]:
        """The job of each of these runs, by its hash."""
        jobs: dict[str, Any] = {}
        results = laboratory.results.absolute()
        for wave in waves(plans):
            executor = self._executor(logs(laboratory), self._before(wave, jobs))
            try:
                with executor.batch():
                    tasks = [Task(self.study, results, plan.key, self.resources.cpus) for plan in wave]
                    submitted = [executor.submit(task) for task in tasks]
            except RuntimeError as error:  # what sbatch said, which submitit hands on
                fix = "Set resources to what the cluster has, and see that it is up (sinfo)."
                raise UserError(f"Slurm does not take the tasks ({' '.join(str(error).split())})", fix) from None
            jobs |= zip([plan.key for plan in wave], submitted, strict=True)
        return jobs

    def _before(self, wave: list[Planned], jobs: dict[str, Any]) -> list[str]:
        """The jobs that must have ended first: those of teachers, or all where only so many tasks may be at work."""
        if self.jobs:
            return sorted(set(map(number, jobs.values())))
        return sorted({str(jobs[key].job_id) for plan in wave for key in plan.lineage if key in jobs})

    def _executor(self, folder: Path, before: list[str]) -> Any:
        asked = self.resources
        executor = self.submitit.AutoExecutor(
            folder, cluster=self.cluster, slurm_max_num_timeout=asked.requeues, local_max_num_timeout=asked.requeues
        )
        optional = {
            "mem_gb": asked.memory_gb,
            "gpus_per_node": int(asked.gpus),
            "slurm_partition": asked.partition,
            "slurm_array_parallelism": self.jobs or 1000,
            "slurm_dependency": ":".join(["afterany", *before]) if before else "",
        }
        executor.update_parameters(
            name=f"augstudy-{self.study.name}",
            timeout_min=max(1, round(60 * asked.hours)),
            cpus_per_task=asked.cpus,
            slurm_signal_delay_s=WARNING,
            slurm_setup=[f"export OMP_NUM_THREADS={asked.cpus}"],
            **{key: value for key, value in optional.items() if value},
        )
        return executor


def number(job: Any) -> str:
    """What Slurm calls the array that a task is of."""
    return str(job.job_id).split("_")[0]


def logs(laboratory: Laboratory) -> Path:
    """Where submitit keeps what tasks say."""
    return laboratory.folder.path.absolute() / "slurm"


def waves(plans: list[Planned]) -> list[list[Planned]]:
    """Runs by how many of these they depend on, the first of none: each wave learns from those before it.

    What would be too long for an array is several.
    """
    keys, found = {plan.key for plan in plans}, defaultdict[int, list[Planned]](list)
    for plan in plans:
        found[len(keys.intersection(plan.lineage))].append(plan)
    waves = [found[depth] for depth in sorted(found)]
    return [wave[start : start + LONGEST] for wave in waves for start in range(0, len(wave), LONGEST)]


def watch(jobs: dict[str, Any], plans: list[Planned], laboratory: Laboratory, reporter: Reporter) -> None:
    """Tell of each run as its record appears, until all are there.

    Raises:
        UserError: no task is left that could make the others.
    """
    ended, lost = set[str](), set[str]()
    while plans:
        missing = {plan.key: plan for plan in laboratory.unfinished(plans)}
        for plan in plans:
            if plan.key not in missing:
                tell(plan, laboratory, reporter)
        for key in missing.keys() & ended - lost:
            reporter.note(f"task {jobs[key].job_id} ended before its run did; see its log")
        lost = ended & missing.keys()  # a run may have been made while its task was seen to end
        if lost and lost == missing.keys():
            first = jobs[next(iter(missing))].job_id
            fix = f"Look into its log in {logs(laboratory)}, then run it again: what is finished is kept."
            raise UserError(f"{len(lost)} of {len(jobs)} tasks ended before their runs did, the first {first}", fix)
        ended = {key for key in missing if jobs[key].done()}
        plans = list(missing.values())
        if plans:
            time.sleep(LOOK)


def tell(plan: Planned, laboratory: Laboratory, reporter: Reporter) -> None:
    """A run is there: what it is and what it found."""
    record = read_record(laboratory.folder.run(plan.key).record)
    reporter.begin(f"{laboratory.place(plan)} {plan.run.label}, seed {plan.run.seed}", plan.run.place)
    reporter.end(record, laboratory.measurement.main(record, laboratory.labelled))


@dataclass(frozen=True)
class Task:
    """What a task of the array does: see that one run is made.

    It makes it, or waits while somebody else does and takes it over where they die. Teachers whose tasks died are made
    before it.

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

    def __call__(self) -> None:
        """Return when the run is finished."""
        reporter = Reporter(Console(width=200))  # the log of the task
        if self.again:
            reporter.note(f"put back in the queue {self.again} times; it goes on after the last finished epoch")
        laboratory = Laboratory(self.study, self.results)
        needed = planned(laboratory, self.key).lineage
        with threads(self.cpus):
            laboratory.work(reporter, [plan for plan in laboratory.planned if plan.key in needed])

    def checkpoint(self) -> Any:
        """What submitit puts in the queue in its place: the same, for what was trained is on disk."""
        return imported("submitit", "slurm").helpers.DelayedSubmission(replace(self, again=self.again + 1))
