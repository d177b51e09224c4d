"""A study without results: which others have some, or what makes them."""

import shlex
from pathlib import Path

from augstudy.core.errors import UserError, nearest
from augstudy.core.store import StudyFolder

__all__ = ["require_results"]


def require_results(folder: StudyFolder, study: Path | None = None) -> None:
    """Raises UserError where nothing of a study was ever written.

    Args:
        study: its file, if that is known; else it is looked for in `studies/`, and a name without one is misspelt.
    """
    if folder.index.exists():
        return
    name, parent = folder.path.name, folder.path.parent
    there = [path.parent.name for path in sorted(parent.glob("*/study.yaml"))]
    scaled = [other for other in there if other.startswith(f"{name}-")]  # runs of it at other scales
    study = study or Path(f"studies/{name}.yaml")
    fix = f"There is {' and '.join(scaled)}. " if scaled else ""
    if study.is_file():
        fix += f"Make them with: {folder.made_by(shlex.join(['augstudy', 'run', str(study)]))}"
    elif not scaled:
        fix = nearest(name, there) if there else "There are none of any study: `augstudy run STUDY` makes some."
    raise UserError(f"no results of study {name!r} in {parent}", fix.strip())
