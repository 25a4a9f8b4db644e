"""The values that stages hand each other, and their bytes. Same value, same bytes: stage keys hash them."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.records import to_json
from core.reports import MeshInfo, ViewsInfo


@dataclass(frozen=True)
class Photo:
    """A decoded photo: upright, sRGB, straight alpha, at most the pixel cap, metadata stripped."""

    rgba: NDArray[np.uint8]
    """``(H, W, 4)``; alpha is 255 everywhere where the file has none."""
    has_alpha: bool
    """True when the file's own alpha separates an object from its background."""
    format: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cutout:
    """The product alone: recentred, longest side 200/256 of the frame, straight alpha (REFERENCE section 1)."""

    rgba: NDArray[np.uint8]
    """``(512, 512, 4)``."""
    source_box: tuple[float, float, float, float]
    """The frame's square in photo pixels, ``(left, top, right, bottom)``; may reach outside the photo."""
    method: str
    """``alpha`` or the segmentation model's name."""
    confidence: float = 1.0
    """How sure the segmentation is, 0 to 1."""
    warnings: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        return _pack({"rgba": self.rgba}, {**_fields(self, "rgba")})

    @classmethod
    def from_bytes(cls, data: bytes) -> Cutout:
        arrays, meta = _unpack(data)
        return cls(
            arrays["rgba"], tuple(meta["source_box"]), meta["method"], meta["confidence"], tuple(meta["warnings"])
        )


@dataclass(frozen=True)
class ViewSet:
    """Synthesized views of one product. ``condition`` is the photo's camera: azimuth 0, its elevation, radius 2."""

    images: NDArray[np.uint8]
    """``(N, S, S, 3)`` over white."""
    cameras: tuple[Camera, ...]
    condition: Camera
    info: ViewsInfo = field(default_factory=ViewsInfo)

    def to_bytes(self) -> bytes:
        meta = {
            "cameras": [asdict(camera) for camera in self.cameras],
            "condition": asdict(self.condition),
            "info": to_json(self.info),
        }
        return _pack({"images": self.images}, meta)

    @classmethod
    def from_bytes(cls, data: bytes) -> ViewSet:
        arrays, meta = _unpack(data)
        cameras = tuple(Camera(**camera) for camera in meta["cameras"])
        return cls(arrays["images"], cameras, Camera(**meta["condition"]), ViewsInfo.model_validate(meta["info"]))


@dataclass(frozen=True)
class Field:
    """A voxel field in the box [-1, 1]^3, world axes of :mod:`core.cameras`, arrays indexed ``[z, y, x]``.

    Voxel centres lie at ``-1 + (i + .5) * 2 / n`` (``align_corners=False``).
    """

    density: NDArray[np.float32]
    """``(Z, Y, X)``: sigma per unit length, >= 0."""
    color: NDArray[np.float32] | None
    """``(Z, Y, X, 3)`` sRGB in 0..1, or None where only latents were rendered."""
    camera: Camera
    """The photo's camera; the cutout is what it sees."""
    info: dict[str, Any] = field(default_factory=dict)
    """Settings, losses and timings of the run that made it."""

    def to_bytes(self) -> bytes:
        arrays = {"density": self.density} | ({} if self.color is None else {"color": self.color})
        return _pack(arrays, {"camera": asdict(self.camera), "info": self.info})

    @classmethod
    def from_bytes(cls, data: bytes) -> Field:
        arrays, meta = _unpack(data)
        return cls(arrays["density"], arrays.get("color"), Camera(**meta["camera"]), meta["info"])


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the field's world (Y up, front +Z, not yet scaled to metres)."""

    vertices: NDArray[np.float64]
    """``(V, 3)``."""
    faces: NDArray[np.int64]
    """``(F, 3)``, counter-clockwise seen from outside."""
    colors: NDArray[np.uint8] | None = None
    """``(V, 3)`` sRGB per vertex, or None."""
    info: MeshInfo = field(default_factory=MeshInfo)

    def to_bytes(self) -> bytes:
        arrays: dict[str, NDArray[Any]] = {"vertices": self.vertices, "faces": self.faces}
        if self.colors is not None:
            arrays["colors"] = self.colors
        return _pack(arrays, {"info": to_json(self.info)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Mesh:
        arrays, meta = _unpack(data)
        return cls(arrays["vertices"], arrays["faces"], arrays.get("colors"), MeshInfo.model_validate(meta["info"]))


def _fields(value: Any, *skip: str) -> dict[str, Any]:
    return {name: item for name, item in vars(value).items() if name not in skip}


def _pack(arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> bytes:
    """A compressed npz; numpy writes a constant time stamp, so equal values give equal bytes."""
    text = json.dumps(meta, sort_keys=True, separators=(",", ":"), allow_nan=False)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, meta=np.frombuffer(text.encode(), np.uint8), **arrays)
    return buffer.getvalue()


def _unpack(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "meta"}
        return arrays, json.loads(archive["meta"].tobytes())
