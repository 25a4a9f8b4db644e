"""The lift: one image to a coarse volume in its own camera's frustum, and that volume seen from another camera.

A small view model has no time to learn that the world is rigid. The lift knows it: a 2D network gives every pixel of
the photo a column of densities and colours along its ray, and ray marching turns the volume into the rough picture
that the U-Net then refines (its latent is concatenated beside the photo's). Published weights have no such part.

The frustum's axes are ``(depth, v, u)``: depth from 0.5 to 1.5 of the photo camera's distance, v down and u to the
right, all in [-1, 1] as ``grid_sample`` counts with ``align_corners=False``. Lengths are in units of that distance, so
that only the ratio of the two radii matters; a cutout's object is some 0.7 long.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan
from typing import TYPE_CHECKING, Any

from core.cameras import FIELD_OF_VIEW

if TYPE_CHECKING:
    import torch
    from torch import Tensor

HALF_DEPTH = 0.5
"""Half the frustum's depth, in distances of the photo's camera."""

OPACITY = 80.0
"""Optical density of solid matter per camera distance: half transparent after 0.9 % of it."""

SPLIT = 4
"""Image pixels a cell of the network covers along one axis."""

OUTSIDE = -10.0
"""Density logit outside the frustum."""

LIFTED_CHANNELS = 16
"""Channels of :func:`lifted_views`: four values of ``2 x 2`` pixels."""

TAN = tan(radians(FIELD_OF_VIEW) / 2)


@dataclass(frozen=True)
class Volume:
    """What the lift saw in ``B`` images of ``S x S`` pixels."""

    density: Tensor
    """``(B, 1, D, S/2, S/2)`` logits."""
    colour: Tensor
    """``(B, 4, D/2, S/4, S/4)`` logits: red, green, blue, and the share taken from the photo's pixel on that ray."""
    image: Tensor
    """``(B, 3, S, S)`` in 0..1."""
    elevation: Tensor
    """``(B,)`` degrees: the photo camera's."""


