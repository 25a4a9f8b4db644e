"""What an evaluation has measured so far, in files: one that was interrupted goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from core.parameters import JsonObject
from core.whole_file import whole_file
from evaluation.records import Control, ObjectRow, PhotosFigures
from evaluation.values import Shown

Row = TypeVar("Row", ObjectRow, PhotosFigures)


@dataclass(frozen=True)
class Measured(Generic[Row]):
    """One object's figures, those of its controls, and its pictures."""

    row: Row
    control: dict[str, Control] = field(default_factory=dict)
    shown: Shown = field(default_factory=Shown)


class Kept:
    """A folder of what one evaluation measured: ``made_of`` is all that its figures depend on."""

    def __init__(self, folder: Path, made_of: JsonObject) -> None:
        text = json.dumps(made_of, sort_keys=True)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:20]

    def get(self, name: str, kind: type[Row]) -> Measured[Row] | None:
        """What was measured of an object; None where nothing was."""
        figures, pictures = self._files(name)
        if not figures.is_file():
            return None
        found = json.loads(figures.read_text("utf-8"))
        with np.load(pictures, allow_pickle=False) as arrays:
            shown = Shown(**{key: _back(arrays, value) for key, value in found["shown"].items()})
        return Measured(kind.model_validate(found["row"]), found["control"], shown)

    def put(self, name: str, measured: Measured[Row]) -> None:
        """Keep it. Failures are not: they are tried again."""
        if measured.row.errors:
            return
        arrays: dict[str, Any] = {}
        shown = {key: _away(arrays, key, value) for key, value in vars(measured.shown).items()}
        figures, pictures = self._files(name)
        with whole_file(pictures) as partial:
            np.savez(partial, **arrays)
        row = measured.row.model_dump(mode="json")
        document = {"row": row, "control": measured.control, "shown": shown}
        with whole_file(figures) as partial:  # the last: where it stands, all does
            partial.write_text(json.dumps(document, default=lambda value: value.item()), "utf-8")

    def _files(self, name: str) -> tuple[Path, Path]:
        stem = hashlib.sha256(name.encode()).hexdigest()[:20]  # an object may be called anything
        return self.folder / f"{stem}.json", self.folder / f"{stem}.npz"


def _away(arrays: dict[str, Any], key: str, value: Any) -> Any:
    """``value`` with its pictures moved to ``arrays`` and their names in their place."""
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"array": key}
    return [_away(arrays, f"{key}-{i}", item) for i, item in enumerate(value)] if isinstance(value, list) else value


def _back(arrays: Mapping[str, Any], value: Any) -> Any:
    if isinstance(value, dict):
        return arrays[value["array"]]
    return [_back(arrays, item) for item in value] if isinstance(value, list) else value
