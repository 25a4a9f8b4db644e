"""File names as strangers write them: shown without tricks, and mapped to keys that every store accepts."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata


def display_name(name: str) -> str:
    """The name as safe one-line text: what could reorder, hide or break a line is escaped as in Python.

    Control and format characters (newlines, right-to-left marks, zero-width joiners), line separators and bytes
    that are not UTF-8 become ``\\n``, ``\\u202e``, ``\\udc80``; a backslash doubles, so two names never look the same.
    """
    return "".join(_shown(character) for character in name)


def _shown(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character


def safe_key(name: str) -> str:
    """A key of ``[a-z0-9-]``, at most 64 characters, unlike for unlike names: a readable part and 64 bits of sha256."""
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    readable = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:47].rstrip("-")
    return f"{readable}-{digest}" if readable else digest
