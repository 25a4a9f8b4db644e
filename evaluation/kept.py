"""What an evaluation has measured so far, in files: one that was interrupted goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.whole_file import whole_file

Pictures = dict[str, Any]
"""Lists of pictures and of names, single pictures."""


@dataclass(frozen=True)
class Measured:
    """One object's figures, those of its controls, and its pictures."""

    row: dict[str, Any]
    control: dict[str, Any] = field(default_factory=dict)
    shown: Pictures = field(default_factory=dict)


class Kept:
    """A folder of what one evaluation measured: ``made_of`` is all that its figures depend on."""

    def __init__(self, folder: Path, made_of: Mapping[str, Any]) -> None:
        text = json.dumps(made_of, sort_keys=True, default=str)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:20]

    def get(self, name: str) -> Measured | None:
        """What was measured of an object; None where nothing was."""
        figures, pictures = self._files(name)
        if not figures.is_file():
            return None
        found = json.loads(figures.read_text("utf-8"))
        with np.load(pictures, allow_pickle=False) as arrays:
            shown = {key: _back(arrays, value) for key, value in found["shown"].items()}
        return Measured(found["row"], found["control"], shown)

    def put(self, name: str, measured: Measured) -> None:
        """Keep it. Failures are not: they are tried again."""
        if measured.row["errors"]:
            return
        arrays: dict[str, Any] = {}
        shown = {key: _away(arrays, key, value) for key, value in measured.shown.items()}
        figures, pictures = self._files(name)
        with whole_file(pictures) as partial:
            np.savez(partial, **arrays)
        document = {"row": measured.row, "control": measured.control, "shown": shown}
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
