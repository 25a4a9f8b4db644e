"""File names as strangers write them: shown without tricks, and mapped to keys that every store accepts."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


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


def sku_text(word: str) -> str:
    """A SKU as the shop writes it: composed Unicode on one line, at most 200 characters, never empty.

    Runs of blanks become one; only what could hide or break a line is escaped (:func:`display_name`); a longer word
    ends with a hash of the whole.
    """
    plain = " ".join(unicodedata.normalize("NFC", word).split())
    shown = plain if display_name(plain) == plain.replace("\\", "\\\\") else display_name(plain)
    shown = shown or safe_key(word)
    return shown if len(shown) <= 200 else f"{shown[:183]}-{hashlib.sha256(os.fsencode(word)).hexdigest()[:16]}"


def file_name(sku: str) -> str:
    """A file name without ending that every system takes, unlike for unlike SKUs: ``TS/100`` becomes ``TS%2F100``.

    Letters, digits, blanks and ``+-_.,()=&@~`` stand as they are; all else is written as in a URL. At most 150 bytes; a
    longer one ends with a hash of the whole.
    """
    name = "".join(c if c.isalnum() or c in " +-_.,()=&@~" else _escaped(c) for c in sku)
    if name[:1] in (".", " ", "~", "-") or name.split(".")[0].upper() in _DEVICES:
        name = _escaped(name[0]) + name[1:]
    if name[-1:] in (".", " "):
        name = name[:-1] + _escaped(name[-1])
    if len(os.fsencode(name)) <= 150:
        return name
    cut = name.encode()[:120].decode(errors="ignore")
    return f"{cut}-{hashlib.sha256(os.fsencode(sku)).hexdigest()[:16]}"


def distinct_file_names(paths: Mapping[Key, str], skus: Mapping[Key, str]) -> dict[Key, str]:
    """The paths, unlike also where a disk does not tell capitals from small letters: those end with a
    hash of the SKU."""
    alike = Counter(path.casefold() for path in paths.values())
    return {
        key: path if alike[path.casefold()] == 1 else f"{path}-{safe_key(skus[key])[-16:]}"
        for key, path in paths.items()
    }


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"COM{n}" for n in range(1, 10)), *(f"LPT{n}" for n in range(1, 10))}
"""File names that Windows keeps for itself."""
