"""The model as one container: U-Net, autoencoder, CLIP vision tower, pose projection, noise schedule.

Everything that distinguishes the published weights from the starter stands in :class:`Zero123Config`; the code is the
same. Images inside are ``(B, 3, S, S)`` float in [-1, 1], latents ``(B, C, s, s)`` with ``s = S / downsampling``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PoseEntry = Literal["radius", "elevation"]
"""The fourth pose entry: ``radius_t - radius_c`` (Zero-1-to-3) or ``rad(90 - elevation_c)`` (Stable-Zero123)."""

Prediction = Literal["epsilon", "v_prediction"]

POSE_SIZE = 4


@dataclass(frozen=True)
class Schedule:
    """The forward process: square-root-linear betas (REFERENCE section 1) and what the U-Net predicts."""

    beta_start: float = 0.00085
    beta_end: float = 0.012
    timesteps: int = 1000
    prediction: Prediction = "epsilon"

    def betas(self) -> Tensor:
        """``(timesteps,)`` float64: squares of a line from sqrt(beta_start) to sqrt(beta_end)."""
        import torch

        return torch.linspace(self.beta_start**0.5, self.beta_end**0.5, self.timesteps, dtype=torch.float64) ** 2

    def alphas_cumprod(self) -> Tensor:
        """``(timesteps,)`` float64: the share of signal variance left at every timestep."""
        return (1 - self.betas()).cumprod(0)


@dataclass(frozen=True)
class Zero123Config:
    """Constructor arguments of the parts, as diffusers and transformers name them."""

    unet: dict[str, Any]
    vae: dict[str, Any]
    image_encoder: dict[str, Any]
    lift: dict[str, Any] | None = None
    """:func:`core.zero123.lift.lift_config`; None for published weights."""
    schedule: Schedule = Schedule()
    pose_entry: PoseEntry = "radius"
    name: str = "unnamed"


@dataclass(frozen=True)
class Zero123:
    """A loaded model. ``info`` records where the weights came from; modules are in evaluation mode and frozen."""

    unet: Any
    """``UNet2DConditionModel``: ``[noisy latent, condition]`` in, noise or v out."""
    vae: Any
    """``AutoencoderKL``."""
    image_encoder: Any
    """``CLIPVisionModelWithProjection``."""
    projection: Any
    """``nn.Linear(clip + 4, context)``; ``cc_projection`` of the original."""
    lift: Any = None
    """``UNet2DModel`` (:mod:`core.zero123.lift`): its rough view is part of the condition; None: the paper's model."""
    schedule: Schedule = Schedule()
    pose_entry: PoseEntry = "radius"
    name: str = "unnamed"
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.projection.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.unet.conv_in.weight.dtype
        return dtype

    @property
    def scaling_factor(self) -> float:
        """Latents of the diffusion are the autoencoder's times this."""
        return float(self.vae.config.scaling_factor)

    @property
    def latent_channels(self) -> int:
        return int(self.vae.config.latent_channels)

    @property
    def downsampling(self) -> int:
        """Pixels a latent pixel covers along one axis."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def latent_size(self) -> int:
        return int(self.unet.config.sample_size)

    @property
    def image_size(self) -> int:
        """Pixels along one side of the images."""
        return self.latent_size * self.downsampling

    @property
    def clip_size(self) -> int:
        """Pixels along one side of what CLIP sees."""
        return int(self.image_encoder.config.image_size)

    @property
    def context_size(self) -> int:
        return int(self.projection.weight.shape[0])

    @property
    def parts(self) -> dict[str, Any]:
        """The modules by the names of their folders."""
        return {
            "unet": self.unet,
            "vae": self.vae,
            "image_encoder": self.image_encoder,
            "cc_projection": self.projection,
        } | ({} if self.lift is None else {"lift": self.lift})

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> Zero123:
        """This model with every part moved; ``dtype`` goes to the U-Net alone, the others stay as they are."""
        for part in self.parts.values():
            part.to(device)
        if dtype is not None:
            self.unet.to(dtype)
        return replace(self)


def published_config() -> Zero123Config:
    """The architecture of the published weights: 859.53 M U-Net, 83.65 M autoencoder, CLIP ViT-L/14."""
    return Zero123Config(
        unet=unet_config(
            latent_size=32,
            latent_channels=4,
            widths=(320, 640, 1280, 1280),
            attention=(1, 1, 1, 0),
            context=768,
            heads=8,
        ),
        vae=vae_config(
            image_size=256, latent_channels=4, widths=(128, 256, 512, 512), layers=2, scaling_factor=0.18215
        ),
        image_encoder=clip_config(size=224, patch=14, width=1024, layers=24, heads=16, projection=768),
        name="zero123",
    )


def unet_config(
    *,
    latent_size: int,
    latent_channels: int,
    widths: tuple[int, ...],
    attention: tuple[int, ...],
    context: int,
    heads: int,
    layers: int = 2,
    groups: int = 32,
    lifted: int = 0,
) -> dict[str, Any]:
    """Constructor arguments of a Stable-Diffusion-1 style U-Net; ``attention`` says 1 or 0 for every width.

    ``lifted`` channels of the lift's view come after the noisy and the condition latent.
    """
    down = tuple("CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attention)
    up = tuple("CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention))
    return {
        "sample_size": latent_size,
        "in_channels": 2 * latent_channels + lifted,
        "out_channels": latent_channels,
        "block_out_channels": tuple(widths),
        "layers_per_block": layers,
        "down_block_types": down,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": up,
        "cross_attention_dim": context,
        "attention_head_dim": heads,  # diffusers' name; for this class it is the number of heads
        "norm_num_groups": groups,
    }


def vae_config(
    *,
    image_size: int,
    latent_channels: int,
    widths: tuple[int, ...],
    layers: int,
    scaling_factor: float,
    groups: int = 32,
) -> dict[str, Any]:
    """Constructor arguments of the autoencoder; it downsamples by ``2 ** (len(widths) - 1)``."""
    return {
        "sample_size": image_size,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": latent_channels,
        "block_out_channels": tuple(widths),
        "layers_per_block": layers,
        "down_block_types": ("DownEncoderBlock2D",) * len(widths),
        "up_block_types": ("UpDecoderBlock2D",) * len(widths),
        "norm_num_groups": groups,
        "scaling_factor": scaling_factor,
    }


def clip_config(*, size: int, patch: int, width: int, layers: int, heads: int, projection: int) -> dict[str, Any]:
    """Constructor arguments of an OpenAI CLIP vision tower."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": size,
        "patch_size": patch,
        "projection_dim": projection,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    }


