"""The `released` preset: the original's serial loop from its own initialisation, for comparison on the same machine."""

from __future__ import annotations

from collections.abc import Callable
from math import asin, atan2, degrees
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field
from core.cameras import Camera, intrinsics
from core.sjc.field import Voxels, released_voxels, sigma_at
from core.sjc.params import ReconstructParams
from core.sjc.prior import predicted_eps, prior_of
from core.sjc.released import Draw, InputView, Matrix, ReleasedSettings, look_at, released_gradients, render_pose
from core.sjc.score import RELEASED_SLICE, sigma_table

if TYPE_CHECKING:
    import torch

    from core.zero123.model import Zero123

RELEASED_FOV = 49.1
"""Field of view of the released reconstruction, degrees."""

UP = (0.0, 1.0, 0.0)


def camera_at(eye: np.ndarray[Any, np.dtype[np.float64]]) -> Camera:
    """The camera of azimuth, elevation and radius that stands at ``eye (3,)``."""
    radius = float(np.linalg.norm(eye))
    return Camera(degrees(atan2(eye[0], eye[2])), degrees(asin(eye[1] / radius)), radius, RELEASED_FOV)


def training_eye(generator: torch.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A random camera centre: direction of a uniform cube draw, radius U(1.8, 2.2), height in (-0.5, 2.2)."""
    import torch

    while True:
        draw = torch.rand(4, generator=generator, dtype=torch.float64).numpy()
        direction = 2 * draw[:3] - 1
        eye = np.asarray(direction / np.linalg.norm(direction) * (1.8 + 0.4 * draw[3]), np.float64)
        if -0.5 < eye[1] < 2.2:
            return eye


def near_eye(eye: np.ndarray[Any, np.dtype[np.float64]], generator: torch.Generator) -> Matrix:
    """Camera to world ``(4, 4)`` of an eye moved by 0.05 in a random direction, looking at the origin."""
    import torch

    direction = torch.randn(3, generator=generator, dtype=torch.float64).numpy()
    return look_at(eye + 0.05 * direction / np.linalg.norm(direction), UP)


class ReleasedLoop:
    """The state of one run, its step, and the field it ends in. ``params.steps`` steps in all."""

    def __init__(self, model: Zero123, cutout: Cutout, condition: Camera, params: ReconstructParams, seed: int) -> None:
        import torch

        from core.zero123.conditioning import encode_condition, to_pixels

        device, prior = model.device, prior_of(model, cutout, condition)
        self.prior, self.cutout, self.params, self.step = prior, cutout, params, 0
        self.history: list[dict[str, float]] = []
        self.generator = torch.Generator().manual_seed(seed)
        voxels = released_voxels(params.grid, model.latent_channels, self.generator)
        self.voxels = Voxels(*(tensor.to(device).requires_grad_(True) for tensor in voxels.tensors()))
        self.optimiser = torch.optim.Adamax(self.voxels.tensors(), lr=ReleasedSettings().learning_rate)
        white = torch.ones((1, 3, model.image_size, model.image_size), device=device)
        with torch.no_grad():
            self.background = encode_condition(model, white)[0] * model.scaling_factor
        camera = Camera(0.0, prior.photo.camera.elevation, prior.photo.camera.radius, RELEASED_FOV)
        self.view = InputView(camera.camera_to_world(), to_pixels(cutout.rgba, model.image_size).to(device))
        self.k = intrinsics(model.latent_size, model.latent_size, RELEASED_FOV)
        self.table = sigma_table(prior.alphas_cumprod.numpy())
        self.settings = ReleasedSettings(
            guidance=params.released_guidance,
            train_view=params.input_weight > 0,
            smooth_weight=1e4 if params.smooth_weight else 0.0,
            near_weight=1e4 if params.near_weight else 0.0,
            text_emptiness_weight=params.released_emptiness,
        ).at(model.latent_size)

    def take_step(self) -> dict[str, float]:
        """One released iteration: draw, accumulate every term's gradient, Adamax."""
        import torch

        from core.zero123.conditioning import decode

        model = self.prior.model
        eye = training_eye(self.generator)
        usable = range(len(self.table))[RELEASED_SLICE]
        entry = usable[int(torch.randint(len(usable), (), generator=self.generator))]
        noise = torch.randn(self.background.shape, generator=self.generator).to(model.device)
        draw = Draw(look_at(eye, UP), near_eye(eye, self.generator), float(self.table[entry]), noise)
        timestep = len(self.table) - 1 - entry

        def eps(z: torch.Tensor, _: float, __: Matrix) -> torch.Tensor:
            return predicted_eps(self.prior, z, timestep, [camera_at(eye)], self.settings.guidance)

        view_decode: Callable[[torch.Tensor], torch.Tensor] = lambda y: decode(model, y)  # noqa: E731
        self.optimiser.zero_grad(set_to_none=True)
        trace = released_gradients(
            self.voxels,
            draw,
            self.view,
            self.k,
            self.background,
            eps,
            view_decode,
            self.settings,
            self.step,
            self.params.steps,
        )
        self.optimiser.step()
        self.step += 1
        return trace.losses

    def settled(self) -> bool:
        """Never: the original takes all its steps."""
        return False

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on."""
        return {
            "step": self.step,
            "voxels": [tensor.detach() for tensor in self.voxels.tensors()],
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        import torch

        self.step, self.history = state["step"], state["history"]
        with torch.no_grad():
            for tensor, saved in zip(self.voxels.tensors(), state["voxels"], strict=True):
                tensor.copy_(saved)
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])

    def preview(self) -> NDArray[np.uint8]:
        """``(S, S, 3)``: the photo's camera, decoded."""
        import torch

        from core.zero123.conditioning import decode

        with torch.no_grad():
            seen = render_pose(self.voxels, self.k, self.view.pose, self.background.shape[-1], self.background)
            picture = decode(self.prior.model, seen.image[None])[0].permute(1, 2, 0) / 2 + 0.5
        return np.asarray((picture.clamp(0, 1) * 255).round().byte().cpu().numpy())

    def finish(self) -> Field:
        """Matter at the voxel centres, its surface at .5; no colour, for the field renders latents."""
        import torch

        from core.sjc.carve import voxel_centers
        from core.sjc.cutoff import best_cutoff
        from core.sjc.occupancy import outlined
        from core.sjc.views import photo_view

        size, camera = self.params.grid, self.prior.photo.camera
        photo = photo_view(self.cutout, camera)
        with torch.no_grad():
            points = voxel_centers(size, self.voxels.density.device)
            density = sigma_at(self.voxels, points).view(size, size, size).float().cpu()
            cutoff, match = best_cutoff(density, [photo])
            occupied = outlined(density / (density + cutoff), points.cpu(), photo)
        return Field(occupied.numpy(), None, camera, {"isovalue": 0.5, "silhouette_iou": round(match, 5)})
