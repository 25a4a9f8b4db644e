"""The original single-file checkpoints: key names of the released code, to and from the parts of the container.

For every tensor of ours the original's name is computed, so that a missing key or a wrong shape is reported in the
file's own words. EMA weights are preferred (the original samples with them); CLIP and projection come from the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.errors import CheckpointError
from core.zero123.model import PoseEntry, Schedule, Zero123, Zero123Config, assemble, clip_config, empty_parts
from core.zero123.model import unet_config as make_unet_config
from core.zero123.model import vae_config as make_vae_config
from core.zero123.weights import fill, materialise_positions, read_tensors

if TYPE_CHECKING:
    from torch import Tensor

UNET, VAE, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.model.visual."
EMA = "model_ema."

Weights = Literal["ema", "raw"]


@dataclass(frozen=True)
class OriginalSettings:
    """What the file does not say; defaults are the published models'."""

    heads: int = 8
    latent_size: int = 32
    scaling_factor: float = 0.18215


@dataclass(frozen=True)
class Source:
    """Where one of our tensors stands in an original file."""

    key: str
    third: int | None = None
    """Query, key and value share one tensor in CLIP: which third of its rows."""
    turned: bool = False
    """The file holds the transposed matrix."""


def settings_from_ldm_config(config: Mapping[str, Any]) -> OriginalSettings:
    """The settings in an original configuration (the ``model`` tree of its YAML, as a dictionary)."""
    params = config["model"]["params"]
    unet = params["unet_config"]["params"]
    return OriginalSettings(int(unet["num_heads"]), int(params["image_size"]), float(params["scale_factor"]))


def load_original(
    path: Path,
    *,
    settings: OriginalSettings | None = None,
    prefer: Weights = "ema",
    pose_entry: PoseEntry | None = None,
) -> Zero123:
    """The model of an original ``.ckpt`` or ``.safetensors`` file, in float32 on the CPU.

    ``info`` records the file and whether ``ema`` or ``raw`` weights were taken. The fourth pose entry is
    the elevation where the file is called stable-zero123 (it does not say), unless ``pose_entry`` overrides it.
    """
    import torch

    tensors = read_tensors(path)
    chosen, weights = choose_weights(tensors, prefer)
    stable = re.search(r"stable[-_ ]?zero123", path.name, re.IGNORECASE) is not None
    config = config_of_original(
        tensors, path.name, settings or OriginalSettings(), pose_entry or ("elevation" if stable else "radius")
    )
    with torch.device("meta"):
        parts = empty_parts(config)
    for name, part in parts.items():
        source = chosen if name == "unet" else tensors
        found = {
            key: _take(source, origin(name, key, config), here, path.name) for key, here in part.state_dict().items()
        }
        fill(part, found, path.name, torch.float32)
    materialise_positions(parts["image_encoder"])
    info: dict[str, Any] = {"layout": "original", "file": path.name, "weights": weights}
    if weights == "ema" and EMA + "num_updates" in tensors:
        info["ema_updates"] = int(tensors[EMA + "num_updates"])
    return assemble(config, parts, info)


def choose_weights(tensors: Mapping[str, Tensor], prefer: Weights = "ema") -> tuple[Mapping[str, Tensor], Weights]:
    """The U-Net's tensors under their plain names, from the EMA copy where the file has one, and which they are.

    The EMA copy names a tensor as the plain one below ``model.`` with every dot removed.
    """
    plain = [key for key in tensors if key.startswith(UNET)]
    copies = {key: EMA + key.removeprefix("model.").replace(".", "") for key in plain}
    present = [key for key in plain if copies[key] in tensors]
    if prefer == "raw" or not present:
        return tensors, "raw"
    if len(present) < len(plain):
        absent = next(key for key in plain if copies[key] not in tensors)
        raise CheckpointError(f"The EMA copy is incomplete: it lacks the tensor '{copies[absent]}'.")
    return {key: tensors[copy] for key, copy in copies.items()}, "ema"


def _take(tensors: Mapping[str, Tensor], source: Source, expected: Tensor, file: str) -> Tensor:
    found = tensors.get(source.key)
    if found is None:
        raise CheckpointError(f"{file} lacks the tensor '{source.key}' (shape {tuple(expected.shape)} expected).")
    tensor = found if source.third is None else found.chunk(3)[source.third]
    tensor = tensor.T if source.turned else tensor
    if tensor.shape != expected.shape and tensor.shape[:2] == expected.shape and tensor.numel() == expected.numel():
        tensor = tensor.reshape(expected.shape)  # 1x1 convolutions of the original are linear layers here
    if tensor.shape != expected.shape:
        raise CheckpointError(
            f"{file}: '{source.key}' has shape {tuple(found.shape)}; "
            f"{tuple(expected.shape)} is expected{'' if source.third is None else ' for each third'}."
        )
    return tensor


