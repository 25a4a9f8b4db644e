"""What Lift-S learns from and how: geometry that agrees with itself, losses, resumption, the visit's dry run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.zero123.lift import Volume, lift_s_config
from core.zero123.lift_s import DEPTH, SIZE, LiftS
from training.families import ADDED, MIX, TWICE, draft
from training.judge import judge
from training.lift_s import Learner, Schedule, along_rays, losses
from training.pace import resume, save
from training.photos import STEPS_A_CELL, Photos, Pool, from_cutout, photograph, to_cutout, varied
from training.renderers import renderer_for

REPOSITORY = Path(__file__).parents[2]
SMALL = lift_s_config(width=48, layers=1, heads=2, registers=2)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def photos() -> Photos:
    drafts = draft(range(6))
    family = torch.tensor([list(MIX).index(name) for name in drafts.names], dtype=torch.int16)
    return photograph(drafts, renderer_for("cpu"), torch.Generator().manual_seed(0), family)


def small() -> LiftS:
    torch.manual_seed(0)
    return LiftS(**SMALL)


def test_thin_families_come_twice_as_often() -> None:
    from training.procedural.generate import FAMILIES

    for name, (_, weight) in FAMILIES.items():
        assert MIX[name][1] == weight * (2 if name in TWICE else 1)
    names = draft(range(400)).names
    thin = sum(name in TWICE or name in ADDED for name in names) / len(names)
    assert 0.4 < thin < 0.65
    assert {name for name in names if name in ADDED} == set(ADDED)


def test_frustum_coordinates_turn_back() -> None:
    at = torch.rand(2, 50, 3) * 2 - 1
    zoom, shift = torch.tensor([1.0, 2.3]), torch.tensor([[0.0, 0.0], [0.1, -0.2]])
    assert (to_cutout(from_cutout(at, zoom, shift), zoom, shift) - at).abs().max() < 1e-5
    # The middle of a cutout that is not shifted lies on the camera's axis, its distance away.
    assert from_cutout(torch.zeros(1, 1, 3), zoom[:1], shift[:1])[0, 0].tolist() == [0, 0, 0]


def test_photos_are_framed_and_their_matter_lies_behind_their_alpha(photos: Photos) -> None:
    alpha = torch.nn.functional.avg_pool2d(photos.image[:, 3:].float() / 255, SIZE // DEPTH)[:, 0] > 0.5
    solid = (photos.near < 0).any(1)
    iou = (alpha & solid).sum((1, 2)) / (alpha | solid).sum((1, 2))
    assert iou.min() > 0.75
    assert iou.mean() > 0.9
    for mask in photos.image[:, 3] > 127:
        rows, columns = (torch.nonzero(mask.any(axis))[:, 0] for axis in (1, 0))
        spans = [int(found[-1] - found[0]) + 1 for found in (rows, columns)]
        middles = [float(found[-1] + found[0] + 1) / 2 for found in (rows, columns)]
        assert max(spans) / SIZE == pytest.approx(200 / 256, rel=0.12)
        assert all(abs(middle - SIZE / 2) < 0.06 * SIZE for middle in middles)


def exact(photos: Photos) -> Volume:
    """The truth as a lift would say it, green all over."""
    near = photos.near.float() / STEPS_A_CELL
    colour = torch.tensor([-9.0, 9.0, -9.0, -9.0]).view(1, 4, 1, 1, 1).expand(len(near), -1, 32, 32, 32)
    return Volume((-8 * near).clamp(-10, 10)[:, None], colour, photos.image[:, :3].float() / 255, photos.elevation)


@pytest.mark.parametrize("change", [False, True])
def test_rays_of_other_cameras_meet_the_matter_of_the_photos_frustum(photos: Photos, change: bool) -> None:
    """Of mirrored photos too: cameras, zooms, shifts and cells are then in one frame."""
    some = varied(photos, torch.Generator().manual_seed(3)) if change else photos
    picked = torch.arange(some.origin.shape[1]).expand(len(some), -1)
    colour, coverage, truth, covered = along_rays(exact(some), some, picked, torch.full(picked.shape, 0.5))
    assert (coverage - covered).abs().mean() < 0.1
    assert ((coverage > 0.5) == (covered > 0.5)).float().mean() > 0.9
    assert (truth - some.colour.float()).abs().max() == 0
    inside = (coverage > 0.95) & (covered > 0.95)
    assert (colour[inside] - torch.tensor([0.0, 1.0, 0.0])).abs().max() < 0.1


def test_a_mirrored_photo_has_the_colours_of_its_rays(photos: Photos) -> None:
    """Permuted alike: of an image and of its rays, the channels' means keep their order."""
    some = varied(photos, torch.Generator().manual_seed(5))
    mask = some.image[:, 3:] > 250
    image = (some.image[:, :3] * mask).sum((2, 3)) / mask.sum((2, 3))
    before = (photos.image[:, :3] * (photos.image[:, 3:] > 250)).sum((2, 3)) / mask.sum((2, 3))
    changed = (image - before).abs().amax(1) > 8
    rays = some.colour.float().mean(1) - photos.colour.float().mean(1)
    assert changed.any()
    assert (rays.abs().amax(1)[changed] > 0.005).all()


