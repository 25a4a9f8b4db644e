"""Bytes in, core's functions, bytes out: what is added on the way."""

from __future__ import annotations

import pytest

from core.artifacts import Field
from tasks import compute
from tasks.stages import STAGE
from tasks.worker import StageCall
from tests.core.sjc.sjc_scenes import scene


def nothing(*_: object, **__: object) -> None: ...


def test_a_field_from_further_down_the_memory_ladder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "_model", lambda *_: None)  # the views alone
    stage, params = STAGE["reconstruct"], {"steps": 2, "grid": 64, "rays": 1024, "score_cameras": 1}

    def field(ladder: int) -> Field:
        cutout, views = scene()
        inputs = {"cutout": cutout.to_bytes(), "views": views.to_bytes()}
        call = StageCall(
            "reconstruct", inputs, stage.step_down(params, ladder), 0, {"views": ""}, device="cpu", ladder=ladder
        )
        return Field.from_bytes(compute.compute(call, nothing).files["field.npz"])

    assert "ladder" not in field(0).info
    smaller = field(1)
    assert smaller.info["ladder"] == 1
    assert smaller.info["parameters"]["grid"] == 48
    assert smaller.density.shape == (48, 48, 48)
