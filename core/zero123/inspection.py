"""What a checkpoint is, and whether it works: for `meshmill models add` and `meshmill models verify`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cameras import Camera
from core.errors import CheckpointError
from core.zero123.checkpoints import load_model
from core.zero123.model import PoseEntry, Zero123
from core.zero123.weights import PICKLES, file_sha256

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CheckpointReport:
    """A checkpoint in figures."""

    name: str
    kind: str
    """``original`` (one file, released key names) or a folder: ``cc_projection``, ``clip_camera_projection``."""
    sha256: dict[str, str]
    """Of every weight and configuration file, by its path in the folder."""
    bytes: int
    parameters: dict[str, int]
    """By part: ``unet``, ``vae``, ``image_encoder``, ``cc_projection``, and ``lift`` where there is one."""
    image_size: int
    latent_channels: int
    prediction: str
    pose_entry: PoseEntry
    weights: str
    """``ema`` or ``raw`` for original files; a folder holds one set."""
    checks: dict[str, Any] = field(default_factory=dict)
    """What :func:`verify_checkpoint` measured."""


def verify_checkpoint(path: str | Path, device: str = "cpu") -> CheckpointReport:
    """Load a checkpoint, look at every value, and run one guided step and the autoencoder.

    Raises :class:`CheckpointError` where a value is not finite or a part's output is not.
    """
    model = load_model(path, device)
    for name, part in model.parts.items():
        for key, tensor in part.state_dict().items():
            if not bool(tensor.isfinite().all()):
                raise CheckpointError(f"{Path(path).name}: '{name}.{key}' holds values that are not finite.")
    return _describe(model, Path(path), _try_out(model))


def _describe(model: Zero123, path: Path, checks: dict[str, Any]) -> CheckpointReport:
    files = weight_files(path)
    root = path if path.is_dir() else path.parent
    return CheckpointReport(
        name=model.name,
        kind=str(model.info.get("layout", "cc_projection")),
        sha256={file.relative_to(root).as_posix(): file_sha256(file) for file in files},
        bytes=sum(file.stat().st_size for file in files),
        parameters={name: sum(p.numel() for p in part.parameters()) for name, part in model.parts.items()},
        image_size=model.image_size,
        latent_channels=model.latent_channels,
        prediction=model.schedule.prediction,
        pose_entry=model.pose_entry,
        weights=str(model.info.get("weights", "folder")),
        checks=checks,
    )


def weight_files(path: Path) -> list[Path]:
    """The files that make up a checkpoint, sorted: weights and configuration, nothing else."""
    if path.is_file():
        return [path]
    endings = (*PICKLES, ".safetensors", ".json")
    return sorted(file for file in path.rglob("*") if file.is_file() and file.suffix in endings)


def _try_out(model: Zero123) -> dict[str, Any]:
    """One guided step of one view of a grey picture; everything that comes out must be finite."""
    import torch

    from core.zero123.conditioning import conditions, decode, encode_photo
    from core.zero123.sampling import ddim, seeded_noise

    image = torch.zeros(1, 3, model.image_size, model.image_size, device=model.device)
    results: dict[str, Tensor] = {}
    with torch.no_grad():
        photo = encode_photo(model, image, Camera(0.0, 0.0))
        results["image_encoder"], results["vae encoder"] = photo.clip, photo.latent
        results["cc_projection"], concat = conditions(model, photo, [Camera(90.0, 0.0)])
        if model.lift is not None:
            results["lift"] = concat
        start, _ = seeded_noise(model, [0])
        visited = [model.schedule.timesteps // 2]
        results["unet"] = ddim(model, start, results["cc_projection"], concat, visited=visited, guidance=3.0)
        results["vae decoder"] = decode(model, results["unet"])
    for name, value in results.items():
        if not bool(value.isfinite().all()):
            raise CheckpointError(f"The {name} of this checkpoint gives values that are not finite.")
    return {"finite": True, "one_guided_step": round(float(results["unet"].std()), 4)}
