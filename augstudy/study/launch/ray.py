"""The runs of a study as Ray tasks, on this machine or on the cluster that it belongs to."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from augstudy.core.errors import UserError, on_disk
from augstudy.study import pipeline
from augstudy.study.launch.base import Relay, imported, limit, planned, threads
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter
from augstudy.study.resources import Resources
from augstudy.study.spec import Study
from augstudy.study.stock import Planned

__all__ = ["Ray"]

LOOK = 0.2  # s between two looks at what tasks tell
READY: dict[str, Laboratory] = {}  # of this worker process, which makes one run after the other; by launch


class Ray:
    """A task for each run, with the CPUs and cards that the study's `resources` ask for.

    It joins the cluster of RAY_ADDRESS, or the one that `ray start` has begun on this machine, or else begins one here
    that lasts as long as the study. All machines must see the same results folder and the same images.

    A worker that is lost leaves its run to another one, which goes on after the last finished epoch.

    Args:
        study: composed study.
        jobs: how many runs at a time; as many as there is room for unless told.

    Raises:
        UserError: Ray is not installed, --jobs is less than 1, or there is a mistake in `resources`.
    """

    def __init__(self, study: Study, jobs: int | None = None) -> None:
        self.study, self.jobs, self.resources = study, limit(jobs), Resources.of(study)
        self.ray = imported("ray", "ray")

    def __call__(self, laboratory: Laboratory, reporter: Reporter) -> None:
        """Return when every run is finished.

        Raises:
            UserError: Ray does not start, a task found something that the user must mend, or a run lost more workers
                than it may.
        """
        with self._cluster():
            told = imported("ray.util.queue", "ray").Queue(actor_options={"num_cpus": 0})
            make = self.ray.remote(**self._asked())(work)
            launch = f"{os.getpid()}/{time.time_ns()}"
            results = laboratory.results.absolute()
            given = [launch, self.ray.put(self.study), results, self.resources.cpus, told]
            while left := laboratory.unfinished():  # anew: others may make some, and a failed run may shift a debt
                if not self._work_on(left, lambda plan: make.remote(*given, plan.key), told, reporter):
                    time.sleep(pipeline.WAIT)

    def _asked(self) -> dict[str, Any]:
        """What a task asks of the cluster; a task is told of AUGSTUDY_DATA and its like as they are here."""
        asked = self.resources
        variables = {key: value for key, value in os.environ.items() if key.startswith("AUGSTUDY_")}
        memory = {"memory": int(asked.memory_gb * 2**30)} if asked.memory_gb else {}
        return {
            "num_cpus": asked.cpus,
            "num_gpus": asked.gpus,
            "max_retries": asked.retries,
            "runtime_env": {"env_vars": variables},
            **memory,
        }

    @contextmanager
    def _cluster(self) -> Iterator[None]:
        """Join one or begin one, unless this process has done so itself."""
        mine = not self.ray.is_initialized()
        if mine:
            self._begin()
        try:
            self._require_room()
            yield
        finally:
            if mine:
                self.ray.shutdown()

    def _begin(self) -> None:
        """Raises UserError where Ray, which says so by a bare Exception, does not come up or finds no cluster."""
        try:
            self.ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        except Exception as error:
            what = str(error).strip() or type(error).__name__
            fix = "Try again when this machine is less busy, or see that RAY_ADDRESS names a cluster that is up."
            raise UserError(f"Ray does not start ({what.splitlines()[0]})", fix) from None

    def _require_room(self) -> None:
        """Raises UserError now, for Ray would wait for ever for a machine that is large enough."""
        asked = {"CPU": self.resources.cpus, "GPU": self.resources.gpus}
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(all(node.get(kind, 0) >= count for kind, count in asked.items()) for node in nodes):
            has = max((node.get("CPU", 0), node.get("GPU", 0)) for node in nodes)
            what = f"resources: a run asks for {asked['CPU']:g} CPUs and {asked['GPU']:g} GPUs"
            largest = f"the largest machine of the Ray cluster has {has[0]:g} and {has[1]:g}"
            raise UserError(f"{what}, but {largest}", "Set resources.cpus and resources.gpus to less.")

    def _work_on(self, plans: list[Planned], begin: Any, told: Any, reporter: Reporter) -> bool:
        """Have these runs made; returns whether any was, rather than all by others."""
        waiting, running = list(reversed(plans)), dict[Any, Planned]()
        screen, made, lost = Screen(reporter), False, list[str]()
        try:
            while waiting or running:
                while waiting and (self.jobs is None or len(running) < self.jobs):
                    plan = waiting.pop()
                    running[begin(plan)] = plan
                ended, _ = self.ray.wait(list(running), timeout=LOOK)
                screen.show(told.get_nowait_batch(told.qsize()))
                for task in ended:
                    plan = running.pop(task)
                    made = self._outcome(task, plan, lost) or made
                    screen.drop(plan.key)
        finally:
            screen.close()
        if lost:
            fix = "Run it again: what is finished is kept. If memory was short, ask for more resources.cpus a run."
            raise UserError(f"workers died more often than resources.retries allows, at {'; '.join(lost)}", fix)
        return made

    def _outcome(self, task: Any, plan: Planned, lost: list[str]) -> bool:
        """Whether a task has made its run; a run whose workers died is noted, and does not keep the others waiting."""
        errors = self.ray.exceptions  # the second is of a worker that Ray ended because memory ran short
        try:
            found = self.ray.get(task)
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError):
            lost.append(f"{plan.run.row}, seed {plan.run.seed}")
            return True
        if isinstance(found, tuple):
            raise UserError(*found)
        return bool(found)


class Screen:
    """What tasks tell, on one reporter a run."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter, self.shown = reporter, dict[str, Reporter]()

    def show(self, messages: list[tuple[str, str, tuple[Any, ...]]]) -> None:
        """Pass messages on; a run that begins again lost its worker."""
        for key, what, words in messages:
            if what == "begin" and key in self.shown:
                self.drop(key)
                self.reporter.note(
                    f"{words[0]}: its worker was lost; another one goes on after the last finished epoch"
                )
            if key not in self.shown:
                self.shown[key] = self.reporter.beside()
            getattr(self.shown[key], what)(*words)
            if what == "end":
                self.drop(key)

    def drop(self, key: str) -> None:
        """A run is over, whether it said so or not."""
        if key in self.shown:
            self.shown.pop(key).close()

    def close(self) -> None:
        """Take all bars away."""
        for key in list(self.shown):
            self.drop(key)


def work(launch: str, study: Study, results: Path, cpus: int, told: Any, key: str) -> bool | tuple[str, str]:
    """A task: make one run.

    Returns:
        whether it was made here rather than by another process, or the two lines of an error.
    """
    try:
        if launch not in READY:
            READY.clear()
            READY[launch] = Laboratory(study, results)
        with threads(cpus):
            laboratory = READY[launch]
            return laboratory.attempt(planned(laboratory, key), Relay(lambda *said: told.put((key, *said))))
    except (UserError, OSError) as caught:
        error = caught if isinstance(caught, UserError) else on_disk(caught)
        return error.what, error.fix
