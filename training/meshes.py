"""Real meshes to train on: a folder of GLB and OBJ files whose manifest says who made each and under which licence.

    FOLDER/meshes.csv        path,licence,source,author       a row a mesh; UTF-8
    FOLDER/**/*.glb, *.obj   Y up, the front towards +Z; any size and place

Weights learn from these meshes and are handed on under Apache-2.0 for commercial use, so a mesh needs a licence that
allows both: one of :mod:`core.licences`, or ``own``. Nothing is guessed: a file without a row, a row without a licence
or without the author whom the licence wants named stop the training before it begins.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from core.errors import InputError
from core.licences import OWN, find_licence

MANIFEST = "meshes.csv"
COLUMNS = ("path", "licence", "source", "author")
SUFFIXES = (".glb", ".gltf", ".obj")

HELD_EVERY = 20
"""One mesh of so many is never trained on: it says how good the weights are on real ones."""


@dataclass(frozen=True)
class MeshSource:
    """One mesh, where it is from, and what allows its use."""

    path: Path
    licence: str
    """Identifier in :mod:`core.licences`, or ``own``."""
    source: str
    """Where it was taken from."""
    author: str


def read_meshes(folder: Path) -> tuple[MeshSource, ...]:
    """The meshes of a folder in the order of their paths. Raises :class:`InputError` with what is wrong and where."""
    manifest = folder / MANIFEST
    try:
        with manifest.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{folder.name} has no {MANIFEST} that can be read: {error}.") from error
    if not rows or set(COLUMNS) - set(rows[0]):
        raise InputError(f"{MANIFEST} needs the columns {', '.join(COLUMNS)} and a row for every mesh.")
    found: dict[Path, MeshSource] = {}
    for number, row in enumerate(rows, 2):
        mesh = _checked(folder, {name: (row[name] or "").strip() for name in COLUMNS}, f"{MANIFEST}, line {number}")
        if mesh.path in found:
            raise InputError(f"{MANIFEST}, line {number}: {row['path']} has a row already.")
        found[mesh.path] = mesh
    strangers = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.resolve() not in found)
    if strangers:
        names = ", ".join(p.relative_to(folder).as_posix() for p in strangers[:3])
        raise InputError(f"{len(strangers)} meshes have no row in {MANIFEST}, so nobody knows their licence: {names}.")
    return tuple(found[path] for path in sorted(found))


def _checked(folder: Path, row: dict[str, str], where: str) -> MeshSource:
    """The mesh of a row. Raises :class:`InputError`."""
    relative = PurePosixPath(row["path"])
    path = (folder / relative).resolve()
    if not row["path"] or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise InputError(f"{where}: there is no file {row['path'] or '(path is empty)'} in {folder.name}.")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{where}: {row['path']} is none of {', '.join(SUFFIXES)}.")
    if not row["licence"]:
        raise InputError(f"{where}: {row['path']} has no licence; a mesh without one is not trained on.")
    if row["licence"].lower() == OWN:
        return MeshSource(path, OWN, row["source"], row["author"])
    licence = find_licence(row["licence"])
    if licence is None:
        raise InputError(f"{where}: the licence '{row['licence']}' of {row['path']} is not known; docs/licensing.md.")
    if licence.commercial is not True or not licence.derivatives:
        raise InputError(f"{where}: {licence.id} of {row['path']} does not allow weights that may be sold.")
    if licence.credit and not row["author"]:
        raise InputError(f"{where}: {licence.id} wants the author of {row['path']} to be named.")
    return MeshSource(path, licence.id, row["source"], row["author"])


def split(meshes: Sequence[MeshSource]) -> tuple[list[Path], list[Path]]:
    """Files to train on, and files to hold out: the first and every 20th after it.

    Raises :class:`InputError` where there are too few for both.
    """
    if len(meshes) < 2:
        raise InputError(f"{MANIFEST} names fewer than two meshes: one to train on and one to hold out.")
    paths = [mesh.path for mesh in meshes]
    return [path for i, path in enumerate(paths) if i % HELD_EVERY], paths[::HELD_EVERY]


def credits_of(meshes: Sequence[MeshSource]) -> dict[str, Any]:
    """What the exported weights say of the meshes: how many under which licence, and whom to name."""
    named = sorted({f"{mesh.author}, {mesh.licence}, {mesh.source}" for mesh in meshes if mesh.author})
    return {"licences": dict(sorted(Counter(mesh.licence for mesh in meshes).items())), "credits": named}
