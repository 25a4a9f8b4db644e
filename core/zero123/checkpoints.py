"""Checkpoints as folders: load what the public ports publish, save the one layout that this project writes.

A folder holds ``model_index.json``, ``unet/``, ``vae/``, ``image_encoder/``, ``scheduler/`` and the projection, which
public folders call ``cc_projection/`` (key ``projection.*``) or ``clip_camera_projection/`` (key ``proj.*``).
Original single files (``.ckpt``, ``.safetensors``) are converted by :mod:`core.zero123.ldm`.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from core.errors import CheckpointError
from core.zero123.attention import use_single_token_shortcut
from core.zero123.lift import LIFT_S, lift_s_config
from core.zero123.model import (
    POSE_SIZE,
    PoseEntry,
    Prediction,
    Schedule,
    Zero123,
    Zero123Config,
    assemble,
    config_of,
    empty_parts,
)
from core.zero123.weights import (
    PICKLES,
    fill,
    materialise_positions,
    plain_name,
    read_json,
    read_part,
    write_json,
    write_part,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DIFFUSERS_STEMS = ("diffusion_pytorch_model",)
STEMS = {
    "unet": DIFFUSERS_STEMS,
    "vae": DIFFUSERS_STEMS,
    "cc_projection": DIFFUSERS_STEMS,
    "lift": DIFFUSERS_STEMS,
    "image_encoder": ("model", "pytorch_model"),
}
"""File names without ending, per part."""

CLASSES = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "image_encoder": ("transformers", "CLIPVisionModelWithProjection"),
    "cc_projection": ("pipeline_zero1to3", "CCProjection"),
    "lift": ("diffusers", "UNet2DModel"),
    "scheduler": ("diffusers", "DDIMScheduler"),
}
"""What ``model_index.json`` says. Only compared, never imported."""

VISION_KEYS = (
    "hidden_size",
    "intermediate_size",
    "projection_dim",
    "num_hidden_layers",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
    "hidden_act",
    "layer_norm_eps",
)

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?")
"""``owner/name`` or ``owner/name@revision``."""

PROJECTIONS = ("cc_projection", "clip_camera_projection")


def load_model(
    path: str | Path,
    device: str = "cpu",
    *,
    dtype: torch.dtype | None = None,
    pose_entry: PoseEntry | None = None,
) -> Zero123:
    """The model in a folder, an original file (``.ckpt``, ``.safetensors``), or a hub id that has been downloaded.

    ``dtype`` is the U-Net's precision (default float32; files in half precision are widened), the other parts stay
    float32. The exact short cut of cross-attention is on. ``pose_entry`` overrides what the fourth pose entry means,
    for public Stable-Zero123 folders, which do not say. Raises :class:`CheckpointError`.
    """
    hub_id = str(path)
    path = Path(path)
    if not path.exists() and HUB_ID.fullmatch(hub_id):
        path = downloaded_folder(hub_id)
    if path.is_dir():
        model = _load_folder(path, pose_entry)
    elif path.suffix in (*PICKLES, ".safetensors"):
        from core.zero123.ldm import load_original

        model = load_original(path, pose_entry=pose_entry)
    else:
        raise CheckpointError(f"There is no checkpoint at {path.name}: expected a folder or a weight file.")
    use_single_token_shortcut(model)
    return model.to(device, dtype)


def downloaded_folder(hub_id: str) -> Path:
    """The folder of ``owner/name[@revision]`` in this machine's Hugging Face cache; nothing is downloaded here."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name, _, revision = hub_id.partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, local_files_only=True))
    except (LocalEntryNotFoundError, OSError, ValueError) as error:
        raise CheckpointError(
            f"'{hub_id}' is neither a path nor a downloaded model: run `hf download {name}` where there is a network."
        ) from error


