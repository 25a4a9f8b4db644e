"""An evaluation folder: objects with photos, held-out views, cameras and a scanned mesh.

DIR/manifest.json                 {"objects": [{"id", "sha256" of model.glb, ...}]}; without one, every sub-folder
DIR/<id>/model.glb                the truth: Y up, longest side 1, centred
DIR/<id>/cameras.json             {"photo": {azimuth_deg, elevation_deg, radius}, "fov_deg", "views": [{"file", ...}]}
DIR/<id>/photo_rgba.png           the photo with its exact mask; photo_white.png, photo_textured.png where present
DIR/<id>/views/NN.png             RGBA
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from core.cameras import FIELD_OF_VIEW, Camera
from core.errors import InputError
from core.render import Paint
from evaluation.shape import normalised
from evaluation.surfaces import Surface

SAME_VIEW = 1e-3
"""A view closer than this to the photo's camera (degrees, lengths) repeats the photo and is left out."""


class CameraRecord(BaseModel):
    """A camera in ``cameras.json``."""

    azimuth_deg: float
    elevation_deg: float
    radius: float


class ViewRecord(CameraRecord):
    """A view in ``cameras.json``."""

    file: str


class Cameras(BaseModel):
    """``cameras.json``."""

    photo: CameraRecord
    views: list[ViewRecord]
    fov_deg: float = FIELD_OF_VIEW


class Entry(BaseModel):
    """An object of the manifest."""

    model_config = ConfigDict(coerce_numbers_to_str=True)
    id: str
    sha256: str | None = None
    """Of ``model.glb``."""


class Manifest(BaseModel):
    """``manifest.json``."""

    objects: list[Entry] = []


Read = TypeVar("Read", Cameras, Manifest)


@dataclass(frozen=True)
class TruthView:
    """A held-out picture and where it was taken from, in the truth's frame."""

    name: str
    camera: Camera
    rgba: NDArray[np.uint8]
    """``(S, S, 4)``, straight alpha."""


@dataclass(frozen=True)
class EvaluationObject:
    """One object with everything that is known of it."""

    id: str
    camera: Camera
    """The photo's, in the truth's frame."""
    photo: bytes
    """``photo_rgba.png``."""
    backgrounds: dict[str, bytes]
    """The same photo over real backgrounds: ``white``, ``textured``."""
    views: tuple[TruthView, ...]
    truth: Surface
    """Longest side 1, centred."""
    paint: Paint
    """What the truth is painted with: see :func:`read_painted`."""
    sha256: str
    """Over the names and hashes of all its files."""


def is_evaluation_folder(folder: Path) -> bool:
    """Whether there are objects with a known truth; a shop's photos may have a manifest of their own."""
    return any(folder.glob("*/cameras.json"))


def list_objects(folder: Path) -> list[str]:
    """The frozen list of object ids, in the manifest's order, else the sub-folders by name.

    Raises :class:`InputError` where there is none, or where a model is not the manifest's.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        found = sorted(path.parent.name for path in folder.glob("*/cameras.json"))
        if not found:
            raise InputError(
                f"{folder.name} is not an evaluation folder: no manifest.json and no <object>/cameras.json."
            )
        return found
    entries = _read(manifest, Manifest).objects
    for entry in entries:
        model = folder / entry.id / "model.glb"
        if not model.is_file():
            raise InputError(f"The manifest names {entry.id}, but {entry.id}/model.glb is not there.")
        if entry.sha256 is not None and hashlib.sha256(model.read_bytes()).hexdigest() != entry.sha256:
            raise InputError(f"{entry.id}/model.glb is not the one that the manifest names: the set was changed.")
    return [entry.id for entry in entries]


def read_object(folder: Path, name: str) -> EvaluationObject:
    """Read one object. Raises :class:`InputError` naming the file that is missing or malformed."""
    root = folder / name
    cameras = _read(root / "cameras.json", Cameras)
    fov = cameras.fov_deg
    photo = _camera(cameras.photo, fov)
    files: dict[str, bytes] = {}

    def take(relative: str) -> bytes:
        try:
            files[relative] = (root / relative).read_bytes()
        except OSError as error:
            raise InputError(f"The evaluation object {name} lacks {relative}.") from error
        return files[relative]

    views = tuple(
        TruthView(view.file, camera, _rgba(take(view.file)))
        for view in cameras.views
        if not _same(camera := _camera(view, fov), photo)
    )
    backgrounds = {
        kind: take(f"photo_{kind}.png") for kind in ("white", "textured") if (root / f"photo_{kind}.png").is_file()
    }
    surface, paint = read_painted(take("model.glb"))
    pixels = take("photo_rgba.png")
    digest = "\n".join(f"{file} {hashlib.sha256(data).hexdigest()}" for file, data in sorted(files.items()))
    return EvaluationObject(
        name, photo, pixels, backgrounds, views, surface, paint, hashlib.sha256(digest.encode()).hexdigest()
    )


def read_painted(glb: bytes) -> tuple[Surface, Paint]:
    """All triangles of a GLB in its own frame, normalised, and its colours as
    :func:`core.quality.measurement.picture_of` takes them.

    Several meshes and textures become one. Raises ValueError without a surface.
    """
    import io

    import trimesh

    scene: Any = trimesh.load(io.BytesIO(glb), file_type="glb", force="mesh", process=False)
    vertices, faces = np.asarray(scene.vertices, np.float64), np.asarray(scene.faces, np.int64)
    if not len(faces):
        raise ValueError("The GLB holds no triangles.")
    surface = normalised(vertices), faces
    texture = getattr(getattr(scene.visual, "material", None), "baseColorTexture", None)
    if texture is None or scene.visual.uv is None:
        plain = scene.visual.to_color() if scene.visual.kind == "texture" else scene.visual
        colors = np.atleast_2d(plain.vertex_colors)[:, :3]  # a material without a texture gives one row
        return surface, Paint(colors=np.broadcast_to(colors, (len(vertices), 3)).astype(np.uint8))
    u, v = np.asarray(scene.visual.uv, np.float64).T  # trimesh's v grows upwards
    return surface, Paint(uv=np.stack([u, 1 - v], 1), texture=np.asarray(texture.convert("RGB")))


def _camera(record: CameraRecord, fov: float) -> Camera:
    return Camera(record.azimuth_deg, record.elevation_deg, record.radius, fov)


def _same(a: Camera, b: Camera) -> bool:
    turn = (a.azimuth - b.azimuth + 180) % 360 - 180
    return max(abs(turn), abs(a.elevation - b.elevation), abs(a.radius - b.radius)) < SAME_VIEW


def _rgba(data: bytes) -> NDArray[np.uint8]:
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def _read(path: Path, kind: type[Read]) -> Read:
    name = f"{path.parent.name}/{path.name}"
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{name} is not as docs/evaluation.md has it: {where or 'JSON'}: {first['msg']}.") from error
    except OSError as error:
        raise InputError(f"{name} is missing or cannot be read.") from error
