"""Catalogues as programs write them: a JSON list of objects, or an object a line; read as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from core.catalogue.csvs import text_encoding
from core.errors import InputError

CHUNK = 1 << 16
LARGEST = 8 << 20
"""Characters of one entry."""
LARGEST_WHOLE = 256 << 20
"""Characters of a file that is one object with a list in it, which is read whole."""


def read_entries(path: Path) -> Iterator[tuple[int, Any]]:
    """Entries with their number. Raises :class:`InputError` for what is no list of objects."""
    try:
        with path.open(encoding=text_encoding(path), errors="replace") as stream:
            yield from _Entries(stream, path.name).read()
    except RecursionError as error:
        raise InputError(f"The manifest {path.name} is nested too deeply.") from error


class _Entries:
    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._buffer, self._at = "", 0
        self._decode = json.JSONDecoder().raw_decode

    def read(self) -> Iterator[tuple[int, Any]]:
        opening = self._peek()
        if opening == "[":
            self._at += 1
            yield from self._list()
        elif opening == "{":
            yield from self._lines()
        else:
            raise InputError(f"The manifest {self._name} is not JSON: it must be a list of objects with sku and photo.")

    def _list(self) -> Iterator[tuple[int, Any]]:
        number = 0
        while (character := self._peek(", ")) != "]":
            number += 1
            if not character:
                raise InputError(
                    f"The manifest {self._name} is not JSON: it ends within its list, behind entry {number - 1}."
                )
            yield number, self._next(f"entry {number}", LARGEST)

    def _lines(self) -> Iterator[tuple[int, Any]]:
        """Objects one behind another; a single one may hold the list under a name of its own."""
        first = self._next("its object", LARGEST_WHOLE)
        if self._peek():
            yield 1, first
            number = 1
            while self._peek():
                number += 1
                yield number, self._next(f"entry {number}", LARGEST)
            return
        if {"sku", "photo"} <= set(first):
            yield 1, first
            return
        lists = [value for value in first.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if len(lists) != 1:
            raise InputError(f"The manifest {self._name} must be a list of objects with sku and photo.")
        yield from enumerate(lists[0], 1)

    def _peek(self, passed: str = "") -> str:
        """The next character that is no blank; "" at the end."""
        while True:
            while self._at < len(self._buffer):
                character = self._buffer[self._at]
                if not (character.isspace() or character in passed or character == "\ufeff"):
                    return character
                self._at += 1
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        chunk = self._stream.read(max(CHUNK, len(self._buffer) - self._at))
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)

    def _next(self, what: str, largest: int) -> Any:
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except ValueError as error:
                if len(self._buffer) - self._at > largest or not self._fill():
                    raise InputError(
                        f"The manifest {self._name} is not JSON: {what} cannot be read ({error})."
                    ) from error
                continue
            self._at = end
            return value
