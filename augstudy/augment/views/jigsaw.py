"""Into how many tiles the second view is cut, which then change places."""

from dataclasses import dataclass
from typing import ClassVar

from augstudy.augment.graph import Graph
from augstudy.augment.tiles import TILES, Jigsaw
from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_range
from augstudy.core.errors import UserError

__all__ = ["JigsawView"]


@dataclass(frozen=True)
class JigsawView(Standard):
    """Two standard views of a crop, the tiles of the second one shuffled: what is in both is not where things are.

    Args:
        size: side of the view in pixels, a multiple of `tiles`.
        tiles: control variable, tiles a side; 1 shuffles nothing and is the standard pair.

    Source: Misra and van der Maaten (PIRL), CVPR 2020, section 3, which cuts 225 px into 3 x 3. There each tile is
    cropped, recoloured and embedded by itself; here the shuffled picture is embedded whole, so that any method of two
    views can take it.
    """

    control: ClassVar[str] = "tiles"
    unit: ClassVar[str] = "tiles a side"
    size: int = 225
    tiles: int = 3

    def __post_init__(self) -> None:
        check_range("tiles", self.tiles, 1, TILES)
        super().__post_init__()
        if self.size % self.tiles:
            fitting = [str(t) for t in range(1, TILES + 1) if self.size % t == 0]
            near = max(1, self.size // self.tiles) * self.tiles
            what = f"tiles {self.tiles} do not part a view of {self.size} px evenly"
            raise UserError(what, f"Set view.tiles to one of {', '.join(fitting)}, or view.size to {near}.")

    @property
    def needs_pairs(self) -> bool:
        return True

    def pair(self) -> tuple[Graph, Graph]:
        last = (Jigsaw(tiles=self.tiles),) if self.tiles > 1 else ()
        return self.graph(), self.graph() + Graph(last)