def origin(part: str, key: str, config: Zero123Config) -> Source:
    """The original name of the tensor ``key`` of a part."""
    if part == "unet":
        return Source(UNET + _unet_key(key, config.unet["layers_per_block"], config.unet["up_block_types"]))
    if part == "vae":
        return Source(VAE + _vae_key(key, len(config.vae["block_out_channels"])))
    if part == "image_encoder":
        return _clip_source(key)
    return Source(f"cc_projection.{key}")


RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.attentions.0": "middle_block.1",
}


def _unet_key(key: str, layers: int, up_types: tuple[str, ...]) -> str:
    for ours, theirs in OUTER.items():
        if key.startswith(ours + "."):
            return theirs + key.removeprefix(ours)
    if found := re.match(r"mid_block\.resnets\.(\d)\.(\w+)\.(.+)", key):
        return f"middle_block.{2 * int(found[1])}.{RESNET[found[2]]}.{found[3]}"
    found = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|\w+samplers)\.(\d+)\.(.+)", key)
    if found is None:
        raise KeyError(key)
    way, kind, rest = found[1], found[3], found[5]
    level, j = int(found[2]), int(found[4])
    # Down: conv_in comes first and a downsampling closes a level. Up: one resnet more, an upsampling inside the last.
    block = (
        f"input_blocks.{1 + level * (layers + 1) + j}" if way == "down" else f"output_blocks.{level * (layers + 1) + j}"
    )
    if kind == "resnets":
        name, _, ending = rest.rpartition(".")
        return f"{block}.0.{RESNET[name]}.{ending}"
    if kind == "attentions":
        return f"{block}.1.{rest}"
    ending = rest.removeprefix("conv.")
    if way == "down":
        return f"input_blocks.{1 + level * (layers + 1) + layers}.0.op.{ending}"
    place = 2 if up_types[level].startswith("CrossAttn") else 1
    return f"output_blocks.{level * (layers + 1) + layers}.{place}.conv.{ending}"


VAE_NAMES = (
    ("mid_block.resnets.0", "mid.block_1"),
    ("mid_block.resnets.1", "mid.block_2"),
    ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
    ("mid_block.attentions.0.to_q", "mid.attn_1.q"),
    ("mid_block.attentions.0.to_k", "mid.attn_1.k"),
    ("mid_block.attentions.0.to_v", "mid.attn_1.v"),
    ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
    ("conv_norm_out", "norm_out"),
    ("conv_shortcut", "nin_shortcut"),
    ("downsamplers.0.conv", "downsample.conv"),
    ("upsamplers.0.conv", "upsample.conv"),
)


def _vae_key(key: str, levels: int) -> str:
    for ours, theirs in VAE_NAMES:
        key = key.replace(ours, theirs)
    key = re.sub(r"down_blocks\.(\d+)\.", r"down.\1.", key)
    key = re.sub(r"up_blocks\.(\d+)\.", lambda found: f"up.{levels - 1 - int(found[1])}.", key)
    return re.sub(r"resnets\.(\d+)\.", r"block.\1.", key)


CLIP_NAMES = {
    "vision_model.embeddings.class_embedding": "class_embedding",
    "vision_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.embeddings.patch_embedding.weight": "conv1.weight",
}
CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def _clip_source(key: str) -> Source:
    if key == "visual_projection.weight":
        return Source(CLIP + "proj", turned=True)
    if key in CLIP_NAMES:
        return Source(CLIP + CLIP_NAMES[key])
    if found := re.match(r"vision_model\.(pre|post)_layr?e?norm\.(\w+)", key.replace("layernorm", "layrnorm")):
        return Source(f"{CLIP}ln_{found[1]}.{found[2]}")
    found = re.match(r"vision_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", key)
    if found is None:
        raise KeyError(key)
    layer = f"{CLIP}transformer.resblocks.{found[1]}"
    if third := re.match(r"self_attn\.([qkv])_proj", found[2]):
        return Source(f"{layer}.attn.in_proj_{found[3]}", third="qkv".index(third[1]))
    return Source(f"{layer}.{CLIP_LAYER[found[2]]}.{found[3]}")


