"""The crops that a run was trained on, from what its folder says, or those of another image."""

from pathlib import Path

from augstudy.core.build import build
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, read_yaml
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.images import find_image, load_image

__all__ = ["corpus_seen"]


def corpus_seen(encoder: str, image: str = "") -> Corpus | None:
    """The corpus of one image that the run of an encoder saw; None for a run that saw no such corpus.

    Args:
        encoder: a run's folder, or the file of weights in it.
        image: name or path of the image to cut crops from in place of the run's own, by the same recipe.

    Raises:
        UserError: the image cannot be had.
    """
    path = Path(encoder)
    told = RunFolder(path if path.is_dir() else path.parent).provenance
    facts = (read_yaml(told) if told.exists() else None) or {}
    node = (facts.get("config") or {}).get("corpus")
    name = image or (facts.get("image_used") or {}).get("used")
    if not name:
        return None
    try:
        pixels = load_image(find_image(name).path)
    except UserError as error:
        raise UserError(error.what, "Name the image to cut crops from with --image.") from None
    recipe = build(Recipe, node, f"{told}: config: corpus") if node else Recipe(count=20_000, size=64)
    return Corpus(pixels, recipe, facts.get("seed", 0))
