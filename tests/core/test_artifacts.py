from __future__ import annotations

import numpy as np
import pytest

from core.artifacts import Cutout, Field, Mesh, ViewSet
from core.cameras import Camera
from core.reports import ElevationFound, MeshInfo, ViewsInfo

RNG = np.random.default_rng(0)
CAMERA = Camera(0, 12.5)
VALUES = [
    Cutout(RNG.integers(0, 255, (512, 512, 4), np.uint8), (-3.5, 0, 508.5, 512), "alpha", 0.9, ("cropped",)),
    ViewSet(
        RNG.integers(0, 255, (2, 8, 8, 3), np.uint8),
        (CAMERA, Camera(90, 0)),
        CAMERA,
        ViewsInfo(seed=1, elevation=ElevationFound(source="given")),
    ),
    Field(RNG.random((4, 5, 6), np.float32), None, CAMERA, {"isovalue": 3.25}),
    Field(RNG.random((4, 5, 6), np.float32), RNG.random((4, 5, 6, 3), np.float32), CAMERA),
    Mesh(
        RNG.random((4, 3)),
        np.array([[0, 1, 2], [0, 2, 3]]),
        RNG.integers(0, 255, (4, 3), np.uint8),
        MeshInfo(engine="é"),
    ),
    Mesh(RNG.random((4, 3)), np.array([[0, 1, 2]])),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_an_artifact_survives_its_bytes_and_equal_values_give_equal_bytes(value):
    data = value.to_bytes()
    again = type(value).from_bytes(data)
    assert again.to_bytes() == data == value.to_bytes()
    for name, item in vars(value).items():
        if isinstance(item, np.ndarray):
            np.testing.assert_array_equal(getattr(again, name), item)
            assert getattr(again, name).dtype == item.dtype
        else:
            assert getattr(again, name) == item


def test_a_pickle_hidden_in_an_artifact_is_refused():
    import io

    buffer = io.BytesIO()
    np.savez(buffer, meta=np.array([{"a": 1}], dtype=object), rgba=np.zeros(1))
    with pytest.raises(ValueError, match="allow_pickle"):
        Cutout.from_bytes(buffer.getvalue())
