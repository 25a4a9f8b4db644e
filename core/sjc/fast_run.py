"""The `fast` preset as a loop: stages of :mod:`core.sjc.fit`, early stop, previews, and the verdict on its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Cutout, Field, ViewSet
from core.cameras import Camera
from core.errors import ReconstructionFailed
from core.photo_set import PhotoSet
from core.sjc import confidence, fit
from core.sjc.cutoff import best_cutoff
from core.sjc.fused import SHARE, fused_occupancy, lifts
from core.sjc.occupancy import averaged, lifted_occupancy
from core.sjc.params import ReconstructParams
from core.sjc.prior import critic_of, prior_of
from core.sjc.views import photo_view, synthesized_views, to_device

if TYPE_CHECKING:
    from core.zero123.model import Zero123

PREVIEW_SIZE = 64
"""Pixels along one side of each of a preview's two pictures."""

WINDOW = 20
"""Steps of the two windows that early stop compares."""


class FastLoop:
    """The state of one run, its step, and the field it ends in."""

    def __init__(
        self,
        model: Zero123 | None,
        cutout: Cutout,
        view_set: ViewSet,
        params: ReconstructParams,
        seed: int,
        photos: PhotoSet | None = None,
    ) -> None:
        import torch

        self.params, self.seed, self.camera = params, seed, view_set.condition
        self.device = torch.device("cpu") if model is None else model.device
        further = () if photos is None else photos.photos[1:]
        pictures = (
            photo_view(cutout, view_set.condition),
            *(photo_view(photo.framed(), photo.camera) for photo in further),
            *synthesized_views(view_set),
        )
        self.views = [to_device(view, self.device) for view in pictures]
        self.critic, self.volume, self.fused = None, None, None
        if model is not None and photos is not None and model.lift is not None and params.matter_share:
            self.fused = (model, photos)
        elif model is not None:
            prior = prior_of(model, cutout, view_set.condition)
            self.critic = critic_of(prior, params.guidance) if params.score_weight else None
            self.volume = prior.photo.volume if params.matter_share else None
        self.pixels = fit.pixels_of(self.views, params)
        self.run: fit.Run | None = None  # carving waits until it is known that nothing is restored
        self.stage: fit.Stage | None = None

    @property
    def step(self) -> int:
        return self.run.step if self.run else 0

    @property
    def history(self) -> list[dict[str, float]]:
        return self._open()[0].history

    def _open(self) -> tuple[fit.Run, fit.Stage]:
        """The run and its stage, begun where there is none."""
        if self.run is None:
            self.run = fit.start(self.views, self.params, self.seed)
        if self.stage is None:
            self.stage = fit.open_stage(self.run, self.views, self.pixels, self.params, self.seed)
        return self.run, self.stage

    def take_step(self) -> dict[str, float]:
        """One fused update, on the next stage's grid where it is time for it."""
        run, stage = self._open()
        wanted = fit.stage_of(run.step, self.params.steps)
        if wanted != run.stage:
            fit.next_level(run, self.views, self.params, wanted)
            self.stage = None
            run, stage = self._open()
        if not len(run.table):
            raise ReconstructionFailed("The reconstruction is empty: the views leave no room for the object.")
        return fit.take_step(run, stage, self.pixels, self.critic, self.params)

    def settled(self) -> bool:
        """True when, late on the finest grid, two windows of steps hardly differ in colours and silhouettes."""
        if not self.params.early_stop or self.step < max(0.8 * self.params.steps, 2 * WINDOW):
            return False
        terms = [h.get("color", 0) + h.get("silhouette", 0) for h in self.history[-2 * WINDOW :]]
        before, after = sum(terms[:WINDOW]), sum(terms[WINDOW:])
        return before > 0 and abs(before - after) < 0.01 * before

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on."""
        run, _ = self._open()
        return {
            "step": run.step,
            "stage": run.stage,
            "dissent": run.outliers,
            "occupied": run.occupied,
            "table": run.table.detach(),
            "moments": [run.moments.first, run.moments.second, run.moments.count],
            "generator": run.generator.get_state(),
            "history": run.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state`."""
        import torch

        first, second, count = state["moments"]
        generator = torch.Generator()
        generator.set_state(state["generator"])
        self.run = fit.Run(
            state["step"],
            state["stage"],
            state["dissent"],
            state["occupied"].to(self.device),
            state["table"].to(self.device).requires_grad_(True),
            fit.Moments(first.to(self.device), second.to(self.device), count),
            generator,
            state["history"],
        )
        self.stage = None

    def preview(self) -> NDArray[np.uint8]:
        """``(S, 2S, 3)``: the photo's camera, and one a quarter turn beside it."""
        import torch

        run, stage = self._open()
        still = torch.full((PREVIEW_SIZE**2,), 0.5, device=self.device)
        pictures = []
        with torch.no_grad():
            for turn in (0, 90):
                camera = Camera(turn, self.camera.elevation, self.camera.radius, self.camera.fov)
                seen = fit.look(run, stage.space, camera, PREVIEW_SIZE, still)
                pictures.append(seen.color.view(PREVIEW_SIZE, PREVIEW_SIZE, 3).clamp(0, 1))
        return np.asarray((torch.cat(pictures, 1) * 255).round().byte().cpu().numpy())

    def finish(self) -> Field:
        """The field as a value. Raises :class:`ReconstructionFailed` where it is broken, empty or full."""
        import torch

        run, stage = self._open()
        with torch.no_grad():
            sigma = fit.sigma_grid(run)
            if not bool(torch.isfinite(sigma).all()):
                raise ReconstructionFailed("The reconstruction's density is not finite.")
            sigma = torch.where(fit.hidden_space(run, stage, self.pixels), fit.SOLID, sigma).clamp(max=fit.SOLID)
            judges = [view for i, view in enumerate(self.views) if view.trusted or i % 4 == 1]
            weights = [4.0 if view.trusted else 1.0 for view in judges]
            isovalue, match = best_cutoff(sigma.cpu(), [to_device(view, "cpu") for view in judges], weights)
            painter = "fit" if self.volume is None and self.fused is None else "lift"
            sure: dict[str, float] = {}
            if self.fused is not None:
                model, photos = self.fused
                volumes = lifts(model, photos)
                sure = confidence.of_several(volumes, photos)
                occupied, color, asked = fused_occupancy(volumes, photos, sigma.shape[-1])
                both, alone = (averaged(sigma, isovalue, occupied, share) for share in (SHARE, 1.0))
                sigma, isovalue = torch.where(asked, both, alone), 0.5  # the fit fills what no camera sees
            elif self.volume is None:
                color = fit.dense(run)[1:].permute(1, 2, 3, 0)
            else:
                # The fit's colours belong to its own surface; a voxel inside of it they are whatever was left there.
                sure = confidence.of_one(self.volume, self.views[0])
                occupied, color = lifted_occupancy(self.volume, self.views[0], sigma.shape[-1])
                sigma, isovalue = averaged(sigma, isovalue, occupied, self.params.matter_share), 0.5
            solid = sigma > isovalue
            if float(solid.float().mean()) > 0.6:
                raise ReconstructionFailed("The reconstruction fills its box: the density exploded.")
            if int(solid.sum()) < 8:
                raise ReconstructionFailed("The reconstruction is empty: hardly a voxel became solid.")
        return Field(
            np.ascontiguousarray(sigma.cpu().numpy(), np.float32),
            np.ascontiguousarray(color.clamp(0, 1).cpu().numpy(), np.float32),
            self.camera,
            {
                "isovalue": isovalue,
                "color_from": painter,
                "silhouette_iou": round(match, 5),
                "dissent": run.outliers,
                "score_samples": self.params.score_cameras * sum("score" in terms for terms in run.history),
            }
            | ({"confidence": sure} if sure else {}),
        )
