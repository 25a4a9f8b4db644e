"""View set to field: the stage's one public function, with its record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Cutout, Field, ViewSet
from core.errors import OutOfMemory, ReconstructionFailed
from core.memory import is_out_of_memory
from core.photo_set import PhotoSet
from core.progress import Progress, no_progress
from core.sjc.params import ReconstructParams
from core.sjc.runner import Loop, run_to_end, thinned

if TYPE_CHECKING:
    from core.zero123.model import Zero123


def reconstruct(
    model: Zero123 | None,
    cutout: Cutout,
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
    *,
    checkpoint_path: Path | None = None,
    progress: Progress = no_progress,
    photos: PhotoSet | None = None,
) -> Field:
    """Reconstruct a voxel field from a photo's cutout and its synthesized views.

    With ``photos`` the cutout and the views stand in their common frame, and all of them are input views. Weights with
    a lift also fuse what it makes of each (:mod:`core.sjc.fused`), in place of the score.

    ``model`` gives the score; None fits the views alone. With ``checkpoint_path`` the run survives being killed: the
    same call continues it and returns what the unbroken run would have returned (CPU, same machine). ``info`` of the
    field holds ``isovalue`` (where the surface lies), the losses and the settings; no timings: equal inputs give
    equal bytes.

    Raises :class:`ReconstructionFailed` where the field is not finite, empty or fills its box, and
    :class:`OutOfMemory` where it does not fit: whoever calls decides what to give up.
    """
    try:
        steps = shortened(params.steps) if photos is not None and params.preset == "fast" else params.steps
        own = params.model_copy(update={"steps": steps})
        loop = _loop(model, cutout, view_set, own, seed, photos)
        mark = inputs_digest(model, cutout, view_set, own, seed, photos)
        field = run_to_end(loop, steps, mark, checkpoint_path, progress)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory("There was not enough memory for the reconstruction.") from error
    field.info.update(
        preset=params.preset,
        steps=loop.step,
        seed=seed,
        parameters=params.model_dump(mode="json"),
        losses=thinned(loop.history),
    )
    return field


def shortened(steps: int) -> int:
    """Steps with several photos: they agree sooner than synthesized views, and the fused lifts say the rest."""
    return max(1, round(0.6 * steps))


def _loop(
    model: Zero123 | None,
    cutout: Cutout,
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
    photos: PhotoSet | None,
) -> Loop:
    if params.preset == "fast":
        from core.sjc.fast_run import FastLoop

        return FastLoop(model, cutout, view_set, params, seed, photos)
    from core.sjc.released_run import ReleasedLoop

    if model is None:
        raise ReconstructionFailed("The released preset reconstructs from the model alone, and no model was given.")
    return ReleasedLoop(model, cutout, view_set.condition, params, seed)


def inputs_digest(
    model: Zero123 | None,
    cutout: Cutout,
    view_set: ViewSet,
    params: ReconstructParams,
    seed: int,
    photos: PhotoSet | None,
) -> str:
    """What a checkpoint belongs to: every input of the run."""
    digest = hashlib.sha256(json.dumps(params.model_dump(mode="json"), sort_keys=True).encode())
    digest.update(f"{seed} {None if model is None else (model.name, sorted(model.info.items()))}".encode())
    digest.update(cutout.rgba.tobytes() + view_set.images.tobytes())
    digest.update(repr((view_set.cameras, view_set.condition)).encode())
    if photos is not None:
        digest.update(photos.to_bytes())
    return digest.hexdigest()
