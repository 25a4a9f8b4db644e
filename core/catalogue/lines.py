"""Lines of a manifest: a row's cells as values, each fault with its column."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from core.catalogue.cells import (
    UNITS,
    BadCell,
    angle_of_text,
    checked,
    code_of_cell,
    length_of_cell,
    priority_of_cell,
    sku_of_cell,
    text_of,
)
from core.catalogue.headings import CODES, LENGTHS, Column, plain_heading
from core.photos.litter import is_picture
from core.photos.names import display_name
from core.photos.shot import Role
from core.photos.shots import parse_shot

T = TypeVar("T")

LISTS = ("photo", "role", "azimuth", "elevation")
"""Fields that hold a value a photo."""

OWN = "own"
"""The role, while a line is read, of a photo that shows its SKU alone, not all of its group."""

MOST_PHOTOS = 100
"""Photos of one line."""


@dataclass(frozen=True)
class NamedPhoto:
    """A photo as a manifest names it."""

    path: str
    """With ``/`` between its parts."""
    role: str | None = None
    azimuth: float | None = None
    elevation: float | None = None
    line: int = 0
    """The number of the line that names it."""


@dataclass(frozen=True)
class Line:
    """One row or entry that says something."""

    number: int
    """As a spreadsheet counts, or the entry's place in a list."""
    sku: str | None
    photos: tuple[NamedPhoto, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    """``name``, ``height_cm``, ``width_cm``, ``depth_cm``, ``licence``, ``attribution``, ``variant_of``,
    ``child_of`` (a parent that is no product), ``priority``, ``position`` (of the line's photo among its product's)."""
    problems: tuple[str, ...] = ()
    """``column 'height_cm': 'abc' is no length``"""
    group: str = ""
    """What joins the rows of a product that has several SKUs, or rows without one: a shop's handle."""

    def packed(self) -> str:
        photos = [(p.path, p.role, p.azimuth, p.elevation, p.line) for p in self.photos]
        return json.dumps((self.number, self.sku, photos, self.facts, self.problems, self.group))

    @classmethod
    def unpacked(cls, text: str) -> Line:
        number, sku, photos, facts, problems, group = json.loads(text)
        return cls(number, sku, tuple(NamedPhoto(*photo) for photo in photos), facts, tuple(problems), group)

    def parted(self) -> Iterator[Line]:
        """In a group: what the row says of its SKU, and what of all of the group (its photos and its name)."""
        own = tuple(photo for photo in self.photos if photo.role == OWN)
        if not self.group:
            yield self
            return
        if self.sku:
            facts = {name: value for name, value in self.facts.items() if name not in ("name", "position")}
            yield replace(self, photos=tuple(replace(photo, role=None) for photo in own), facts=facts)
        shared = {name: value for name, value in self.facts.items() if name in ("name", "position")}
        facts = shared if self.sku else self.facts
        photos = tuple(photo for photo in self.photos if photo.role != OWN)
        yield replace(self, sku=None, photos=photos, facts=facts, problems=() if self.sku else self.problems)


@dataclass(frozen=True)
class Cell:
    """A cell with its column."""

    column: Column
    heading: str
    value: object


def line_of(number: int, cells: list[Cell], *, comma: bool | None = None, problem: str | None = None) -> Line | None:
    """None for a row that says nothing. ``comma``: whether the table's decimals have one, where that is known."""
    if all(text_of(cell.value) == "" and not isinstance(cell.value, list) for cell in cells):
        return None
    reader = _Reader(cells, comma)
    kind = reader.one("kind", _kind)
    if kind == "parent":  # what its children have in common, nothing that is sold
        return None
    if problem:
        reader.problems.append(problem)
    group = reader.one("group", _group) or ""
    sku = None if group and not reader.says("sku") else reader.one("sku", _sku_reader(cells), missing="it is empty")
    photos = tuple(replace(photo, line=number) for photo in reader.photos())
    facts = reader.facts()
    if kind == "child" and "variant_of" in facts:
        facts["child_of"] = facts.pop("variant_of")
    if not photos and not group and not any(reader.says(field) for field in ("photo", "variant_photo")):
        names = [cell.heading for cell in cells if cell.column.field == "photo"]
        reader.problems.append(f"column '{names[0] if names else 'photo'}': it names no photo")
    return Line(number, sku, photos, facts, tuple(dict.fromkeys(reader.problems)), group)


def _sku_reader(cells: list[Cell]) -> Callable[[object], str]:
    heading = next((cell.heading for cell in cells if cell.column.field == "sku"), "")
    return code_of_cell if set(plain_heading(heading).split()) & CODES else sku_of_cell


class _Reader:
    """Reads the cells of one row and gathers what is wrong with them."""

    def __init__(self, cells: list[Cell], comma: bool | None) -> None:
        self._cells, self._comma = cells, comma
        self.problems: list[str] = []

    def _of(self, field: str) -> list[Cell]:
        return [cell for cell in self._cells if cell.column.field == field]

    def _try(self, cell: Cell, read: Callable[[object], T]) -> T | None:
        try:
            if isinstance(cell.value, (list, dict)) and cell.column.field not in LISTS:
                raise BadCell("it is a list where one text or number belongs")
            return read(cell.value)
        except BadCell as error:
            self.problems.append(f"column '{cell.heading}': {display_name(str(error))}")
            return None

    def says(self, field: str) -> bool:
        """Whether a cell of the field holds something."""
        return any(bool(cell.value) and text_of(cell.value) != "" for cell in self._of(field))

    def one(
        self, field: str, read: Callable[[object], T | None], missing: str = "", role: str | None = None
    ) -> T | None:
        cells = [cell for cell in self._of(field) if cell.column.role == role]
        if not cells and missing:
            self.problems.append(f"column '{field}': {missing}")
        return self._agreed(cells, lambda cell: self._try(cell, read))

    def _agreed(self, cells: list[Cell], read: Callable[[Cell], T | None]) -> T | None:
        """What the first of the cells says that says anything; what another one says of the same must be nearly it."""
        said = [cell for cell in cells if text_of(cell.value) != ""] or cells[:1]
        values = [(cell, value) for cell in said if (value := read(cell)) is not None]
        for cell, value in values[1:]:
            first, other = values[0][1], value
            near = isinstance(first, float) and isinstance(other, float) and abs(first - other) <= 0.02 * first
            if not near and first != other:
                self.problems.append(f"columns '{values[0][0].heading}' and '{cell.heading}' disagree: remove one")
        return values[0][1] if values else None

    def facts(self) -> dict[str, Any]:
        unit = self.one("unit", _unit) or "cm"
        lengths = {name: self._length(name, self.one("unit", _unit, role=name) or unit) for name in LENGTHS}
        beside = lengths.pop("length")
        if beside is not None:  # the longer of the two horizontal sides, wherever it has its place
            lengths["depth" if lengths["width"] is not None else "width"] = beside
        found: dict[str, Any] = {f"{name}_cm": value for name, value in lengths.items()}
        for name, longest in (("name", 1000), ("licence", 300), ("attribution", 500), ("variant_of", 200)):
            found[name] = self.one(name, partial(_text, longest=longest))
        found["priority"] = self.one("priority", priority_of_cell)
        found["position"] = self.one("position", _position)
        return {name: value for name, value in found.items() if value is not None}

    def _length(self, name: str, unit: str) -> float | None:
        def read(cell: Cell) -> float | None:
            return self._try(cell, lambda value: length_of_cell(value, cell.column.unit or unit, comma=self._comma))

        return self._agreed(self._of(name), read)

    def photos(self) -> tuple[NamedPhoto, ...]:
        own = OWN if self.says("group") else None
        named = [NamedPhoto(path, own) for cell in self._of("variant_photo") for path in self._try(cell, _paths) or []]
        for cell in sorted(self._of("photo"), key=lambda cell: cell.column.rank):
            for path in self._try(cell, _paths) or []:
                named.append(NamedPhoto(path, cell.column.role))
        if len(named) > MOST_PHOTOS:
            self.problems.append(f"it names {len(named)} photos; {MOST_PHOTOS} are taken at most")
            named = named[:MOST_PHOTOS]
        roles = self._spread("role", _role, len(named))
        azimuths = self._spread("azimuth", lambda text: angle_of_text(text, -360, 360), len(named))
        elevations = self._spread("elevation", lambda text: angle_of_text(text, -90, 90), len(named))
        return tuple(
            NamedPhoto(
                photo.path, photo.role if photo.role == OWN else roles[at] or photo.role, azimuths[at], elevations[at]
            )
            for at, photo in enumerate(named)
        )

    def _spread(self, field: str, read: Callable[[str], T | None], count: int) -> list[T | None]:
        """A cell's values over the line's photos: one for the first, or as many as there are photos."""
        values: list[T | None] = []
        for cell in self._of(field):
            parts = cell.value if isinstance(cell.value, list) else re.split(r"[;|]", text_of(cell.value))
            if len(parts) > max(count, 1):
                self.problems.append(f"column '{cell.heading}': it has {len(parts)} values for {count} photos")
                continue
            values += [self._try(replace(cell, value=part), lambda value: read(text_of(value))) for part in parts]
        return [*values, *[None] * count][: max(count, 1)]


def _text(value: object, *, longest: int) -> str | None:
    text = text_of(value)
    if len(text) > longest:
        raise BadCell(f"it is longer than {longest} characters")
    return checked(text) or None


def _group(value: object) -> str:
    return _text(value, longest=300) or ""


def _kind(value: object) -> str:
    return text_of(value).casefold()


def _position(value: object) -> int | None:
    text = text_of(value)
    return int(text) if re.fullmatch(r"\d{1,4}", text) else None


def _unit(value: object) -> str | None:
    text = text_of(value).casefold().rstrip(".")
    if text and text not in UNITS:
        raise BadCell(f"'{text}' is no unit of length: write mm, cm, m or in")
    return UNITS[text][0] if text else None


def _role(text: str) -> str | None:
    """A role in any of the languages of shot names. Raises :class:`BadCell`."""
    if not text:
        return None
    if text.casefold() in set(Role):
        return text.casefold()
    shot = parse_shot(f"x_{text}")
    if shot.stem != "x" or shot.said not in ("words", "frame"):
        raise BadCell(f"'{text}' is no role: write front, back, left, right, top, bottom, three-quarter, detail, …")
    return shot.role.value


def _paths(value: object) -> list[str]:
    """Paths in a cell: one, or several with ``;``, ``|`` or line breaks between, or commas where all are pictures."""
    parts = [text_of(part) for part in value] if isinstance(value, list) else re.split(r"[;|\n]", text_of(value))
    if len(parts) == 1 and "," in parts[0]:
        split = [part.strip() for part in parts[0].split(",")]
        parts = split if all(is_picture(part) for part in split) else parts
    return [checked(path) for part in parts if (path := part.strip().strip("\"'").strip())]