def lift_config(
    size: int, widths: tuple[int, ...], depth: int = 32, groups: int = 16, layers: int = 1
) -> dict[str, Any]:
    """Constructor arguments of the lift's network, a diffusers ``UNet2DModel`` whose "timestep" is the elevation."""
    levels = len(widths)
    return {
        "sample_size": size // SPLIT,
        "in_channels": 3 * SPLIT**2,
        "out_channels": 4 * depth + 4 * (depth // 2),
        "block_out_channels": widths,
        "layers_per_block": layers,
        "down_block_types": ("DownBlock2D",) + ("AttnDownBlock2D",) * (levels - 1),
        "up_block_types": ("AttnUpBlock2D",) * (levels - 1) + ("UpBlock2D",),
        "norm_num_groups": groups,
        "attention_head_dim": 32,
    }


LIFT_S = "LiftS"
"""What a checkpoint's configuration calls the transformer (:mod:`core.zero123.lift_s`)."""


def lift_s_config(width: int = 384, layers: int = 12, heads: int = 6, registers: int = 4) -> dict[str, Any]:
    """Constructor arguments of Lift-S; these defaults have 22 M parameters."""
    return {"width": width, "layers": layers, "heads": heads, "registers": registers}


def lift_net(config: dict[str, Any]) -> Any:
    """The network with fresh weights: nearly empty everywhere, colour taken from the photo's pixel.

    A configuration of :func:`lift_s_config` makes the transformer, any other the U-Net.
    """
    import torch

    from core.zero123.lift_s import LiftS

    if "registers" in config:
        return LiftS(**config)
    from diffusers import UNet2DModel

    net: Any = UNet2DModel(**config)  # type: ignore[no-untyped-call]
    depth = config["out_channels"] // 6
    with torch.no_grad():
        net.conv_out.bias[: 4 * depth] = -3.0
        net.conv_out.bias[4 * depth :].view(-1, 4)[:, 3] = 1.0
    return net


def deepened(net: Any) -> Any:
    """A copy of the network with one residual block (and attention) more a level that yields the very same volumes.

    What is new adds nothing yet: its last layers are zero. In the decoder it also takes the encoder's new skip, through
    a 1x1 convolution that starts as the identity of the decoder's own channels.
    """
    import torch

    layers = net.config["layers_per_block"]
    new = lift_net({**net.config, "layers_per_block": layers + 1}).to(next(net.parameters()).device)
    old = net.state_dict()
    with torch.no_grad():
        for name, value in new.state_dict().items():
            source = name.split(".")
            if source[0] == "up_blocks" and source[2] in ("resnets", "attentions"):
                added = int(source[3]) == layers  # the last one takes the skip of the level above, and stays last
                source[3] = str(min(int(source[3]), layers))
            else:
                added = name not in old
            if not added:
                value.copy_(old[".".join(source)])
            elif ".conv2." in name or ".to_out." in name:
                value.zero_()
            elif ".conv_shortcut." in name:
                value.zero_()
                if value.ndim == 4:
                    value[:, : len(value), 0, 0].fill_diagonal_(1.0)
    return new


def lift(net: Any, images: Tensor, elevation: Tensor) -> Volume:
    """``(B, 3, S, S)`` images in [-1, 1] over white, seen from ``elevation (B,)`` degrees, as a volume.

    Lift-S takes a fourth channel too, the alpha, and any size.
    """
    import torch.nn.functional as F

    from core.zero123.lift_s import LiftS, cutout_of

    if isinstance(net, LiftS):
        cutout = cutout_of(images)
        everywhere = elevation == elevation
        density, colour, _ = net(cutout, elevation, everywhere, cutout.new_zeros(len(cutout), 2))
        return Volume(density.float(), colour.float(), cutout[:, :3] / 2 + 0.5, elevation)
    images = images[:, :3]
    count, _, size, _ = images.shape
    out = net(F.pixel_unshuffle(images, SPLIT), (elevation + 90) * 5, return_dict=False)[0].float()
    depth = out.shape[1] // 6
    density = F.pixel_shuffle(out[:, : 4 * depth], 2)
    cells = size // SPLIT
    colour = out[:, 4 * depth :].view(count, depth // 2, 4, cells, cells).transpose(1, 2)
    return Volume(density[:, None], colour, images / 2 + 0.5, elevation)


def camera_axes(azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Right, up and backward ``(..., 3, 3)`` in columns, of angles in degrees (:meth:`core.cameras.Camera`)."""
    import torch

    az, el = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    back = torch.stack([el.cos() * az.sin(), el.sin(), el.cos() * az.cos()], -1)
    right = torch.stack([az.cos(), torch.zeros_like(az), -az.sin()], -1)
    return torch.stack([right, torch.linalg.cross(back, right), back], -1)


def to_frustum(points: Tensor, elevation: Tensor) -> Tensor:
    """World points ``(B, N, 3)`` (photo's azimuth 0, its distance 1) as frustum coordinates ``(B, N, 3)``."""
    import torch

    axes = camera_axes(torch.zeros_like(elevation), elevation)
    local = points @ axes  # the camera stands at +1 along its backward axis
    away = (1 - local[..., 2]).clamp(min=1e-3)
    return torch.stack([local[..., 0] / (away * TAN), -local[..., 1] / (away * TAN), (away - 1) / HALF_DEPTH], -1)


def occupancy(volume: Volume, at: Tensor) -> Tensor:
    """Density logits ``(B, N)`` at frustum coordinates ``(B, N, 3)``."""
    import torch.nn.functional as F

    seen = F.grid_sample(volume.density - OUTSIDE, at[:, :, None, None], align_corners=False)
    return seen[:, 0, :, 0, 0] + OUTSIDE


def shade(volume: Volume, at: Tensor) -> Tensor:
    """Colours ``(B, N, 3)`` in 0..1 at frustum coordinates ``(B, N, 3)``."""
    import torch
    import torch.nn.functional as F

    own = F.grid_sample(volume.colour, at[:, :, None, None], padding_mode="border", align_corners=False)
    own = torch.sigmoid(own[:, :, :, 0, 0].transpose(1, 2))
    pixel = F.grid_sample(volume.image, at[:, :, None, :2], padding_mode="border", align_corners=False)
    return torch.lerp(own[..., :3], pixel[..., 0].transpose(1, 2), own[..., 3:])


def render_view(volume: Volume, pixels: Tensor, cameras: Tensor, samples: int, jitter: Tensor) -> tuple[Tensor, Tensor]:
    """Colour over white ``(B, N, 3)`` in 0..1 and coverage ``(B, N)`` along rays. Differentiable.

    ``pixels (B, N, 2)`` are u, v in [-1, 1]; ``cameras (B, N, 3)`` say where each ray's camera stands: azimuth from the
    photo's and elevation in degrees, radius in photo distances. ``jitter (B, N)`` in 0..1 shifts its samples.
    """
    import torch

    count, rays, _ = pixels.shape
    axes = camera_axes(cameras[..., 0], cameras[..., 1])
    radius = cameras[..., 2]
    steps = (torch.arange(samples, device=pixels.device) + jitter[..., None]) / samples * 2 - 1
    away = radius[..., None] + steps * HALF_DEPTH
    local = torch.stack([pixels[..., 0] * TAN, -pixels[..., 1] * TAN, -torch.ones_like(jitter)], -1)
    direction = (axes @ local[..., None])[..., 0]
    points = radius[..., None, None] * axes[..., None, :, 2] + away[..., None] * direction[..., None, :]
    at = to_frustum(points.view(count, -1, 3), volume.elevation)
    solid = torch.sigmoid(occupancy(volume, at)).view(count, rays, samples)
    depth = solid * (OPACITY * 2 * HALF_DEPTH / samples) * local.norm(dim=-1)[..., None]
    through = torch.exp(-torch.cumsum(depth, -1))
    weight = torch.cat([torch.ones_like(through[..., :1]), through[..., :-1]], -1) - through
    colour = (shade(volume, at).view(count, rays, samples, 3) * weight[..., None]).sum(-2)
    return colour + through[..., -1:], 1 - through[..., -1]


def lifted_views(volume: Volume, cameras: Tensor, size: int, samples: int = 32) -> Tensor:
    """What ``V`` cameras see of each of ``B`` volumes, ``(B * V, 16, size/2, size/2)`` in [-1, 1].

    ``cameras (B, V, 3)``: azimuth from the photo's and elevation in degrees, radius in photo distances. The channels
    are colour over white and coverage of ``2 x 2`` pixels each: all of the picture, at the latents' size.
    """
    import torch
    import torch.nn.functional as F

    count, views, _ = cameras.shape
    grid = pixel_grid(size, cameras.device)
    rays = cameras.repeat_interleave(len(grid), 1)
    pixels = grid.repeat(views, 1).expand(count, -1, -1)
    colour, coverage = render_view(volume, pixels, rays, samples, torch.full_like(rays[..., 0], 0.5))
    picture = torch.cat([colour, coverage[..., None]], -1) * 2 - 1
    return F.pixel_unshuffle(picture.view(count * views, size, size, 4).permute(0, 3, 1, 2), 2)


def pixel_grid(size: int, device: torch.device) -> Tensor:
    """Pixel centres ``(size * size, 2)`` as u, v in [-1, 1], row by row."""
    import torch

    at = (torch.arange(size, device=device) + 0.5) / size * 2 - 1
    v, u = torch.meshgrid(at, at, indexing="ij")
    return torch.stack([u, v], -1).view(-1, 2)
