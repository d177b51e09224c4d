"""A finished export is checked against its manifest, and some of its crops against crops made anew."""

import pytest

from augstudy.core.errors import UserError
from augstudy.data.export import Export

from .conftest import ways


@ways
def test_a_changed_byte_is_found(make, form, encoding):
    export = make(form, encoding)
    export()
    path = next(path for path in sorted(export.folder.rglob("*")) if path.is_file() and path.name != "manifest.json")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged: its checksum"):
        export.verify()
    path.unlink()
    with pytest.raises(UserError, match=r"damaged|cannot be read"):
        export.verify()


def test_a_crop_that_is_made_otherwise_today_is_found(make, monkeypatch):
    export = make()
    export()
    usual = Export._files
    monkeypatch.setattr(Export, "_files", lambda self, numbers: usual(self, [n + 1 for n in numbers]))
    with pytest.raises(UserError, match=r"crop 0 in .* is not the one"):
        export.verify()
