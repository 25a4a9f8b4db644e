"""One frame for photos that were each cropped on their own: every ray of a silhouette must meet all the others.

The product touches every ray of every photo's silhouette, and lies inside all silhouettes. So along a ray of one photo
there must be a point inside the others: how far the best point of each ray lies outside them is what a wrong zoom or
shift leaves over. Equal heights would be wrong by up to half; this is right within some per cent, for one second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.artifacts import Cutout
from core.cameras import Camera
from core.photo_set import Place
from core.placing.outlines import Outline, Placed, depth_in_others, outline_of, rim_points

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 0.9
"""Where the farthest edge of any product may lie in the common frame; beyond it, all are shown smaller."""

ZOOM_SPREAD, SHIFT_SPREAD = 0.5, 0.3
"""Standard deviations of the logarithm of a zoom and of a shift: shifts are what one axis of depth is free in."""

PRIOR = 1e-3
"""Weight of those spreads against the mean miss."""

BROAD = 20.0
"""Weight of the squared miss beside the plain one: far rays pull harder, near ones are not all that count."""


@dataclass(frozen=True)
class Round:
    """One run of the optimiser."""

    steps: int
    rim: int
    samples: int
    rate: float


ROUNDS = (Round(120, 64, 24, 0.04), Round(120, 160, 48, 0.01))


def common_frame(cutouts: Sequence[Cutout], cameras: Sequence[Camera], rounds: Sequence[Round] = ROUNDS) -> list[Place]:
    """Places of photos whose cameras are known, the main one first. Its frame stays unless another would not fit in.

    Raises ValueError for an empty cutout.
    """
    import torch

    unplaced = [Place(camera) for camera in cameras]
    if len(cutouts) < 2:
        return unplaced
    start = placed_photos(unplaced)
    state = torch.cat([_height_guess(cutouts), torch.zeros(len(cutouts) - 1, 2)], 1)
    spread = torch.tensor([ZOOM_SPREAD, SHIFT_SPREAD, SHIFT_SPREAD])
    for number in rounds:
        outlines = [outline_of(cutout.rgba[..., 3], number.rim) for cutout in cutouts]
        state = settled(state, lambda found: _placed(found, start), spread, outlines, number)
    with torch.no_grad():
        placed = _placed(state, start)
        left = misses(outlines, placed, rounds[-1].samples)
        return _fitting(cameras, placed, left.square().mean(1).sqrt())


def misses(outlines: list[Outline], placed: Placed, samples: int) -> Tensor:
    """How far the best point of every rim's ray lies outside the others' outlines, ``(K, N)``, in halves of the
    frame's side. Differentiable."""
    best = depth_in_others(rim_points(outlines, placed, samples), outlines, placed).amin(0).amax(-1)
    return (-best).clamp(min=0)


def _height_guess(cutouts: Sequence[Cutout]) -> Tensor:
    """Logarithms of zooms ``(K - 1, 1)`` that show all products equally tall: where the search begins."""
    import torch

    from core.segment.framing import bounding_box

    tall = []
    for cutout in cutouts:
        _, top, _, bottom = bounding_box(cutout.rgba[..., 3] > 127)
        tall.append(float(bottom - top))
    return torch.tensor([[value / tall[0]] for value in tall[1:]]).log()


def placed_photos(places: Sequence[Place]) -> Placed:
    """Places as :class:`core.placing.outlines.Placed`."""
    import torch

    from core.zero123.lift import camera_axes

    def column(name: str) -> Tensor:
        return torch.tensor([getattr(place.camera, name) for place in places], dtype=torch.float32)

    return Placed(
        camera_axes(column("azimuth"), column("elevation")),
        column("radius"),
        tuple(place.camera.fov for place in places),
        torch.tensor([place.zoom for place in places], dtype=torch.float32),
        torch.tensor([place.shift for place in places], dtype=torch.float32),
    )


def _placed(state: Tensor, start: Placed) -> Placed:
    """``state (K - 1, 3)``: logarithm of the zoom and shift of every photo but the main one."""
    import torch

    full = torch.cat([state.new_zeros(1, 3), state])
    return replace(start, zoom=full[:, 0].exp(), shift=full[:, 1:])


def settled(
    state: Tensor, placed: Callable[[Tensor], Placed], spread: Tensor, outlines: list[Outline], run: Round
) -> Tensor:
    """The state with the smallest misses of what is ``placed`` by it: Adam, its rate falling to nothing over the second
    half. ``spread`` are the standard deviations of its columns."""
    import torch

    state = state.clone().requires_grad_(True)
    first, second = torch.zeros_like(state), torch.zeros_like(state)
    for step in range(run.steps):
        miss = misses(outlines, placed(state), run.samples)
        loss = miss.mean() + BROAD * miss.square().mean() + PRIOR * (state / spread).square().sum()
        (gradient,) = torch.autograd.grad(loss, state)
        with torch.no_grad():
            first.lerp_(gradient, 0.1)
            second.lerp_(gradient.square(), 0.05)
            move = first / (1 - 0.9 ** (step + 1)) / ((second / (1 - 0.95 ** (step + 1))).sqrt() + 1e-6)
            state -= run.rate * min(1.0, 2 - 2 * step / run.steps) * move
    return state.detach()


def _fitting(cameras: Sequence[Camera], placed: Placed, slack: Tensor) -> list[Place]:
    """Places in which every product lies within :data:`LARGEST` of the common frame."""
    from core.segment.framing import FILL

    reach = (FILL / placed.zoom[:, None] + placed.shift.abs()).amax(1)
    smaller = max(1.0, float(reach.max()) / LARGEST)
    return [
        Place(
            camera,
            float(placed.zoom[i]) * smaller,
            (float(placed.shift[i, 0]) / smaller, float(placed.shift[i, 1]) / smaller),
            float(slack[i]) / smaller,
        )
        for i, camera in enumerate(cameras)
    ]
