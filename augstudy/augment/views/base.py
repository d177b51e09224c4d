"""What a view family is: settings that say how a training view is made from a crop."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from augstudy.augment.graph import Graph

__all__ = ["View"]


@dataclass(frozen=True)
class View(ABC):
    """A family of views; a study names it by its file, `view: {name: ops}`.

    Args:
        size: side of a view in pixels.
    """

    size: int = 224

    @abstractmethod
    def graph(self) -> Graph:
        """The ops that turn a square crop of any size into a view."""
