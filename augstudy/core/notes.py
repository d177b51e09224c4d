"""What is said once, of things that may be met a million times."""

import logging

__all__ = ["say_once"]

_said: set[str] = set()


def say_once(kind: str, text: str) -> None:
    """Tell a person, through the logger `augstudy`, the first time that this kind of thing is met in this process.

    Without a logger of the user's own it is a line on the standard error.
    """
    if kind not in _said:
        _said.add(kind)
        logging.getLogger("augstudy").warning(text)
