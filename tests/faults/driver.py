"""Runs of the command line, each in a process of its own in which something goes wrong; imports are paid for once.

Reads one JSON object a line: `arguments` of augstudy, `fault` (a name below), `at` (which write it strikes), `after`
(seconds until SIGKILL), `out` (file for what is printed). Answers with exit codes in a list: of one process, or of two
at once where `twice` is set.
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

import torch

torch.set_num_threads(1)  # before any work: OpenMP's threads, once there, hang in a process forked after them

from augstudy import cli  # noqa: E402

REPLACE, FSYNC, MKSTEMP, TIME = Path.replace, os.fsync, tempfile.mkstemp, time.time


class Struck:
    """Counts writes and strikes at one of them, or from it on."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def now(self):
        self.seen += 1
        return self.seen == self.at

    def from_now_on(self):
        self.seen += 1
        return self.seen >= self.at


def die(number=signal.SIGKILL):
    os.kill(os.getpid(), number)


def strike(fault, at):
    """Make something go wrong at the `at`-th file that is written."""
    struck = Struck(at)

    def fsync(handle):
        if fault == "half a file" and struck.now():
            os.truncate(f"/proc/self/fd/{handle}", os.fstat(handle).st_size // 2)
            die()
        if fault == "disk full" and struck.from_now_on():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        FSYNC(handle)

    def replace(path, target):
        struck_now = fault in ("not in place", "in place", "SIGTERM", "SIGINT", "count") and struck.now()
        if struck_now and fault == "not in place":
            die()
        done = REPLACE(path, target)
        if struck_now:
            die(signal.SIGKILL if fault == "in place" else signal.Signals[fault])
        return done

    def mkstemp(*args, **kwargs):
        if fault == "read-only" and struck.from_now_on():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), kwargs.get("dir"))
        return MKSTEMP(*args, **kwargs)

    os.fsync, Path.replace, tempfile.mkstemp = fsync, replace, mkstemp
    if fault == "clock":
        time.time = lambda: TIME() + random.uniform(-1e8, 1e8)
    if fault == "another torch":
        torch.__version__ = "99.0"
    if fault == "watch":
        sys.addaudithook(watch)
    return struck


def watch(event, args):
    """Print every path that is opened for writing, made, moved or deleted."""
    writing = event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR)
    if writing or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
        os.write(1, f"touched {Path.cwd() / args[0]}\n".encode())


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
    struck = strike(wish.get("fault"), wish.get("at", 0))
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
        else:
            pids = [child(wish, f"{wish['out']}{i or ''}") for i in range(2 if wish.get("twice") else 1)]
            if "after" in wish:
                time.sleep(wish["after"])
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
            codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        print(json.dumps(codes), flush=True)


main()
