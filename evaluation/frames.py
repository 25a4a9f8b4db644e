"""From the model's frame back to the photo's: what segmentation zoomed is undone before comparing.

The cutout shows the product with its longest side at 200/256 of the frame; the photo may show it smaller.
``source_box`` says which square of the photo became the frame, in photo pixels measured from the top-left corner.

Zero-1-to-3's models put the product's centre into the middle of every view, and all cameras of an evaluation folder
look at the truth's centre: so a predicted view is un-zoomed about its middle and not shifted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.cameras import INPUT_RADIUS, Camera

Box = tuple[float, float, float, float]


def zoom_of(source_box: Box, photo_width: int) -> float:
    """How much larger the cutout shows the product than the photo does, both pictures being equally wide."""
    return photo_width / (source_box[2] - source_box[0])


def model_camera(target: Camera, photo: Camera) -> Camera:
    """The truth's target camera as the model is asked for it: azimuth 0 is the photo's, the photo is at radius 2."""
    radius = INPUT_RADIUS + target.radius - photo.radius
    return Camera((target.azimuth - photo.azimuth) % 360, target.elevation, radius, target.fov)


def unframe_view(prediction: NDArray[np.uint8], zoom: float, size: int) -> NDArray[np.uint8]:
    """A predicted view ``(S, S, 3)`` un-zoomed about its middle, ``(size, size, 3)``, white around it."""
    from PIL import Image

    own = prediction.shape[0]
    scale = own / size * zoom
    if np.isclose(scale, 1, atol=1e-6) and own == size:
        return prediction
    image = Image.fromarray(prediction)
    if scale > 1.01:  # shrinking: average areas first, or fine detail turns into noise
        shrunk = max(1, round(own / scale))
        image, scale, own = image.resize((shrunk, shrunk), Image.Resampling.LANCZOS), scale * shrunk / own, shrunk
    shift = own / 2 - size / 2 * scale
    coefficients = (scale, 0, shift, 0, scale, shift)
    affine, cubic = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return np.asarray(image.transform((size, size), affine, coefficients, cubic, fillcolor=(255, 255, 255)))
