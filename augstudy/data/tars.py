"""The files of a tar, read one after the other, never unpacked; a tar that reaches out of its place is refused."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from augstudy.core.errors import UserError

__all__ = ["tar_files"]

LARGEST = 1 << 30  # bytes of one file (1 GiB)
ADVICE = "Do not unpack it; get the shard from a place that you trust."


def tar_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a tar, in its order; folders are passed by.

    Raises:
        UserError: it is no tar or is cut short; or a name is absolute or has `..`, or a member is a link, a device or
            larger than 1 GiB. Names the tar and the member.
    """
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                _check(member, path)
                if not member.isdir():
                    file = tar.extractfile(member)
                    assert file is not None  # _check lets only plain files pass
                    yield member.name, file.read()
    except FileNotFoundError:
        raise UserError(f"there is no file {path}", "Give the path of a tar.") from None
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        what = f"{path} is no readable tar ({' '.join(str(error).split()) or type(error).__name__})"
        raise UserError(what, "Copy or download it again.") from None


def _check(member: tarfile.TarInfo, path: Path) -> None:
    name = PurePosixPath(member.name)
    why = (
        "an absolute path"
        if name.is_absolute() or "\\" in member.name or member.name[1:2] == ":"
        else "a path with .."
        if ".." in name.parts
        else "a link or a device"
        if not (member.isreg() or member.isdir())
        else f"a file of {member.size:,} bytes"
        if member.size > LARGEST
        else ""
    )
    if why:
        raise UserError(f"{path} holds {member.name!r}, {why}, and is refused", ADVICE)
