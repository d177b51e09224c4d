"""A study's drawn figures as pictures inside a page: without the title and caption that the page gives as text."""

import base64
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from augstudy.core.errors import UserError
from augstudy.show.base import Results
from augstudy.show.style import around

__all__ = ["Plate", "plates"]

_LARGE = 400_000  # bytes of a file from which on it is packed anew: a page of twenty pictures stays under 10 MB
_WIDEST = 1400  # pixels: twice what a page shows


@dataclass(frozen=True)
class Plate:
    """One picture.

    Args:
        name: of the figure, such as `layer_curves`.
        caption: its words; "" where the file does not tell them.
        source: a data URI.
        width, height: in CSS pixels.
        gallery: whether it shows pictures rather than curves.
    """

    name: str
    caption: str
    source: str
    width: int
    height: int
    gallery: bool

    @property
    def heading(self) -> str:
        return self.name.replace("_", " ").capitalize().replace("Pca", "PCA")

    @property
    def alt(self) -> str:
        """What is shown, for those who do not see it."""
        return f"{self.heading}: {self.caption}" if self.caption else f"{self.heading}, a figure of this study"


def plates(results: Results) -> list[Plate]:
    """Every figure that lies drawn in the study's folder: in the order of the study, then any others by name."""
    folder = results.folder.figures
    drawn = [*folder.glob("[!.]*.svg"), *folder.glob("[!.]*.png")]  # a dot begins the name of a half-written file
    there = sorted({path.stem for path in drawn})
    wanted = [name for name in results.index.get("figures") or [] if name in there]
    return [_plate(folder, name) for name in [*wanted, *(name for name in there if name not in wanted)]]


def _plate(folder: Path, name: str) -> Plate:
    drawing, pixels = folder / f"{name}.svg", folder / f"{name}.png"
    if not drawing.exists():
        return _packed(name, "", pixels, (0, 0), gallery=True)
    text = drawing.read_text(encoding="utf-8")
    title, caption = list(_words(text, "title")), list(_words(text, "caption"))
    cut = around(len(title), len(caption)) if title and caption else (0.0, 0.0)
    gallery = "<image " in text
    words = " ".join(caption)
    if len(text) > _LARGE and pixels.exists():
        return _packed(name, words, pixels, cut, gallery)
    text, width, height = _cropped(text, cut)
    return Plate(name, words, _uri("image/svg+xml", text.encode()), width, height, gallery)


def _words(text: str, gid: str) -> Iterator[str]:
    """The lines of a text with this id: matplotlib writes each as a comment beside its outlines."""
    found = re.search(rf'^( *)<g id="{gid}">\n(.*?)^\1</g>', text, re.DOTALL | re.MULTILINE)
    if found:
        yield from (html.unescape(line) for line in re.findall(r"<!-- (.*?) -->", found[2]))


def _cropped(text: str, cut: tuple[float, float]) -> tuple[str, int, int]:
    """An SVG without its top and foot of so many inches, and its size in CSS pixels."""
    root = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt" viewBox="0 0 [\d.]+ [\d.]+"', text)
    if root is None:
        return text, 672, 400
    width, height = float(root[1]), float(root[2])
    top, foot = (72 * inches for inches in cut)
    left = height - top - foot
    new = f'width="{width:g}pt" height="{left:g}pt" viewBox="0 {top:g} {width:g} {left:g}"'
    return text.replace(root[0], new, 1), round(width * 4 / 3), round(left * 4 / 3)


def _packed(name: str, caption: str, path: Path, cut: tuple[float, float], gallery: bool) -> Plate:
    """A PNG (200 dots an inch) without its top and foot; packed anew as WebP if it is large."""
    try:
        with Image.open(path, formats=("PNG",)) as image:  # whatever else a stranger gives that name is not opened
            whole = image.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        why = " ".join(str(error).split())
        what = f"{path} is no PNG that can be read ({why})"
        raise UserError(what, "Delete it; augstudy figures draws it again where it is of this study.") from None
    top, foot = (round(200 * inches) for inches in cut)
    picture = whole.crop((0, top, whole.width, whole.height - foot))
    shown = (round(picture.width * 96 / 200), round(picture.height * 96 / 200))
    picture.thumbnail((_WIDEST, 100 * _WIDEST))
    stream = io.BytesIO()
    if path.stat().st_size > _LARGE:
        picture.save(stream, "WEBP", quality=85)
        return Plate(name, caption, _uri("image/webp", stream.getvalue()), *shown, gallery)
    picture.save(stream, "PNG")
    return Plate(name, caption, _uri("image/png", stream.getvalue()), *shown, gallery)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