def test_losses_are_small_for_the_truth(photos: Photos) -> None:
    class Oracle(torch.nn.Module):
        def forward(self, *_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            volume = exact(photos)
            guess = torch.stack([photos.elevation / 90, torch.full_like(photos.elevation, -4.0)], 1)
            return volume.density, volume.colour, guess

    known, picked = torch.zeros(len(photos)) > 0, torch.arange(128).expand(len(photos), -1)
    jitter = torch.full(picked.shape, 0.5)
    truth = losses(Oracle(), photos, known, picked, jitter)  # type: ignore[arg-type]
    fresh = losses(small(), photos, known, picked, jitter)
    for name in ("matter", "dice", "coverage"):
        assert truth[name] < 0.45 * fresh[name], name
    assert float(truth["elevation"]) == pytest.approx(-4.0)


def test_it_learns_and_goes_on_from_what_was_saved(photos: Photos, tmp_path: Path) -> None:
    pool = Pool(8)
    pool.add(photos)

    def take(learner: Learner, steps: int) -> list[float]:
        found = []
        for _ in range(steps):
            learner.step(lambda generator: pool.draw(4, generator), 0.1)
            found.append(learner.told()["loss"])
        return found

    schedule = Schedule(peak=5e-3, warmup=3)
    straight = Learner(small(), schedule, seed=1)
    first = take(straight, 16)
    assert sum(first[-4:]) < 0.8 * sum(first[:4])
    interrupted = Learner(small(), schedule, seed=1)
    take(interrupted, 8)
    save(interrupted, tmp_path / "lift.pt", 3.5)
    again = Learner(LiftS(**SMALL), schedule, seed=2)
    assert resume(again, tmp_path / "lift.pt") == 3.5
    assert take(again, 8) == first[8:]
    assert resume(again, tmp_path / "nothing.pt") == 0


def test_the_learning_rate_follows_the_clock() -> None:
    schedule = Schedule(peak=1.0, warmup=10, decay=0.5)
    assert [schedule.rate(step, done) for step, done in ((0, 0), (99, 0.2), (99, 0.75), (99, 1.2))] == [0.1, 1, 0.5, 0]


def test_a_full_pool_forgets_the_oldest(photos: Photos) -> None:
    pool = Pool(8)
    pool.add(photos)
    pool.add(photos.map(lambda value: value.flip(0)))
    assert pool.photos is not None
    assert (pool.count, pool.total) == (8, 12)
    expected = torch.cat([photos.elevation.flip(0)[2:], photos.elevation[4:], photos.elevation.flip(0)[:2]])
    assert torch.equal(pool.photos.elevation, expected)


def test_judging_knows_the_truth_from_nothing(photos: Photos) -> None:
    class Oracle(LiftS):
        right = True

        def forward(self, cutout: torch.Tensor, *told: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            at = [int((photos.image.float() / 255 * 2 - 1 - one).abs().sum((1, 2, 3)).argmin()) for one in cutout]
            near = photos.near[at].float() * (1 if self.right else -1)
            return -near[:, None], near, torch.zeros(len(at), 2)

    oracle = Oracle(**SMALL)
    found = judge(oracle, iter([photos]))
    assert found["iou"] == found["iou_thin"] == found["iou_untold"] == 1
    assert found["elevation_error"] == pytest.approx(float(photos.elevation.abs().mean()), abs=1e-3)
    oracle.right = False
    assert judge(oracle, iter([photos]))["iou"] < 0.05


@pytest.mark.slow
def test_the_visits_dry_run_brings_back_what_becomes_a_checkpoint(tmp_path: Path) -> None:
    """Twice, as on a machine that is still warm: the second command goes on where the first ended."""
    from core.zero123 import load_model

    def visit(*arguments: str) -> None:
        command = [sys.executable, "-m", "bench.gpu_visit", *arguments]
        alone = os.environ | {"OMP_NUM_THREADS": "1"}  # threads that wait for each other are slow on a busy machine
        done = subprocess.run(
            command, cwd=REPOSITORY, env=alone, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]

    work = ["--work", str(tmp_path / "work"), "--device", "cpu", "--plan", "2"]
    steps = []
    for number in ("1", "2"):
        visit("--minutes", "1", "--out", str(tmp_path / number), *work)
        steps.append(json.loads((tmp_path / number / "visit.json").read_text())["lift"]["steps"])
    assert steps[1] > steps[0] > 0
    files = list((tmp_path / "2").iterdir())
    assert len(files) <= 8
    assert all(file.stat().st_size <= 16 * 2**20 for file in files)
    visit("--assemble", str(tmp_path / "2"), "--base", "models/starter", "--to", str(tmp_path / "next"))
    model = load_model(tmp_path / "next")
    assert isinstance(model.lift, LiftS)
    assert model.info["lift"]["held_out"]["objects"] == 4
    assert (tmp_path / "next.onnx").stat().st_size > 10**6
