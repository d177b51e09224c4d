"""What labels and splits must be for a probe's number to mean anything, looked at before anything is trained."""

import hashlib

from torch import Tensor

from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled, Split
from augstudy.evaluate.features import Extraction

__all__ = ["check_labels", "overlap"]

CHUNK = 512
COUNTED: dict[tuple[str, int, int], int] = {}  # (content of a set, images used of each split) -> images in both


def check_labels(data: Labelled, extraction: Extraction) -> list[str]:
    """Notes on classes of the test images that no training image has.

    Raises:
        UserError: a split is empty, a label is missing (below 0), or all training images have one label.
    """
    train, test = extraction.indices(data)
    for name, split, index in (("training", data.train, train), ("test", data.test, test)):
        labels = split.labels[index]
        if not len(labels):
            raise UserError(f"probe_data {data.name}: there are no {name} images", "Name a set with both splits.")
        if bool((labels < 0).any()):
            first = int(index[int((labels < 0).nonzero()[0])])
            what = f"probe_data {data.name}: {int((labels < 0).sum())} {name} images have no label, image {first} first"
            raise UserError(what, "Give every image a label from 0 on, or take those images out.")
    known = data.train.labels[train].unique()
    if len(known) < 2:
        what = f"probe_data {data.name}: all {len(train)} training images used have one label, {int(known[0])}"
        raise UserError(what, "Use more of them (features.train), or a set of two classes at least.")
    strange = set(data.test.labels[test].unique().tolist()) - set(known.tolist())
    if not strange:
        return []
    count = int(sum((data.test.labels[test] == label).sum() for label in strange))
    return [f"{count} test images of {data.name} are of {len(strange)} classes that no training image used has."]


def overlap(data: Labelled, extraction: Extraction) -> list[str]:
    """A note on how many test images are training images too, byte for byte; none where there are none.

    Each set is looked at once in a process, however many studies read it.
    """
    train, test = extraction.indices(data)
    key = data.fingerprint, len(train), len(test)
    if key not in COUNTED:
        seen = set(_digests(data.train, train))
        COUNTED[key] = sum(digest in seen for digest in _digests(data.test, test))
    if not COUNTED[key]:
        return []
    return [f"{COUNTED[key]} of {len(test)} test images of {data.name} are identical with training images."]


def _digests(split: Split, index: Tensor) -> list[bytes]:
    return [
        hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
        for some in index.split(CHUNK)
        for image in split.images(some).cpu()
    ]
