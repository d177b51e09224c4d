"""One picture in the style of another, as the encoders of a study see both."""

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, picture_page
from augstudy.show.galleries import galleries

__all__ = ["StylePaintings", "how_painted"]


@dataclass(frozen=True)
class StylePaintings:
    """Content, style, then one picture a row, made with the encoder of its first finished seed.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = galleries(results, "style_transfer")
        if not found:
            raise NothingToShow("no run has a stylised picture", f"Run the study here first: {results.command}")
        first = found[0].arrays
        h, w, _ = first["content"].shape
        sheets = [
            (f"content: {first['content_name']}", first["content"] / 255),
            (f"style: {first['style_name']} (a part)", first["style"][:h, :w] / 255),
        ]
        sheets += [(one.name, one.arrays["picture"] / 255) for one in found]
        credits = {str(first[f"{what}_name"]): str(first[f"{what}_credit"]) for what in ("content", "style")}
        seeds = " or ".join(dict.fromkeys(str(one.seed) for one in found))
        cosines = ", ".join(f"{one.name} {float(one.arrays['likeness'][0]):.2f}" for one in found)
        text = f"{how_painted(str(first['told']), credits)} Seed {seeds}. Cosine to the content there: {cosines}."
        return picture_page(results.title, " ".join((text, results.image_sentence)).strip(), sheets, self.width)


def how_painted(settings: str, credits: Mapping[str, str]) -> str:
    """What a caption says of how the pictures were made, and whose they are.

    Args:
        settings: as `StyleTransfer.told` says them.
        credits: image -> whose it is.
    """
    whose = "; ".join(f"{name}, {credit}" for name, credit in credits.items())
    return (
        f"After Gatys et al. (2016): {settings}. Losses are shares of what the two pictures differ by, so "
        f"one weight fits all encoders. Pictures: {whose}."
    )
