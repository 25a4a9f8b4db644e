"""The stage as a whole on a scene with exact views: quality, determinism, survival, refusals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sjc_scenes import overlap, picture, scene

from core.artifacts import Cutout, Field, ViewSet
from core.errors import OutOfMemory, ReconstructionFailed
from core.sjc import reconstruct, runner
from core.sjc.cutoff import best_cutoff
from core.sjc.params import ReconstructParams
from core.sjc.views import photo_view

QUICK = ReconstructParams(grid=48, steps=60, rays=2048)


@pytest.fixture(scope="module")
def inputs() -> tuple[Cutout, ViewSet]:
    return scene()


@pytest.fixture(scope="module")
def quick(inputs: tuple[Cutout, ViewSet]) -> Field:
    return reconstruct(None, *inputs, QUICK, 0)


def test_exact_views_give_back_the_shape_and_its_colors(quick: Field) -> None:
    assert overlap(quick.density, quick.info["isovalue"]) > 0.8
    assert quick.color is not None
    ball = quick.color[25, 25, 24 - 7 - 6]  # on the ball's surface, facing away from the box
    assert ball[0] > ball[2] + 0.3
    assert quick.density.dtype == quick.color.dtype == np.float32


def test_equal_inputs_give_equal_bytes_and_another_seed_does_not(inputs: tuple[Cutout, ViewSet], quick: Field) -> None:
    again = reconstruct(None, *inputs, QUICK, 0)
    assert again.to_bytes() == quick.to_bytes()
    short = QUICK.model_copy(update={"steps": 10})
    one, other = (reconstruct(None, *inputs, short, seed) for seed in (0, 1))
    assert not np.array_equal(one.density, other.density)


def test_the_cutoff_is_chosen_from_the_silhouette(quick: Field, inputs: tuple[Cutout, ViewSet]) -> None:
    density, view = torch.from_numpy(quick.density), photo_view(inputs[0], quick.camera)
    level, _ = best_cutoff(density, [view])
    assert overlap(quick.density, level) > 0.75
    assert best_cutoff(density / 2, [view])[0] == pytest.approx(level / 2, rel=1e-3)


def test_progress_names_every_term(inputs: tuple[Cutout, ViewSet]) -> None:
    heard: list[dict[str, Any]] = []

    def listen(step: str, done: int, total: int, **figures: Any) -> None:
        heard.append({"step": step, "done": done, "total": total} | figures)

    reconstruct(None, *inputs, QUICK.model_copy(update={"steps": 4}), 0, progress=listen)
    assert [h["done"] for h in heard] == [1, 2, 3, 4]
    assert set(heard[0]) >= {"color", "silhouette", "smooth", "spread", "emptiness"}


def test_progress_tells_the_time_left_and_shows_the_field(
    inputs: tuple[Cutout, ViewSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", -1.0)
    plain = reconstruct(None, *inputs, QUICK.model_copy(update={"steps": 4}), 0)
    shown = reconstruct(
        None, *inputs, QUICK.model_copy(update={"steps": 4}), 0, progress=lambda *_, **figures: heard.append(figures)
    )
    assert shown.to_bytes() == plain.to_bytes()  # looking changes nothing
    assert heard[-1]["eta_s"] == 0 < heard[0]["eta_s"]
    picture = heard[-1]["preview"]
    assert (picture.shape, picture.dtype) == ((64, 128, 3), np.uint8)
    assert (picture[:3] > 240).all()
    assert (picture < 200).any()


def test_a_large_checkpoint_is_written_less_often(
    inputs: tuple[Cutout, ViewSet], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[int] = []
    whole = runner.save_checkpoint

    def save(path: Path, digest: str, state: dict[str, Any]) -> None:
        written.append(state["step"])
        whole(path, digest, state)

    monkeypatch.setattr(runner, "save_checkpoint", save)
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", 1e-6)
    for most, expected in ((10**9, [1, 2, 3, 4]), (1e-9, [1])):
        written.clear()
        monkeypatch.setattr(runner, "CHECKPOINT_BYTES", most)
        reconstruct(None, *inputs, QUICK.model_copy(update={"steps": 4}), 0, checkpoint_path=tmp_path / "run.ckpt")
        assert written == expected


@pytest.mark.parametrize(
    ("weight", "term"),
    [("smooth_weight", "smooth"), ("spread_weight", "spread"), ("emptiness_weight", "emptiness")],
)
def test_a_weight_of_zero_switches_its_term_off(inputs: tuple[Cutout, ViewSet], weight: str, term: str) -> None:
    params = QUICK.model_copy(update={"steps": 2, weight: 0.0})
    losses = reconstruct(None, *inputs, params, 0).info["losses"]
    assert all(term not in entry for entry in losses)


CHILD = """
import sys, pathlib, torch, unittest.mock
sys.path.insert(0, sys.argv[1])
torch.set_num_threads(1)
from core.sjc import runner, stage
from sjc_scenes import scene
unittest.mock.patch.object(runner, "CHECKPOINT_SECONDS", 0.0).start()
from core.sjc.params import ReconstructParams
params = ReconstructParams.model_validate_json(sys.argv[3])
def tell(step, done, total, **figures):
    print(done, flush=True)