def _load_folder(folder: Path, pose_entry: PoseEntry | None) -> Zero123:
    import torch

    config, projection_folder = read_config(folder)
    with torch.device("meta"):
        parts = empty_parts(config)
    for name, part in parts.items():
        part_folder = folder / (projection_folder if name == "cc_projection" else name)
        tensors, files = read_part(part_folder, STEMS[name])
        fill(part, _plain_keys(name, tensors), f"{part_folder.name}/{files[0].name}", torch.float32)
    about = read_json(folder / "meshmill.json") if (folder / "meshmill.json").is_file() else {}
    materialise_positions(parts["image_encoder"])
    config = Zero123Config(
        unet=config.unet,
        vae=config.vae,
        image_encoder=config.image_encoder,
        lift=config.lift,
        schedule=config.schedule,
        pose_entry=pose_entry or config.pose_entry,
        name=str(about.get("name", folder.name)),
    )
    info = about.get("info", {}) if isinstance(about.get("info"), dict) else {}
    return assemble(config, parts, {"layout": projection_folder, **info})


def read_config(folder: Path) -> tuple[Zero123Config, str]:
    """The configuration of a checkpoint folder and the name of its projection's folder; reads no weights."""
    import torch

    index = folder / "model_index.json"
    for name, value in read_json(index).items():
        if not name.startswith("_") and isinstance(value, list):
            plain_name(name, index)
            expected = CLASSES.get(name, ("", None))[1]
            if name == "lift" and value[-1:] == [LIFT_S]:
                continue
            if name in ("unet", "vae", "image_encoder", "lift") and value[-1:] != [expected]:
                raise CheckpointError(f"model_index.json: '{name}' is a {value[-1:]}, expected {expected}.")
    present = [name for name in PROJECTIONS if (folder / name).is_dir()]
    if not present:
        raise CheckpointError(f"{folder.name} has no pose projection: expected the folder {' or '.join(PROJECTIONS)}.")
    tensors, files = read_part(folder / present[0], DIFFUSERS_STEMS)
    weight = _plain_keys("cc_projection", tensors).get("weight", torch.empty(0))
    vision = _vision_config(read_json(folder / "image_encoder" / "config.json"))
    unet = _known("unet", read_json(folder / "unet" / "config.json"))
    wanted = (unet.get("cross_attention_dim"), vision["projection_dim"] + POSE_SIZE)
    if tuple(weight.shape) != wanted:
        raise CheckpointError(
            f"{present[0]}/{files[0].name}: 'weight' has shape {tuple(weight.shape)} where {wanted} is expected."
        )
    said = _optional_json(folder / present[0] / "config.json").get("pose_entry", "radius")
    if said not in get_args(PoseEntry):
        raise CheckpointError(f"{present[0]}/config.json: pose_entry is '{said}', expected radius or elevation.")
    config = Zero123Config(
        unet=unet,
        vae=_known("vae", read_json(folder / "vae" / "config.json")),
        image_encoder=vision,
        lift=_lift_config(folder / "lift" / "config.json") if (folder / "lift").is_dir() else None,
        schedule=_schedule(read_json(folder / "scheduler" / "scheduler_config.json")),
        pose_entry=said,
        name=folder.name,
    )
    return config, present[0]


def _lift_config(path: Path) -> dict[str, Any]:
    """Of either lift: the U-Net is a class of diffusers, Lift-S our own."""
    config = read_json(path)
    if config.get("_class_name") != LIFT_S:
        return _known("lift", config)
    wanted = lift_s_config()
    if {key for key in config if not key.startswith("_")} != set(wanted):
        raise CheckpointError(f"{path.parent.name}/{path.name}: a {LIFT_S} has {', '.join(wanted)}.")
    return {key: config[key] for key in wanted}


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _known(part: str, config: dict[str, Any]) -> dict[str, Any]:
    """The entries that the part's constructor takes; old and new diffusers write others beside them."""
    import inspect

    import diffusers

    names = inspect.signature(getattr(diffusers, CLASSES[part][1]).__init__).parameters
    return {key: _tuples(value) for key, value in config.items() if key in names}


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _vision_config(config: dict[str, Any]) -> dict[str, Any]:
    config = config.get("vision_config", config) | {"projection_dim": config.get("projection_dim", 512)}
    return {key: config[key] for key in VISION_KEYS if key in config}


