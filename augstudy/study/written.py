"""A study file as it is written, read without the libraries that running it needs: mistakes are told at once."""

from pathlib import Path
from typing import Any

from augstudy.core.errors import UserError
from augstudy.core.store import read_yaml

__all__ = ["read_study"]


def read_study(path: Path) -> dict[str, Any]:
    """The mapping that a study file holds.

    Raises:
        UserError: there is no such file, or it is no mapping in YAML; names the file, and line and column if it can.
    """
    if not path.is_file():
        raise UserError(f"there is no study file {path}", "Give the path of a .yaml file, such as those in studies/.")
    written = read_yaml(path)
    if not isinstance(written, dict):
        raise UserError(f"{path} is not a study: it holds no mapping", "See studies/single_image_A.yaml for one.")
    return written