def config_of_original(
    tensors: Mapping[str, Tensor], file: str, settings: OriginalSettings, pose_entry: PoseEntry
) -> Zero123Config:
    """The architecture that an original file's shapes imply."""

    def shape(key: str) -> tuple[int, ...]:
        if key not in tensors:
            raise CheckpointError(f"{file} is no Zero-1-to-3 checkpoint: it lacks the tensor '{key}'.")
        return tuple(tensors[key].shape)

    shape("cc_projection.weight")
    widths, attention, layers, context = _unet_shape(tensors)
    latent_channels = shape(UNET + "out.2.weight")[0]
    vae_widths, vae_layers = _vae_shape(tensors)
    patches, width = shape(CLIP + "positional_embedding")
    patch = shape(CLIP + "conv1.weight")[-1]
    blocks = {
        found[1] for key in tensors if (found := re.match(re.escape(CLIP) + r"transformer\.resblocks\.(\d+)\.", key))
    }
    if not widths or not vae_widths or not context:
        raise CheckpointError(f"{file} is no Zero-1-to-3 checkpoint: its U-Net or autoencoder is incomplete.")
    return Zero123Config(
        unet=make_unet_config(
            latent_size=settings.latent_size,
            latent_channels=latent_channels,
            widths=widths,
            attention=attention,
            context=context,
            heads=settings.heads,
            layers=layers,
        ),
        vae=make_vae_config(
            image_size=settings.latent_size * 2 ** (len(vae_widths) - 1),
            latent_channels=latent_channels,
            widths=vae_widths,
            layers=vae_layers,
            scaling_factor=settings.scaling_factor,
        ),
        image_encoder=clip_config(
            size=isqrt(patches - 1) * patch,
            patch=patch,
            width=width,
            layers=len(blocks),
            heads=max(width // 64, 1),  # OpenAI's towers have heads of 64
            projection=shape(CLIP + "proj")[1],
        ),
        schedule=_schedule(tensors, file),
        pose_entry=pose_entry,
        name=Path(file).stem,
    )


def _unet_shape(tensors: Mapping[str, Tensor]) -> tuple[tuple[int, ...], tuple[int, ...], int, int]:
    """Widths, attention per level, resnets a level, context size."""
    widths: list[int] = []
    attention: list[int] = []
    layers = block = context = 0
    fresh = True
    while True:
        block += 1
        stem = f"{UNET}input_blocks.{block}"
        if f"{stem}.0.op.weight" in tensors:
            fresh = True
            continue
        last = tensors.get(f"{stem}.0.out_layers.3.weight")
        if last is None:
            return tuple(widths), tuple(attention), layers, context
        if fresh:
            widths.append(last.shape[0])
            attention.append(0)
        fresh = False
        layers += len(widths) == 1
        token = tensors.get(f"{stem}.1.transformer_blocks.0.attn2.to_k.weight")
        if token is not None:
            attention[-1], context = 1, token.shape[1]


def _vae_shape(tensors: Mapping[str, Tensor]) -> tuple[tuple[int, ...], int]:
    """Widths and resnets a level of the encoder."""
    widths: list[int] = []
    while (first := tensors.get(f"{VAE}encoder.down.{len(widths)}.block.0.conv2.weight")) is not None:
        widths.append(first.shape[0])
    layers = 0
    while f"{VAE}encoder.down.0.block.{layers}.conv2.weight" in tensors:
        layers += 1
    return tuple(widths), layers


DIGITS = {"torch.float16": (3, 2e-3), "torch.bfloat16": (2, 2e-2)}
"""Significant digits that a type keeps of the schedule's ends, and how far betas may lie off: pruned files hold all
their numbers in half precision, these too."""


def _schedule(tensors: Mapping[str, Tensor], file: str) -> Schedule:
    """The published schedule, or the file's own betas where they are square-root-linear too."""
    import torch

    betas = tensors.get("betas")
    if betas is None:
        return Schedule()
    digits, tolerance = DIGITS.get(str(betas.dtype), (6, 1e-4))
    first, last = (float(f"{float(beta):.{digits}g}") for beta in (betas[0], betas[-1]))
    schedule = Schedule(first, last, len(betas))
    if not torch.allclose(schedule.betas(), betas.double(), rtol=tolerance, atol=0):
        raise CheckpointError(f"{file}: 'betas' is not a square-root-linear schedule.")
    return schedule


def to_original(model: Zero123) -> dict[str, Tensor]:
    """Every tensor of a model under its original name: the inverse of :func:`load_original`, without an EMA copy."""
    import torch

    from core.zero123.model import config_of

    if model.lift is not None:
        raise CheckpointError(f"{model.name} has a lift: the original layout has no place for it.")
    config = config_of(model)
    found: dict[str, Tensor] = {"betas": model.schedule.betas().float()}
    thirds: dict[str, dict[int, Tensor]] = {}
    for part, module in model.parts.items():
        for key, tensor in module.state_dict().items():
            source = origin(part, key, config)
            if source.third is not None:
                thirds.setdefault(source.key, {})[source.third] = tensor
            elif part == "vae" and ".attentions." in key and tensor.ndim == 2:
                found[source.key] = tensor[..., None, None]
            else:
                found[source.key] = tensor.T if source.turned else tensor
    return found | {key: torch.cat([parts[i] for i in range(3)]) for key, parts in thirds.items()}