stage.reconstruct(None, *scene(), params, 0, checkpoint_path=pathlib.Path(sys.argv[2]), progress=tell)
"""


def test_a_killed_run_continues_to_the_same_bytes(inputs: tuple[Cutout, ViewSet], quick: Field, tmp_path: Path) -> None:
    """kill -9 in the middle of a stage; the checkpoint on disk is whole, and the result that of the unbroken run."""
    path = tmp_path / "run.ckpt"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(path), QUICK.model_dump_json()],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 34:  # in the third of four stages
            child.send_signal(signal.SIGKILL)
            break
    assert child.wait() == -signal.SIGKILL
    assert path.is_file()
    heard: list[int] = []
    continued = reconstruct(
        None, *inputs, QUICK, 0, checkpoint_path=path, progress=lambda step, done, total, **_: heard.append(done)
    )
    assert heard[0] >= 34
    assert continued.to_bytes() == quick.to_bytes()
    assert not path.exists()


def test_a_checkpoint_of_other_inputs_or_in_ruins_is_ignored(inputs: tuple[Cutout, ViewSet], tmp_path: Path) -> None:
    from core.sjc.checkpoint import load_checkpoint, save_checkpoint

    path = tmp_path / "run.ckpt"
    save_checkpoint(path, "mine", {"step": 3})
    assert load_checkpoint(path, "mine") == {"step": 3}
    assert load_checkpoint(path, "other") is None
    path.write_bytes(path.read_bytes()[:100])
    assert load_checkpoint(path, "mine") is None
    assert list(tmp_path.iterdir()) == [path]


def test_views_of_nothing_are_refused_with_a_sentence(inputs: tuple[Cutout, ViewSet]) -> None:
    cutout, views = inputs
    white = ViewSet(np.full_like(views.images, 255), views.cameras, views.condition)
    blank = Cutout(np.zeros_like(cutout.rgba), cutout.source_box, "alpha")
    with pytest.raises(ReconstructionFailed, match="empty"):
        reconstruct(None, blank, white, QUICK, 0)


def test_numbers_that_are_lost_stop_the_run(inputs: tuple[Cutout, ViewSet], monkeypatch: pytest.MonkeyPatch) -> None:
    from core.sjc import fit

    monkeypatch.setattr(fit, "take_step", lambda *a: {"color": float("nan")})
    with pytest.raises(ReconstructionFailed, match="color"):
        reconstruct(None, *inputs, QUICK, 0)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError("can't allocate memory"),
    ],
)
def test_out_of_memory_is_said_at_once_and_other_errors_stay_what_they_are(
    inputs: tuple[Cutout, ViewSet], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from core.sjc import fit

    said: list[str] = []

    def raises(thrown: Exception) -> Any:
        def take_step(*_: Any) -> dict[str, float]:
            said.append("a step")
            raise thrown

        return take_step

    monkeypatch.setattr(fit, "take_step", raises(error))
    with pytest.raises(OutOfMemory):
        reconstruct(None, *inputs, QUICK, 0)
    assert said == ["a step"], "what to give up is the caller's to say"
    monkeypatch.setattr(fit, "take_step", raises(RuntimeError("mat1 and mat2 shapes cannot be multiplied")))
    with pytest.raises(RuntimeError, match="shapes"):
        reconstruct(None, *inputs, QUICK, 0)


def test_an_exact_critic_alone_reconstructs_the_scene(inputs: tuple[Cutout, ViewSet]) -> None:
    """The score steps without any fitted view: a denoiser that knows the scene wishes for its exact picture."""
    from core.sjc import fit
    from core.sjc.prior import Critic
    from core.sjc.views import photo_view, synthesized_views

    size = 24

    def change(images: torch.Tensor, cameras: Any, level: float, generator: torch.Generator) -> torch.Tensor:
        exact = [torch.from_numpy(picture(camera, size, 2)[0]).float().permute(2, 0, 1) for camera in cameras]
        return torch.stack(exact) - images

    params = ReconstructParams(grid=36, steps=60, fit_weight=0, input_weight=0, score_every=1, score_from=0)
    params = params.model_copy(update={"score_cameras": 2, "near_weight": 0.01})
    cutout, view_set = inputs
    views = [photo_view(cutout, view_set.condition), *synthesized_views(view_set)]
    run = fit.start(views, params, 0)
    run.table.data[:, 1:] = 0.5  # no colours are given away
    pixels = fit.pixels_of(views, params)
    stage = fit.open_stage(run, views, pixels, params, 0)
    first = last = 0.0
    for _ in range(40):
        last = fit.take_step(run, stage, pixels, Critic(size, change), params)["score"]
        first = first or last
    assert last < 0.3 * first
