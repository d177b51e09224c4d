"""What a view family is: settings that say how the training views of a crop are made, one of them the control."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from augstudy.augment.graph import Graph

__all__ = ["View"]


@dataclass(frozen=True)
class View(ABC):
    """A family of views; a study names it by its file, `view: {name: ops}`.

    Args:
        size: side of a view in pixels.
    """

    size: int = 224

    control: ClassVar[str] = "strength"  # the setting that a study sweeps
    unit: ClassVar[str] = ""  # of the control: "px", or "" for a pure number
    two_encoders: ClassVar[bool] = False  # whether the two sides are of different kinds, each with its own network

    @abstractmethod
    def graph(self) -> Graph:
        """The ops that turn a square crop of any size into a view, of a pair the first."""

    def pair(self) -> tuple[Graph, Graph]:
        """How the first and the second view of a crop are made: alike, unless the family says otherwise."""
        return self.graph(), self.graph()

    def graphs(self, count: int) -> tuple[Graph, ...]:
        """How each view of a crop is made, for a method that trains on `count` of them: as many, unless there are more.

        Raises:
            UserError: there are fewer.
        """
        return tuple(self.pair()[number % 2] for number in range(count))

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of the first and the second view."""
        return 3, 3

    @property
    def needs_pairs(self) -> bool:
        """Whether a view makes sense only beside its other: a method of one view learns nothing of this family."""
        return False

    @property
    def reach(self) -> int:
        """Pixels that an image must have on each side for the views to lie within it; 0 where crops always do."""
        return 0

    def lenses(self) -> tuple[Graph, Graph]:
        """What makes each side of a picture that is probed, where the sides have encoders of their own."""
        return Graph(()), Graph(())
