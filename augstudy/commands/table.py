"""`augstudy table`: the table again, from the records."""

from augstudy.commands.base import ResultsFolder, StudyName, console, folder_of
from augstudy.core.store import RESULTS

__all__ = ["table"]


def table(study: StudyName, results: ResultsFolder = RESULTS) -> None:
    """Make table.csv and table.md again from the records, and print the table."""
    folder = folder_of(study, results)
    from augstudy.show import table as tables
    from augstudy.show.base import load

    loaded = load(folder)
    loaded.require_records()
    tables.write(loaded)
    console.print(tables.rich_table(loaded))