def _schedule(config: dict[str, Any]) -> Schedule:
    kind = config.get("beta_schedule")
    if kind != "scaled_linear" or config.get("trained_betas") is not None:
        raise CheckpointError(f"scheduler_config.json: beta_schedule is '{kind}', expected scaled_linear.")
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in get_args(Prediction):
        raise CheckpointError(f"scheduler_config.json: prediction_type '{prediction}' is not supported.")
    return Schedule(
        float(config["beta_start"]), float(config["beta_end"]), int(config["num_train_timesteps"]), prediction
    )


OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names of the autoencoder's attention in folders written before diffusers 0.17."""


def _plain_keys(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys as today's classes have them."""
    if part == "cc_projection":
        return {key.removeprefix("projection.").removeprefix("proj."): value for key, value in tensors.items()}
    if part != "vae":
        return tensors
    renamed = {}
    for key, value in tensors.items():
        head, _, ending = key.rpartition(".")
        stem, _, last = head.rpartition(".")
        if ".attentions." in key and last in OLD_ATTENTION:
            key, value = (
                f"{stem}.{OLD_ATTENTION[last]}.{ending}",
                value.reshape(value.shape[: 2 if value.ndim > 1 else 1]),
            )
        renamed[key] = value
    return renamed


def save_pretrained(
    model: Zero123, folder: str | Path, *, dtype: torch.dtype | None = None, shard_bytes: int = 5 * 10**9
) -> Path:
    """Save as a diffusers folder; loading it gives identical outputs (unless ``dtype`` narrows the weights).

    The folder appears complete or not at all. Refuses to replace a folder that is no checkpoint.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not (folder / "model_index.json").is_file():
        raise CheckpointError(f"{folder.name} exists and is no checkpoint: it was not overwritten.")
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name, part in model.parts.items():
        (staging / name).mkdir()
        state = {key: value if dtype is None else value.to(dtype) for key, value in part.state_dict().items()}
        if name == "cc_projection":
            state = {f"projection.{key}": value for key, value in state.items()}
        write_part(staging / name, STEMS[name][0], state, shard_bytes)
    _write_configs(model, staging)
    if folder.exists():
        shutil.rmtree(folder)
    staging.rename(folder)
    return folder


def _write_configs(model: Zero123, folder: Path) -> None:
    config = config_of(model)
    write_json(folder / "unet" / "config.json", {"_class_name": CLASSES["unet"][1], **config.unet})
    write_json(folder / "vae" / "config.json", {"_class_name": CLASSES["vae"][1], **config.vae})
    if config.lift is not None:
        lift_class = LIFT_S if "registers" in config.lift else CLASSES["lift"][1]
        write_json(folder / "lift" / "config.json", {"_class_name": lift_class, **config.lift})
    vision = {key: value for key, value in config.image_encoder.items() if key in VISION_KEYS}
    vision |= {"architectures": [CLASSES["image_encoder"][1]], "model_type": "clip_vision_model"}
    write_json(folder / "image_encoder" / "config.json", vision)
    sizes = {"in_channel": model.projection.in_features, "out_channel": model.projection.out_features}
    write_json(
        folder / "cc_projection" / "config.json",
        {"_class_name": CLASSES["cc_projection"][1], "pose_entry": model.pose_entry, **sizes},
    )
    (folder / "scheduler").mkdir()
    schedule = model.schedule
    write_json(
        folder / "scheduler" / "scheduler_config.json",
        {
            "_class_name": CLASSES["scheduler"][1],
            "beta_start": schedule.beta_start,
            "beta_end": schedule.beta_end,
            "beta_schedule": "scaled_linear",
            "num_train_timesteps": schedule.timesteps,
            "prediction_type": schedule.prediction,
            "clip_sample": False,
            "set_alpha_to_one": False,
            "steps_offset": 1,
        },
    )
    classes = {name: list(value) for name, value in CLASSES.items() if name != "lift" or model.lift is not None}
    if config.lift is not None and "registers" in config.lift:
        classes["lift"] = ["meshmill", LIFT_S]
    write_json(folder / "model_index.json", {"_class_name": "Zero1to3StableDiffusionPipeline", **classes})
    write_json(folder / "meshmill.json", {"name": model.name, "info": model.info})
