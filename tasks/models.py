"""Which weights a recipe means on this machine: names to paths, content hashes and licences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine

from core.errors import CheckpointError, PolicyViolation
from core.licences import commercial_restriction, find_model
from core.recipes import Recipe
from core.whole_file import whole_file
from db.checkpoints import CheckpointRow, add_checkpoint, find_checkpoint
from tasks import hub
from tasks.factory import Factory
from tasks.settings import Settings

SHIPPED = Path(__file__).resolve().parents[1] / "models"
"""The starter models that come with the project."""

WEIGHT_SUFFIXES = frozenset({".safetensors", ".json", ".onnx", ".bin", ".ckpt", ".pt", ".yaml", ".yml", ".txt"})
"""What of a model folder its content hash covers: weights and configuration, not the model card."""


Lookup = Callable[[str, str], CheckpointRow | None]
"""Name and kind to the registered weights, None where there are none."""


@dataclass(frozen=True)
class Weights:
    """A model, resolved."""

    role: str
    """``views`` or ``segmenter``."""
    name: str
    path: str
    sha256: str
    licence: str | None
    commercial: bool | None
    """None: nobody has said."""
    attribution: str | None = None
    revision: str | None = None
    """The hub's commit, where the hub was asked."""

    @property
    def label(self) -> str:
        return f"{Path(self.name).name}@{self.sha256[:12]}"


def check_models(recipe: Recipe, models: Iterable[Weights]) -> None:
    """Raises :class:`PolicyViolation` for the first model that a commercial recipe may not use.

    What a person said at registration (``commercial``) outweighs the licence's text; nobody having said anything, the
    register decides, and what it does not know is refused.
    """
    if recipe.policy != "commercial":
        return
    for weights in models:
        if weights.commercial:
            continue
        why = commercial_restriction(weights.licence) or "it was registered as non-commercial"
        raise PolicyViolation(
            f"The recipe's policy is commercial and the model {weights.name} cannot be used commercially: {why}."
        )


def resolve_models(settings: Settings, recipe: Recipe, registered: Lookup) -> dict[str, Weights]:
    """Both models of a recipe by role. Raises :class:`CheckpointError`, :class:`PolicyViolation`."""
    models = {
        "segmenter": resolve_segmenter(settings, recipe.segment.model, registered),
        "views": resolve_views(settings, recipe.views.checkpoint, registered),
    }
    check_models(recipe, models.values())
    return models


def models_of(factory: Factory, recipe: Recipe) -> dict[str, Weights]:
    """:func:`resolve_models` with what the factory's database has registered; a restart of it is waited out."""
    return factory.retry_database(lambda engine: resolve_models(factory.settings, recipe, registered_in(engine)))


def registered_in(engine: Engine) -> Lookup:
    """Looks names up in a database's checkpoint table."""
    return lambda name, kind: find_checkpoint(engine, name, kind)


def resolve_views(settings: Settings, name: str, registered: Lookup) -> Weights:
    """The view model of a registered name, a path, a shipped one, or a hub id (fetched where there is a network)."""
    row = registered(name, "views")
    if row is not None:
        _check_registered(settings, row)
        return Weights("views", name, row.path, row.sha256, row.licence, row.commercial, row.attribution)
    places = [Path(name).expanduser(), settings.home_path / "models" / name, SHIPPED / name]
    for path in places:
        if path.is_dir() or (path.is_file() and path.suffix in WEIGHT_SUFFIXES):
            card = licence_of(path)
            return Weights("views", name, str(path.resolve()), content_hash(settings, path), *card)
    if hub.is_hub_id(name):
        found = hub.fetch(name)
        sha256 = content_hash(settings, found.path)
        return Weights("views", name, str(found.path), sha256, *licence_of(found.path, name), found.revision)
    raise CheckpointError(
        f"There is no model '{name}': use `starter`, a path, or register one with `meshmill models add {name} PATH`."
    )


def _check_registered(settings: Settings, row: CheckpointRow) -> None:
    """Raises :class:`CheckpointError` where a registered model has lost its files, or has got others."""
    path = Path(row.path)
    if not path.exists() or content_hash(settings, path) != row.sha256:
        raise CheckpointError(
            f"The files of the model {row.name} are not the registered ones: run `meshmill models verify {row.name}`."
        )


def remember(engine: Engine, models: Iterable[Weights]) -> None:
    """Register what came from the hub: the same commit is used from now on, and nobody is asked again."""
    for weights in models:
        if weights.revision is not None:
            card = (weights.revision, weights.licence, weights.commercial, weights.attribution)
            add_checkpoint(engine, CheckpointRow(weights.name, weights.role, weights.sha256, weights.path, *card))


def resolve_segmenter(settings: Settings, name: str, registered: Lookup) -> Weights:
    """The segmentation model of a name or path; rembg's models must already be on the machine."""
    row = registered(name, "segmenter")
    if row is not None:
        _check_registered(settings, row)
        return Weights("segmenter", name, row.path, row.sha256, row.licence, row.commercial, row.attribution)
    from core.segment.segmenters import SEGMENTERS, STARTER, downloaded_model

    path = STARTER if name == "starter" else downloaded_model(name) if name in SEGMENTERS else Path(name).expanduser()
    if not path.is_file():
        raise CheckpointError(f"The segmentation model {path} does not exist.")
    entry = find_model(name, "segmenter")
    licence, commercial = (entry.licence, entry.commercial) if entry else (None, None)
    if name == "starter":
        licence, commercial = "Apache-2.0", True
    credit = entry.attribution if entry else None
    return Weights("segmenter", name, str(path), content_hash(settings, path), licence, commercial, credit)


def licence_of(path: Path, name: str = "") -> tuple[str | None, bool | None, str | None]:
    """Licence, commercial use and attribution from the folder's ``licence.json``, else from the register by the file's
    name or by ``name``; the shipped models are our own."""
    file = path / "licence.json"
    if path.is_dir() and file.is_file():
        record = json.loads(file.read_text("utf-8"))
        return record.get("licence"), record.get("commercial"), record.get("attribution")
    if path.resolve().is_relative_to(SHIPPED):
        return "Apache-2.0", True, None
    entry = find_model(path.name, "views") or find_model(name.partition("@")[0], "views")
    return (entry.licence, entry.commercial, entry.attribution) if entry else (None, None, None)


def content_hash(settings: Settings, path: Path) -> str:
    """sha256 over a model's files; remembered by name, size and time, because 5 GB take 10 s to read."""
    files = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.suffix in WEIGHT_SUFFIXES)
    )
    if not files:
        raise CheckpointError(f"There are no weights in {path}.")
    root = path.parent if path.is_file() else path
    stats = [(str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return _content_hash(settings.home_path / "hashes.json", root, tuple(files), repr(stats))


@lru_cache(maxsize=32)
def _content_hash(cache: Path, root: Path, files: tuple[Path, ...], file_stamps: str) -> str:
    name = hashlib.sha256(file_stamps.encode()).hexdigest()
    try:
        known: dict[str, str] = json.loads(cache.read_text("utf-8"))
    except (OSError, ValueError):
        known = {}
    if name in known:
        return known[name]
    if len(files) == 1 and files[0].parent == root and files[0].suffix == ".onnx":
        result = _file_hash(files[0])
    else:
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.relative_to(root).as_posix()}\0{_file_hash(file)}\n".encode())
        result = digest.hexdigest()
    with whole_file(cache) as partial:
        partial.write_text(json.dumps(known | {name: result}), "utf-8")
    return result


def _file_hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
