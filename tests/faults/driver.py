"""Runs of the command line, each in a process of its own in which something goes wrong; imports are paid for once.

Reads one JSON object a line: `arguments` of augstudy, `fault` (a name below), `at` (which write it strikes), `file`
(counts its writes only), `after` (seconds until SIGKILL), `out` (file for what is printed), `here` (in this process).
Answers with exit codes in a list: of one process, or of two at once where `twice` is set.
"""

import errno
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

TOUCHED = set()


def watch(event, args):
    """Note every path that is opened for writing, made, moved or deleted, imports' included."""
    writing = event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if writing or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
        paths = args[:2] if event == "os.rename" else args[:1]
        TOUCHED.update(os.path.normpath(Path.cwd() / path) for path in paths)


sys.addaudithook(watch)

import torch  # noqa: E402

torch.set_num_threads(1)  # before any work: OpenMP's threads, once there, hang in a process forked after them

from augstudy import cli  # noqa: E402
from augstudy.learn import loop  # noqa: E402

loop.HELD_OUT = 8  # crops on which a method is judged after each epoch: of 512 the most work of a run this small

REPLACE, FSYNC, MKSTEMP, TIME = Path.replace, os.fsync, tempfile.mkstemp, time.time


class Struck:
    """Counts writes, of one file where it is named, and strikes at one of them, or from it on."""

    def __init__(self, at, file):
        self.at, self.file, self.seen = at, file, 0

    def now(self, name):
        counts = self.file in name
        self.seen += counts
        return counts and self.seen == self.at

    def from_now_on(self, name):
        self.seen += self.file in name
        return self.seen >= self.at


def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)


def strike(fault, at, file=""):
    """Make something go wrong at the `at`-th file that is written."""
    struck = Struck(at, file)

    def fsync(handle):
        path = Path(f"/proc/self/fd/{handle}")
        if fault == "half a file" and struck.now(path.readlink().name):
            os.truncate(path, os.fstat(handle).st_size // 2)
            die()
        if fault == "disk full" and struck.from_now_on(path.readlink().name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        FSYNC(handle)

    def replace(path, target):
        struck_now = fault in ("not in place", "in place", "SIGTERM", "SIGINT", "count") and struck.now(target.name)
        if struck_now and fault != "in place":  # the half-written file is there, under its other name
            die(signal.SIGKILL if fault == "not in place" else signal.Signals[fault])
        done = REPLACE(path, target)
        if struck_now:
            die()
        return done

    def mkstemp(*args, **kwargs):
        if fault == "read-only" and struck.from_now_on(kwargs["prefix"]):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), kwargs.get("dir"))
        return MKSTEMP(*args, **kwargs)

    os.fsync, Path.replace, tempfile.mkstemp = fsync, replace, mkstemp
    if fault == "clock":
        time.time = lambda: TIME() + random.uniform(-1e8, 1e8)
    if fault == "another torch":
        torch.__version__ = "99.0.0"
    return struck


def run(arguments):
    sys.argv = ["augstudy", *arguments]
    code = 0
    try:
        cli.main()
    except SystemExit as done:
        code = int(done.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 1
    return code


def child(wish, out):
    pid = os.fork()
    if pid:
        return pid
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    struck = strike(wish.get("fault"), wish.get("at", 0), wish.get("file", ""))
    code = run(wish["arguments"])
    if wish.get("fault") == "count":
        print(f"writes {struck.seen}")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main():
    for text in sys.stdin:
        wish = json.loads(text)
        if wish.get("here"):  # in this process, so that later ones find everything loaded
            with Path(wish["out"]).open("w") as out:
                stdout, sys.stdout = sys.stdout, out
                codes = [run(wish["arguments"])]
                sys.stdout = stdout
                print(*sorted(TOUCHED), sep="\n", file=out)
        else:
            pids = [child(wish, f"{wish['out']}{i or ''}") for i in range(2 if wish.get("twice") else 1)]
            if "after" in wish:
                time.sleep(wish["after"])
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(codes), flush=True)


main()
os._exit(0)  # taking torch down in order takes seconds
