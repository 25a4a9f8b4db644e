"""Views of one or several objects in shared batches, one seed a view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.cameras import Camera
from core.errors import CheckpointError
from core.progress import Progress, no_progress
from core.zero123.conditioning import conditions, decode, encode_photo, to_images, to_pixels
from core.zero123.model import Zero123
from core.zero123.params import ViewsParams
from core.zero123.sampling import ddim, seeded_noise, timesteps

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
    model: Zero123, requests: Sequence[ViewRequest], params: ViewsParams, progress: Progress = no_progress
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
        told.append(conditions(model, encode_photo(model, pixels, request.condition, request.image), request.targets))
    return torch.cat([context for context, _ in told]), torch.cat([concat for _, concat in told])
