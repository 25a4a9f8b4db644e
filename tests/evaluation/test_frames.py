"""What the framing zoomed and shifted is undone: rendered cutout worlds land on the truth's pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.artifacts import Photo
from core.cameras import Camera
from core.quality.images import mask_from_white, mask_iou, psnr
from core.render import over, render_mesh
from core.segment.cut import segment
from core.segment.framing import unframe_alpha
from core.segment.params import SegmentParams
from evaluation import frames
from evaluation.shape import turned

PHOTO = Camera(35, 20)


def blob() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smaller than the frame, asymmetric, coloured by place."""
    import trimesh

    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.35)
    vertices = np.asarray(mesh.vertices) * [1, 0.7, 0.5]
    vertices[:, 0] += 0.05 * np.sin(9 * vertices[:, 1])
    colors = np.clip(128 + 250 * vertices, 0, 255).astype(np.uint8)
    return vertices, np.asarray(mesh.faces), colors


def picture(vertices: np.ndarray, camera: Camera, size: int) -> np.ndarray:
    _, faces, colors = blob()
    seen = render_mesh(vertices, faces, camera, size, colors=colors, supersample=2)
    return over(seen.rgb, seen.alpha)


def test_nothing_framed_is_nothing_changed():
    assert frames.zoom_of((0, 0, 512, 512), 512) == 1
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert frames.unframe_view(image, 1.0, 256) is image


def test_the_model_is_asked_relative_to_the_photo():
    asked = frames.model_camera(Camera(15, 40, 1.8), Camera(35, 20, 1.6))
    assert (asked.azimuth, asked.elevation) == (340, 40)
    assert asked.radius == pytest.approx(2.2)


@pytest.mark.parametrize("target", [Camera(35, 20), Camera(125, 20), Camera(215, 50), Camera(300, -15)])
@pytest.mark.parametrize("size", [128, 256, 512])
def test_a_perfect_prediction_lands_on_the_truth(target: Camera, size: int):
    """A framed model's world is seen through a longer lens; un-zoomed it is the truth's picture."""
    vertices, faces, colors = blob()
    seen = render_mesh(vertices, faces, PHOTO, 512, colors=colors, supersample=2)
    photo = Photo(np.dstack([seen.rgb, seen.alpha]), True, "PNG")
    cutout = segment(photo, SegmentParams(), segmenter=None)  # type: ignore[arg-type]  # its alpha is trusted
    zoom = frames.zoom_of(cutout.source_box, 512)
    assert zoom > 1.2
    asked = frames.model_camera(target, PHOTO)
    lens = np.degrees(2 * np.arctan(np.tan(np.radians(target.fov / 2)) / zoom))
    prediction = picture(turned(vertices, -PHOTO.azimuth), replace(asked, fov=lens), size)
    back, truth = frames.unframe_view(prediction, zoom, 256), picture(vertices, target, 256)
    assert mask_iou(mask_from_white(back), mask_from_white(truth)) > 0.96
    assert psnr(back, truth) > psnr(prediction if size == 256 else np.full_like(truth, 255), truth) + 10


def test_alpha_returns_to_its_place_in_the_photo():
    vertices, faces, colors = blob()
    seen = render_mesh(vertices, faces, PHOTO, 400, colors=colors, supersample=2)
    photo = Photo(np.dstack([seen.rgb, seen.alpha]), True, "PNG")
    cutout = segment(photo, SegmentParams(), segmenter=None)  # type: ignore[arg-type]
    back = unframe_alpha(cutout.rgba[..., 3], cutout.source_box, 400, 400)
    assert mask_iou(back >= 128, seen.alpha >= 128) > 0.985
