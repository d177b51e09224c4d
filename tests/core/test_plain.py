"""No text reaches OmegaConf's resolvers, which read the environment; other texts with braces and colons pass."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from augstudy.core.errors import UserError
from augstudy.core.plain import check_plain

SECRET = "hunter2"
PIECES = ("${", "}", "{", ":", "oc.env", "TOKEN", "${x}", "${oc.", "env}", "\\", " ", ".", "[", "]", "'")


@pytest.mark.parametrize(
    "text",
    [
        *("${oc.env:TOKEN}", "a ${x} ${oc.env:TOKEN}", "${${x}:TOKEN}", "${oc.${x}:TOKEN}", "${ oc.env : TOKEN }"),
        *("} ${oc.env:TOKEN}", "{} ${oc.env:TOKEN}", "\\${oc.env:TOKEN}", "${oc.decode:${x}}", "${x\n:y"),
    ],
)
def test_one_inside_of_them_is_refused(text):
    for node in (text, [text], {"title": {"a": text}}, {text: 1}):
        with pytest.raises(UserError, match="names a resolver"):
            check_plain(node, "a study")


@pytest.fixture(scope="module", autouse=True)
def secret():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN", SECRET)
        yield


def read(text):
    """What OmegaConf makes of a text beside others that it may name; None where it refuses it."""
    try:
        return OmegaConf.to_container(OmegaConf.create({"title": text, "x": "oc.env", "y": "TOKEN"}), resolve=True)
    except Exception:
        return None


@pytest.mark.parametrize("text", ["${oc.env:TOKEN}", "${${x}:${y}}"])
def test_unchecked_it_would_be_read(text):
    assert SECRET in str(read(text))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
def test_what_passes_reads_no_environment(text):
    try:
        check_plain(text, "a study")
    except UserError:
        return
    assert SECRET not in str(read(text))
