"""The one error a user is meant to read."""

import difflib
import errno
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from urllib.error import URLError

__all__ = [
    "Diverged",
    "Unobtainable",
    "Unprobable",
    "UserError",
    "culprit",
    "nearest",
    "of_disk",
    "on_disk",
    "printable",
]

T = TypeVar("T")

# What only a disk says; without the file's name where it was open already.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ESTALE)


class Diverged(Exception):
    """Training came to a number that is not finite; the run is over, the study goes on."""


class UserError(Exception):
    """What is wrong and where, then what to do: the CLI prints these two lines and exits with code 2.

    Args:
        what: one line that names the file, key or row at fault; what a file name has of line breaks, other control
            characters and bytes that are no text is written as escapes.
        fix: one line that says what to do about it.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix = printable(what), printable(fix)
        super().__init__(f"{self.what}\n{self.fix}")

    def at(self, where: str) -> "UserError":
        """The same error with the file or key it was found in put before it."""
        return UserError(f"{where}: {self.what}", self.fix)


def printable(text: str) -> str:
    """One line that any terminal takes: `\\n` for a line break, `\\udcff` for a byte of a name that is not UTF-8."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode("ascii") for c in text)


def of_disk(error: OSError) -> bool:
    """Whether an error is about a file; connections and other libraries' decoders raise OSError too.

    What a server answers names a file as well: its address.
    """
    return not isinstance(error, URLError) and (error.filename is not None or error.errno in DISK)


def on_disk(error: OSError) -> UserError:
    """A full disk or a missing permission, in two lines; a connection that fails, without a word of disks.

    Raises:
        OSError: the same, where neither the system nor a file is named: a mistake of ours, which needs its traceback.
    """
    if of_disk(error):
        where = error.filename or "a file"
        fix = "Mend its permissions, free some space or name another place; finished runs are kept."
        fix = "Give a shorter name." if error.errno == errno.ENAMETOOLONG else fix
        return UserError(f"{where} cannot be read or written ({error.strerror or error})", fix)
    if error.errno is None:
        raise error
    fix = "See to that connection or device, and give the same command again; finished runs are kept."
    return UserError(f"the system refused what is no file ({type(error).__name__}: {error.strerror})", fix)


class Unobtainable(UserError):
    """An image or a data set that is not on this machine and cannot be downloaded: the one reason to use a fallback."""


class Unprobable(UserError):
    """An encoder whose features are no numbers: in a study this run has failed, and the study goes on."""


def nearest(word: object, known: Iterable[str]) -> str:
    """A hint for a misspelt name, or for what is none (a number): the nearest known one, then all of them."""
    names = sorted(known)
    spelled = {name.lower(): name for name in names}
    close = difflib.get_close_matches(str(word).lower(), spelled, n=1, cutoff=0.5)
    listed = ", ".join(names) or "none"
    return f"Did you mean {spelled[close[0]]!r}? (known: {listed})" if close else f"Known: {listed}"


def culprit(said: Sequence[T], attempt: Callable[[Sequence[T]], object]) -> T | None:
    """Which of the things said makes an attempt fail, None if it fails without them: the first that does so alone.

    Args:
        attempt: raises UserError when what it is given is wrong.
    """

    def fails(some: Sequence[T]) -> bool:
        try:
            attempt(some)
        except UserError:
            return True
        return False

    if not said or fails(()):
        return None
    return next((one for one in said if fails((one,))), said[0])
