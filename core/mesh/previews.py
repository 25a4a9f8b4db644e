"""Pictures of the final GLB itself, for people: a hero, a contact sheet, a turntable."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.mesh.values import Model
from core.render import over, render_mesh, soft_light

Pixels = NDArray[np.uint8]
GROUND = (255, 255, 255)


def picture(model: Model, camera: Camera, size: int, *, lit: bool = True, supersample: int = 2) -> Pixels:
    """``model`` over white, ``(size, size, 3)``, centred and scaled so that it fits whatever side is turned."""
    centred = model.vertices.astype(np.float64) - (model.vertices.min(0) + model.vertices.max(0)) / 2
    # A sphere of radius .83 just fits into the frame from a distance of 2.
    centred *= 0.8 / max(float(np.linalg.norm(centred, axis=1).max()), 1e-9)
    render = render_mesh(
        centred,
        model.faces,
        camera,
        size,
        colors=model.colors,
        uv=model.uv,
        texture=model.texels(),
        normals=model.normals,
        shade=soft_light if lit else None,
        supersample=supersample,
        cull=True,
    )
    return over(render.rgb, render.alpha, GROUND)


def hero(model: Model, size: int = 640) -> bytes:
    """The picture for a product list: three quarters from above, PNG."""
    return _encode([picture(model, Camera(25, 15), size)], "PNG", optimize=True)


def contact_sheet(model: Model, cutout: Cutout, view_set: ViewSet, photo: Pixels | None = None) -> bytes:
    """Photo, cutout and up to six views above; the result from front, right, back and left below; PNG 1280 x 480."""
    tiles = [] if photo is None else [_squared(over(photo[..., :3], photo[..., 3], GROUND))]
    tiles += [over(cutout.rgba[..., :3], cutout.rgba[..., 3], GROUND)]
    count = len(view_set.images)
    tiles += [view_set.images[i] for i in sorted({round(x) for x in np.linspace(0, count - 1, min(count, 6))})]
    sheet = np.full((480, 1280, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        sheet[:160, i * 160 : (i + 1) * 160] = _resize(tile, 160)
    for i in range(4):
        sheet[160:, i * 320 : (i + 1) * 320] = picture(model, Camera(90 * i, 15), 320)
    return _encode([sheet], "PNG", optimize=True)


def turntable(model: Model, frames: int, size: int = 256) -> bytes:
    """A looping WebP once around, two seconds and a half."""
    pictures = [picture(model, Camera(360 * i / frames, 15), size) for i in range(frames)]
    return _encode(pictures, "WEBP", duration=2500 // frames, loop=0, quality=75, method=2)


def _squared(image: Pixels) -> Pixels:
    """``image`` in the middle of a white square."""
    height, width = image.shape[:2]
    size = max(height, width)
    square = np.full((size, size, 3), 255, np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def _resize(image: Pixels, size: int) -> Pixels:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))


def _encode(pictures: list[Pixels], kind: str, **options: Any) -> bytes:
    from PIL import Image

    images = [Image.fromarray(pixels) for pixels in pictures]
    more = {"save_all": True, "append_images": images[1:]} if len(images) > 1 else {}
    file = io.BytesIO()
    images[0].save(file, kind, **options, **more)
    return file.getvalue()
