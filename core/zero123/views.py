"""From a cutout to synthesized views: batched over views and objects, one seed a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, ViewSet
from core.cameras import Camera
from core.errors import CheckpointError
from core.progress import Progress, silent
from core.zero123.conditioning import conditions, cutout_pixels, decode, see, sees_alpha, to_images, to_pixels
from core.zero123.model import Zero123
from core.zero123.params import ViewsParams
from core.zero123.sampling import ddim, seeded_noise, timesteps, view_seed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ViewRequest:
    """One object and the views wanted of it."""

    image: NDArray[np.uint8]
    """``(H, W, 3 or 4)``, square, straight alpha: the photo framed as a cutout."""
    condition: Camera
    """Where the photo was taken from."""
    targets: tuple[Camera, ...]
    seeds: tuple[int, ...]
    """One a target; equal seeds and cameras give equal pictures in whatever company."""


def synthesize(
    model: Zero123, requests: Sequence[ViewRequest], params: ViewsParams, progress: Progress = silent
) -> list[NDArray[np.uint8]]:
    """The views of every request, ``(len(targets), S, S, 3)`` uint8 each, over white.

    All views of all objects share batches of ``params.batch``; every object is embedded once. Raises
    :class:`CheckpointError` where the model gives values that are not finite.
    """
    import torch

    for request in requests:
        if len(request.seeds) != len(request.targets):
            raise ValueError("a request needs one seed for every target")
    with torch.no_grad():
        contexts, concats = _conditions(model, requests)
        seeds = [seed for request in requests for seed in request.seeds]
        visited = timesteps(model.schedule, params.steps, params.spacing)
        images: list[NDArray[np.uint8]] = []
        batches = -(-len(seeds) // params.batch)
        for number, first in enumerate(range(0, len(seeds), params.batch)):
            rows = slice(first, first + params.batch)
            start, noise = seeded_noise(model, seeds[rows])

            def watch(i: int, *_: Tensor, number: int = number) -> None:
                progress("views", number * len(visited) + i + 1, batches * len(visited))

            latents = ddim(
                model,
                start,
                contexts[rows],
                concats[rows],
                visited=visited,
                guidance=params.guidance,
                eta=params.eta,
                noise=noise,
                watch=watch,
            )
            if not bool(latents.isfinite().all()):
                raise CheckpointError(f"The view model {model.name} gave values that are not finite.")
            images.append(to_images(decode(model, latents)))
    everything = np.concatenate(images) if images else np.empty((0, model.image_size, model.image_size, 3), np.uint8)
    ends = np.cumsum([len(request.targets) for request in requests])
    return [everything[end - len(request.targets) : end] for request, end in zip(requests, ends, strict=True)]


def _conditions(model: Zero123, requests: Sequence[ViewRequest]) -> tuple[Tensor, Tensor]:
    """Contexts ``(views, 1, D)`` and concatenated conditions ``(views, channels, s, s)`` of every view."""
    import torch

    told = []
    for request in requests:  # one by one, so that what is told of an object does not depend on its company
        pixels = to_pixels(request.image, model.image_size).to(model.device)
        told.append(conditions(model, see(model, pixels, request.condition, request.image), request.targets))
    return torch.cat([context for context, _ in told]), torch.cat([concat for _, concat in told])


def novel_views(
    model: Zero123,
    cutout: Cutout,
    elevation: float,
    targets: Sequence[Camera | tuple[float, float, float]],
    *,
    params: ViewsParams | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> NDArray[np.uint8]:
    """Pictures ``(len(targets), S, S, 3)`` of the cutout's object from other cameras.

    ``elevation`` is the photo's in degrees; targets are cameras or ``(azimuth, elevation, radius)``, azimuth 0 being
    the photo's, growing counter-clockwise seen from above; the photo stands at radius 2.
    """
    cameras = tuple(item if isinstance(item, Camera) else Camera(*item) for item in targets)
    seeds = tuple(view_seed(seed, i) for i in range(len(cameras)))
    request = ViewRequest(cutout.rgba, Camera(0.0, elevation), cameras, seeds)
    return synthesize(model, [request], params or ViewsParams(), progress)[0]


def ring_cameras(params: ViewsParams) -> tuple[Camera, ...]:
    """The target cameras that the parameters ask for, ring by ring, at the photo's radius."""
    return tuple(
        Camera((ring.start + i * 360 / ring.count) % 360, ring.elevation)
        for ring in params.rings
        for i in range(ring.count)
    )


def make_view_set(
    model: Zero123, cutout: Cutout, params: ViewsParams, seed: int, progress: Progress = silent
) -> ViewSet:
    """The views stage: find the photo's elevation, then synthesize every ring camera.

    ``info`` says where the elevation came from (:func:`photo_elevation`), how sure it is, the weights.
    """
    elevation, found = photo_elevation(model, cutout, params, seed, progress)
    cameras = ring_cameras(params)
    images = novel_views(model, cutout, elevation, cameras, params=params, seed=seed, progress=progress)
    info: dict[str, Any] = {
        "model": model.name,
        "weights": model.info.get("weights", "folder"),
        "seed": seed,
        "elevation": found,
    }
    if params.other_seed:
        again = novel_views(model, cutout, elevation, cameras[::4], params=params, seed=seed + 1, progress=progress)
        info["seed_agreement"] = likeness(images[::4], again)
    return ViewSet(images, cameras, Camera(0.0, elevation), info)


def likeness(views: NDArray[np.uint8], others: NDArray[np.uint8]) -> float:
    """PSNR in dB, at most 40, of two sets of views ``(N, S, S, 3)``, where either is off white."""
    seen = np.minimum(views, others).min(-1) < 247
    error = float(np.mean((views[seen].astype(np.float64) - others[seen]) ** 2)) if seen.any() else 0.0
    return round(min(40.0, 10 * float(np.log10(255**2 / max(error, 1e-6)))), 3)


def photo_elevation(
    model: Zero123, cutout: Cutout, params: ViewsParams, seed: int, progress: Progress = silent
) -> tuple[float, dict[str, Any]]:
    """The photo's elevation in degrees and how it was found: ``given``, ``predicted`` (by Lift-S), ``assumed`` (with
    another lift), or ``estimated``.
    """
    if params.elevation is not None:
        return params.elevation, {"source": "given", "degrees": params.elevation, "confidence": 1.0}
    from core.zero123.elevation import assumed_elevation, estimate_elevation

    if sees_alpha(model.lift):
        from core.zero123.lift_s import predicted_elevation

        degrees, confidence = predicted_elevation(model.lift, cutout_pixels(cutout.rgba).to(model.device))
        return degrees, {"source": "predicted", "degrees": round(degrees, 3), "confidence": round(confidence, 3)}
    if model.lift is not None:
        assumed = assumed_elevation(params.elevation_prior)
        return assumed.degrees, {
            "source": "assumed",
            "degrees": assumed.degrees,
            "confidence": round(assumed.confidence, 3),
        }
    estimate = estimate_elevation(model, cutout, params, seed, progress)
    degrees = round(estimate.degrees, 3)
    return degrees, {"source": "estimated", "degrees": degrees, "confidence": round(estimate.confidence, 3)}


def with_batch(params: ViewsParams, batch: int) -> ViewsParams:
    """The same pictures from smaller batches: the ladder's step down when memory runs out."""
    return params.model_copy(update={"batch": batch})
