"""View set to field: the stage's one public function, with its checkpoints, early stop, ladder and verdict."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.artifacts import Cutout, Field, ViewSet
from core.errors import OutOfMemory, ReconstructionFailed
from core.progress import Progress, silent
from core.sjc.params import ReconstructParams

if TYPE_CHECKING:
    import torch

    from core.sjc.evidence import View
    from core.sjc.fit import Pixels, Run, Stage
    from core.zero123.model import Zero123

CHECKPOINT_SECONDS = 3.0
"""Wall-clock seconds between two checkpoints."""


def reconstruct(
    model: Zero123 | None,
    cutout: Cutout,
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
    *,
    checkpoint_path: Path | None = None,
    progress: Progress = silent,
) -> Field:
    """Reconstruct a voxel field from a photo's cutout and its synthesized views.

    ``model`` gives the score; None fits the views alone. With ``checkpoint_path`` the run survives being killed: the
    same call continues it and returns what the unbroken run would have returned (CPU, same machine). ``info`` of the
    field holds ``isovalue`` (where the surface lies), the losses and the settings; no timings: equal inputs give
    equal bytes.

    Raises :class:`ReconstructionFailed` where the field is not finite, empty or fills its box, and
    :class:`OutOfMemory` where the smallest step of the ladder does not fit.
    """
    attempt = params
    while True:
        try:
            run = _released if params.preset == "released" else _fit
            return run(model, cutout, view_set, attempt, seed, checkpoint_path, progress)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
        smaller = _step_down(attempt)
        if smaller is None:
            raise OutOfMemory("The reconstruction does not fit into memory even at its smallest setting.")
        progress("reconstruct", 0, params.steps, smaller_after_out_of_memory=smaller.model_dump(mode="json"))
        attempt = smaller


def _step_down(params: ReconstructParams) -> ReconstructParams | None:
    """The next smaller setting: fewer cameras a step, then fewer rays, then a coarser grid; None at the end."""
    if params.score_cameras > 1:
        return params.model_copy(update={"score_cameras": params.score_cameras // 2})
    if params.rays > 1024:
        return params.model_copy(update={"rays": params.rays // 2})
    if params.grid > 48:
        return params.model_copy(update={"grid": params.grid * 2 // 3})
    return None


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _fingerprint(model: Zero123 | None, cutout: Cutout, view_set: ViewSet, params: ReconstructParams, seed: int) -> str:
    """What a checkpoint belongs to: every input of the run."""
    digest = hashlib.sha256(json.dumps(params.model_dump(mode="json"), sort_keys=True).encode())
    digest.update(f"{seed} {None if model is None else (model.name, sorted(model.info.items()))}".encode())
    digest.update(cutout.rgba.tobytes() + view_set.images.tobytes())
    digest.update(repr((view_set.cameras, view_set.condition)).encode())
    return digest.hexdigest()


def _fit(
    model: Zero123 | None,
    cutout: Cutout,
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
    checkpoint_path: Path | None,
    progress: Progress,
) -> Field:
    import torch

    from core.sjc import fit
    from core.sjc.checkpoint import load_checkpoint, save_checkpoint
    from core.sjc.evidence import photo_view, synthesized_views, to_device
    from core.sjc.prior import critic_of, prior_of

    device = torch.device("cpu") if model is None else model.device
    views = [to_device(v, device) for v in (photo_view(cutout, view_set.condition), *synthesized_views(view_set))]
    critic = None
    if model is not None and params.score_weight:
        critic = critic_of(prior_of(model, cutout, view_set.condition), params.guidance)
    mark = _fingerprint(model, cutout, view_set, params, seed)
    saved = load_checkpoint(checkpoint_path, mark) if checkpoint_path else None
    run = fit.start(views, params, seed) if saved is None else _restored(saved, device)
    pixels = fit.pixels_of(views, params)
    stage = fit.open_stage(run, views, pixels, params, seed)
    last_saved = time.monotonic()
    settled = False
    while run.step < params.steps and not settled:
        wanted = fit.stage_of(run.step, params.steps)
        if wanted != run.stage:
            fit.advance(run, views, params, wanted)
            stage = fit.open_stage(run, views, pixels, params, seed)
        if not len(run.table):
            raise ReconstructionFailed("The reconstruction is empty: the views leave no room for the object.")
        terms = fit.take_step(run, stage, pixels, critic, params)
        _check_finite(terms, run.step)
        run.history.append(terms)
        settled = params.early_stop and _settled(run, params)
        progress("reconstruct", run.step, params.steps, **terms)
        if checkpoint_path and time.monotonic() - last_saved > CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint_path, mark, _state(run))
            last_saved = time.monotonic()
    result = _finished(run, stage, pixels, views, view_set, params, seed)
    if checkpoint_path:
        checkpoint_path.unlink(missing_ok=True)
    return result


def _released(
    model: Zero123 | None,
    cutout: Cutout,
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
    checkpoint_path: Path | None,
    progress: Progress,
) -> Field:
    from core.sjc.checkpoint import load_checkpoint, save_checkpoint
    from core.sjc.cutoff import choose_cutoff
    from core.sjc.prior import prior_of
    from core.sjc.released_run import ReleasedLoop

    if model is None:
        raise ReconstructionFailed("The released preset reconstructs from the model alone, and no model was given.")
    loop = ReleasedLoop(prior_of(model, cutout, view_set.condition), cutout, params, seed)
    mark = _fingerprint(model, cutout, view_set, params, seed)
    saved = load_checkpoint(checkpoint_path, mark) if checkpoint_path else None
    if saved is not None:
        loop.restore(saved)
    last_saved = time.monotonic()
    while loop.step < params.steps:
        terms = loop.take_step()
        _check_finite(terms, loop.step)
        progress("reconstruct", loop.step, params.steps, **terms)
        if checkpoint_path and time.monotonic() - last_saved > CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint_path, mark, loop.state())
            last_saved = time.monotonic()
    result = loop.field(_info(params, loop.step, seed, loop.history))
    result.info["isovalue"] = choose_cutoff(result, cutout)
    if checkpoint_path:
        checkpoint_path.unlink(missing_ok=True)
    return result


def _info(params: ReconstructParams, steps: int, seed: int, history: list[dict[str, float]]) -> dict[str, Any]:
    """The record that stays with the asset."""
    return {
        "preset": params.preset,
        "steps": steps,
        "seed": seed,
        "parameters": params.model_dump(mode="json"),
        "losses": _thinned(history),
    }


def _state(run: Run) -> dict[str, Any]:
    return {
        "step": run.step,
        "stage": run.stage,
        "occupied": run.occupied,
        "table": run.table.detach(),
        "moments": [run.moments.first, run.moments.second, run.moments.count],
        "generator": run.generator.get_state(),
        "history": run.history,
    }


def _restored(saved: dict[str, Any], device: torch.device) -> Run:
    import torch

    from core.sjc.fit import Moments, Run

    table = saved["table"].to(device).requires_grad_(True)
    first, second, count = saved["moments"]
    moments = Moments(first.to(device), second.to(device), count)
    generator = torch.Generator()
    generator.set_state(saved["generator"])
    occupied = saved["occupied"].to(device)
    return Run(saved["step"], saved["stage"], occupied, table, moments, generator, saved["history"])


def _check_finite(terms: dict[str, float], step: int) -> None:
    broken = [name for name, value in terms.items() if not np.isfinite(value)]
    if broken:
        raise ReconstructionFailed(f"The reconstruction lost its numbers at step {step}: {', '.join(broken)}.")


def _settled(run: Run, params: ReconstructParams, window: int = 20) -> bool:
    """True when, on the finest grid, two windows of steps hardly differ in colour and silhouette."""
    if run.step < 0.8 * params.steps or len(run.history) < 2 * window:
        return False
    sums = [sum(h.get("color", 0) + h.get("silhouette", 0) for h in part) for part in _windows(run.history, window)]
    return sums[0] > 0 and abs(sums[0] - sums[1]) < 0.01 * sums[0]


def _windows(history: list[dict[str, float]], window: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    return history[-2 * window : -window], history[-window:]


def _finished(
    run: Run,
    stage: Stage,
    pixels: Pixels,
    views: list[View],
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
) -> Field:
    """The field as a value, judged."""
    import torch

    from core.sjc.cutoff import best_cutoff
    from core.sjc.evidence import to_device
    from core.sjc.fit import SOLID, dense, hidden_space, sigma_grid

    with torch.no_grad():
        sigma = sigma_grid(run)
        if not bool(torch.isfinite(sigma).all()):
            raise ReconstructionFailed("The reconstruction's density is not finite.")
        sigma = torch.where(hidden_space(run, stage, pixels), SOLID, sigma).clamp(max=SOLID)
        judges = [view for i, view in enumerate(views) if view.trusted or i % 4 == 1]
        weights = [4.0 if view.trusted else 1.0 for view in judges]
        isovalue, match = best_cutoff(sigma.cpu(), [to_device(view, "cpu") for view in judges], weights)
        solid = sigma > isovalue
        if float(solid.float().mean()) > 0.6:
            raise ReconstructionFailed("The reconstruction fills its box: the density exploded.")
        if int(solid.sum()) < 8:
            raise ReconstructionFailed("The reconstruction is empty: hardly a voxel became solid.")
        color = dense(run)[1:].permute(1, 2, 3, 0).clamp(0, 1)
    info = _info(params, run.step, seed, run.history) | {"isovalue": isovalue, "silhouette_iou": round(match, 5)}
    return Field(
        np.ascontiguousarray(sigma.cpu().numpy(), np.float32),
        np.ascontiguousarray(color.cpu().numpy(), np.float32),
        view_set.condition,
        info,
    )


def _thinned(history: list[dict[str, float]], most: int = 50) -> list[dict[str, float]]:
    """At most ``most`` entries, evenly spaced, rounded: the record that stays with the asset."""
    every = max(1, len(history) // most)
    return [{"step": i} | {k: round(v, 6) for k, v in history[i].items()} for i in range(0, len(history), every)]