def build_model(config: Zero123Config, seed: int = 0, device: str = "cpu") -> Zero123:
    """A model with fresh weights that follow from ``seed`` alone; parts are in evaluation mode.

    The projection starts as the original does: identity on the CLIP part (where the sizes agree), bias 0, pose columns
    uniform in +-1/sqrt(clip + 4).
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = empty_parts(config)
    projection = parts["cc_projection"]
    clip = projection.in_features - POSE_SIZE
    with torch.no_grad():
        if clip == projection.out_features:
            projection.weight[:, :clip] = torch.eye(clip)
        projection.bias.zero_()
    return assemble(config, parts).to(device)


def empty_parts(config: Zero123Config) -> dict[str, Any]:
    """The parts with whatever weights their constructors give, by folder name."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from core.zero123.lift import lift_net

    vision = CLIPVisionConfig(**config.image_encoder)
    return {
        "unet": UNet2DConditionModel(**config.unet),  # type: ignore[no-untyped-call]
        "vae": AutoencoderKL(**config.vae),  # type: ignore[no-untyped-call]
        "image_encoder": CLIPVisionModelWithProjection(vision),
        "cc_projection": torch.nn.Linear(vision.projection_dim + POSE_SIZE, config.unet["cross_attention_dim"]),
    } | ({} if config.lift is None else {"lift": lift_net(config.lift)})


def assemble(config: Zero123Config, parts: dict[str, Any], info: dict[str, Any] | None = None) -> Zero123:
    """Parts and settings as one model, in evaluation mode, needing no gradients."""
    for part in parts.values():
        part.eval().requires_grad_(False)
    return Zero123(
        unet=parts["unet"],
        vae=parts["vae"],
        image_encoder=parts["image_encoder"],
        projection=parts["cc_projection"],
        lift=parts.get("lift"),
        schedule=config.schedule,
        pose_entry=config.pose_entry,
        name=config.name,
        info=dict(info or {}),
    )


def config_of(model: Zero123) -> Zero123Config:
    """The configuration from which :func:`build_model` makes the same architecture."""
    return Zero123Config(
        unet=_public(dict(model.unet.config)),
        vae=_public(dict(model.vae.config)),
        image_encoder=model.image_encoder.config.to_diff_dict(),
        lift=None if model.lift is None else _public(dict(model.lift.config)),
        schedule=model.schedule,
        pose_entry=model.pose_entry,
        name=model.name,
    )


def _public(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def denoise(model: Zero123, z_t: Tensor, t: Tensor | int, context: Tensor, concat: Tensor) -> Tensor:
    """The U-Net's prediction (noise or v, as ``model.schedule.prediction`` says), ``(B, C, s, s)`` float32.

    ``z_t`` noisy latents ``(B, C, s, s)``, ``t`` timesteps ``(B,)`` or one, ``context`` ``(B, tokens, context_size)``
    after the projection, ``concat`` the condition ``(B, channels, s, s)``: the photo's latent, unscaled, and what the
    lift saw where the model has one (:func:`core.zero123.conditioning.conditions`).
    """
    import torch

    sample = torch.cat([z_t, concat], 1).to(model.dtype)
    out: Tensor = model.unet(sample, t, context.to(model.dtype), return_dict=False)[0]
    return out.float()
