"""Globs over names, the same on every database: ``*``, ``?``, ``[abc]``, ``[!a-z]``, and case counts."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, false, or_

_ANYTHING, _CHARACTER = ".*", "."


def matches(column: Any, glob: str) -> ColumnElement[bool]:
    """``column`` is matched by the glob, or is that very text: a SKU may hold brackets."""
    pattern = regex(glob)
    same: ColumnElement[bool] = column == glob
    return or_(same, false() if pattern is None else column.regexp_match(pattern))


def regex(glob: str) -> str | None:
    """The glob (as of Python's ``fnmatchcase``) as an expression that Python and PostgreSQL read alike; None where it
    can match nothing. A bracket that is not closed stands for itself; there is no escape but a bracket: ``[*]``."""
    parts: list[str] = []
    place = 0
    while place < len(glob):
        character = glob[place]
        place += 1
        if character == "*":
            if parts[-1:] != [_ANYTHING]:
                parts.append(_ANYTHING)
        elif character == "?":
            parts.append(_CHARACTER)
        elif character == "[" and (end := _closing(glob, place)) is not None:
            chosen = _set(glob[place:end])
            if chosen is None:
                return None
            parts.append(chosen)
            place = end + 1
        else:
            parts.append(re.escape(character))
    return rf"(?s)\A{''.join(parts)}\Z"


def _closing(glob: str, start: int) -> int | None:
    """Where the set that begins before ``start`` is closed; ``]`` at its very beginning is one of its characters."""
    first = start + 1 if glob[start : start + 1] == "!" else start
    end = glob.find("]", first + 1)
    return None if end < 0 else end


def _set(inside: str) -> str | None:
    negated, characters = inside.startswith("!"), inside.removeprefix("!")
    chosen = []
    place = 0
    while place < len(characters):
        low = high = characters[place]
        if characters[place + 1 : place + 2] == "-" and place + 2 < len(characters):
            high = characters[place + 2]
            place += 2
        place += 1
        if low <= high:
            chosen.append(_quoted(low) if low == high else f"{_quoted(low)}-{_quoted(high)}")
    if not chosen:
        return _CHARACTER if negated else None
    return f"[{'^' if negated else ''}{''.join(chosen)}]"


def _quoted(character: str) -> str:
    return "\\" + character if character in r"\]^-[&~|:.=" else character
