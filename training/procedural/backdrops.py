"""Photos of products for a segmenter's training: objects placed on studio and textured grounds, with soft shadows.

``composite(rgb, alpha, generator, size=256)`` takes renders, returns pictures and their exact masks; batched, on the
renders' device. Every draw comes from the (CPU) generator, so a seed gives the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

Draw = Callable[..., Tensor]
"""``draw(*shape)``: uniform numbers in 0..1 from the caller's generator."""

KINDS = ("white", "near_white", "studio", "plain", "noise", "wood", "cloth", "tiles", "shapes")
"""Grounds that :func:`composite` draws from."""

SHARES = (0.2, 0.1, 0.16, 0.08, 0.14, 0.1, 0.08, 0.06, 0.08)


@dataclass(frozen=True)
class Composite:
    """Pictures and their masks."""

    image: Tensor
    """``(N, 3, S, S)`` sRGB in 0..1."""
    mask: Tensor
    """``(N, 1, S, S)`` exact coverage in 0..1."""
    kind: Tensor
    """``(N,)`` index into :data:`KINDS`."""


def composite(
    rgb: Tensor,
    alpha: Tensor,
    generator: torch.Generator,
    *,
    size: int | None = None,
    kind: str | None = None,
    place: bool = True,
    grade: bool = True,
) -> Composite:
    """Put renders ``rgb (N, 3, H, W)`` (straight, 0..1) with ``alpha (N, 1, H, W)`` on drawn grounds.

    ``place`` moves, scales, tilts and mirrors the object (its longest side ends between 0.35 and 1.05 of the frame),
    ``grade`` adds exposure, colour cast, blur and sensor noise. ``kind`` forces one of :data:`KINDS`.
    """
    count, device = len(rgb), rgb.device
    size = size or rgb.shape[-1]

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    layer = torch.cat([rgb * alpha, alpha], 1)
    layer = _placed(layer, size, draw) if place else _resized(layer, size)
    shares = torch.tensor(SHARES)
    chosen = (torch.rand(count, 1, generator=generator) > shares.cumsum(0)).sum(1).clamp(max=len(KINDS) - 1)
    if kind is not None:
        chosen = torch.full_like(chosen, KINDS.index(kind))
    ground = _grounds(chosen.to(device), size, draw)
    mask = layer[:, 3:].clamp(0, 1)
    image = layer[:, :3] + ground * _shadow(mask, draw) * (1 - mask)
    if grade:
        image = _graded(image, chosen.to(device), draw)
    return Composite(image.clamp(0, 1), mask, chosen.to(device))


def _resized(layer: Tensor, size: int) -> Tensor:
    return layer if layer.shape[-1] == size else F.interpolate(layer, (size, size), mode="area")


def _placed(layer: Tensor, size: int, draw: Draw) -> Tensor:
    """Crop to the object's box, then scale, tilt, mirror and shift it in the new frame."""
    count = len(layer)
    seen = layer[:, 3] > 0.05
    axis = torch.linspace(-1, 1, layer.shape[-1], device=layer.device)
    ends = []
    for dim in (1, 2):  # any over rows leaves columns (x), and the other way round
        line = seen.any(dim)
        low = torch.where(line, axis, 1.0).amin(1)
        high = torch.where(line, axis, -1.0).amax(1)
        ends.append((low, high))
    (x0, x1), (y0, y1) = ends
    longest = torch.maximum(x1 - x0, y1 - y0).clamp(min=0.1) / 2
    share = 0.35 + 0.7 * draw(count) ** 0.8
    zoom = longest / share
    room = (1.08 - share).clamp(min=0)
    tilt = (draw(count) - 0.5) * 0.25 * (draw(count) < 0.5)
    flip = torch.where(draw(count) < 0.5, -1.0, 1.0)
    c, s = torch.cos(tilt) * zoom, torch.sin(tilt) * zoom
    dx, dy = (draw(count) * 2 - 1) * room, (draw(count) * 2 - 1) * room
    first = torch.stack([flip * c, -flip * s, (x0 + x1) / 2 - flip * (c * dx - s * dy)], -1)
    second = torch.stack([s, c, (y0 + y1) / 2 - (s * dx + c * dy)], -1)
    grid = F.affine_grid(torch.stack([first, second], 1), [count, 4, size, size], align_corners=False)
    return F.grid_sample(layer, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _fractal(count: int, channels: int, size: int, draw: Draw, start: int = 3, octaves: int = 5) -> Tensor:
    """Smooth noise ``(count, channels, size, size)`` around 0 with about unit spread."""
    total, weight = torch.zeros(()), 1.0
    for octave in range(octaves):
        n = min(size, start * 2**octave)
        field = draw(count, channels, n, n) - 0.5
        total = total.to(field) + weight * F.interpolate(field, (size, size), mode="bicubic", align_corners=False)
        weight *= 0.6
    return total * 2.2


def _grounds(kind: Tensor, size: int, draw: Draw) -> Tensor:
    """``(N, 3, S, S)``: every ground is drawn for its own samples only."""
    count, device = len(kind), kind.device
    base, second = draw(count, 3, 1, 1), draw(count, 3, 1, 1)
    grey = draw(count, 1, 1, 1)
    muted = draw(count, 1, 1, 1) < 0.6
    base = torch.where(muted, grey * 0.8 + 0.2 * base, base)
    second = torch.where(draw(count, 1, 1, 1) < 0.6, (base + (second - 0.5) * 0.5).clamp(0, 1), second)
    axis = torch.linspace(-1, 1, size, device=device)
    y, x = axis[:, None].expand(size, size), axis[None, :].expand(size, size)
    a, f, p, w = (draw(count, 1, 1, 1) for _ in range(4))
    turn = a * pi
    u = x * torch.cos(turn) + y * torch.sin(turn)
    v = y * torch.cos(turn) - x * torch.sin(turn)
    noise = _fractal(count, 2, size, draw)
    fine = _fractal(count, 1, size, draw, start=max(4, size // 8), octaves=3)

    # Boards are brown, from pine to walnut; a quarter is stained in any colour.
    brown = torch.tensor([0.78, 0.58, 0.38], device=device).view(1, 3, 1, 1) * (0.35 + 0.75 * grey)
    brown = torch.where(w < 0.25, base, brown)

    def blend(share: Tensor) -> Tensor:
        return base + (second - base) * share.clamp(0, 1)

    ground = torch.ones(count, 3, size, size, device=device)
    grounds = {
        "near_white": (0.88 + 0.12 * f) - 0.1 * p * (x * x + y * y) * (a > 0.4) + 0.02 * (base - 0.5),
        "studio": _studio(x, y, base, f, p, w),
        "plain": base + 0.06 * noise[:, :1],
        "noise": blend(0.5 + (0.3 + 0.8 * f) * noise[:, :1] + 0.25 * p * fine),
        "wood": brown
        * (0.86 + 0.1 * torch.sin((4 + 22 * f) * (u + 0.05 * v + 0.12 * noise[:, :1])) + (0.05 + 0.1 * a) * fine)
        * torch.where(((u * (1 + 3 * p)) % 1.0) < 0.015, 0.55, 1.0),
        "cloth": blend(
            0.5 + 0.35 * torch.sin(u * size * (0.15 + 0.5 * f)) * torch.sin(v * size * (0.15 + 0.5 * f)) + 0.2 * fine
        ) * (1 + 0.15 * noise[:, :1]),
        "tiles": blend((((u * (2 + 5 * f)).floor() + (v * (2 + 5 * f)).floor()) % 2) * 0.8 + 0.2 * fine),
        "shapes": _shapes(x, y, base, second, noise, draw),
    }  # fmt: skip
    for name, pixels in grounds.items():
        here = (kind == KINDS.index(name)).view(-1, 1, 1, 1)
        ground = torch.where(here, pixels.clamp(0, 1), ground)
    return ground


def _studio(x: Tensor, y: Tensor, base: Tensor, f: Tensor, p: Tensor, w: Tensor) -> Tensor:
    """A paper sweep: wall and floor that meet softly, with a pool of light."""
    horizon = 0.6 * p - 0.1
    floor = torch.sigmoid((y - horizon) * (3 + 25 * w))
    light = 1 - 0.28 * f * ((x - 0.3 * p) ** 2 + (y + 0.2) ** 2)
    tone = 0.62 + 0.38 * base
    return tone * light * (1 - (0.25 * w - 0.08) * floor)


def _shapes(x: Tensor, y: Tensor, base: Tensor, second: Tensor, noise: Tensor, draw: Draw) -> Tensor:
    """A room out of focus: soft rectangles and discs behind, a surface in front."""
    count = len(base)
    picture = base + 0.08 * noise[:, :1]
    for index in range(6):
        cx, cy, sx, sy, soft = (draw(count, 1, 1, 1) for _ in range(5))
        ink = draw(count, 3, 1, 1)
        dx, dy = (x - (2 * cx - 1)) / (0.1 + 0.5 * sx), (y - (2 * cy - 1)) / (0.1 + 0.5 * sy)
        reach = torch.maximum(dx.abs(), dy.abs()) if index % 2 else torch.sqrt(dx * dx + dy * dy)
        picture = picture + (ink - picture) * torch.sigmoid((1 - reach) * (4 + 40 * soft))
    front = torch.sigmoid((y - 0.2 - 0.5 * draw(count, 1, 1, 1)) * 30)
    return picture + (second * (1 + 0.2 * noise[:, 1:]) - picture) * front


def _blur(image: Tensor, radius: int) -> Tensor:
    """Three box filters: close to a Gaussian of about ``radius`` pixels."""
    if radius < 1:
        return image
    for _ in range(3):
        image = F.avg_pool2d(F.pad(image, [radius] * 4, mode="replicate"), 2 * radius + 1, 1)
    return image


def _shadow(mask: Tensor, draw: Draw) -> Tensor:
    """Factor ``(N, 1, S, S)`` on the ground: a contact shadow under the object and a wide cast one beside it."""
    count, size = len(mask), mask.shape[-1]
    strength, wide, shift, squash = (draw(count, 1, 1, 1) for _ in range(4))
    on = draw(count, 1, 1, 1) < 0.75
    axis = torch.linspace(-1, 1, size, device=mask.device)
    seen = mask[:, 0].amax(2) > 0.3
    bottom = torch.where(seen, axis, -1.0).amax(1).view(-1, 1, 1)
    # The shadow lies on the floor: the silhouette, flattened towards the object's lowest line and sheared sideways.
    x, y = axis[None, None, :], axis[None, :, None]
    flat = 0.12 + 0.35 * squash[:, 0]
    source_y = bottom + (y - bottom) / flat
    source_x = x + (shift[:, 0] - 0.5) * 1.6 * (y - bottom) / flat
    grid = torch.stack([source_x.expand(count, size, size), source_y.expand(count, size, size)], -1)
    cast = F.grid_sample(mask, grid, align_corners=True)
    near, far = _blur(cast, max(1, size // 64)), _blur(cast, max(1, size // 18))
    soft = torch.where(wide < 0.5, near, far)
    around = _blur(mask, max(1, size // 24))
    dark = (0.15 + 0.5 * strength) * soft + 0.25 * squash * around * (shift > 0.3)
    return 1 - dark.clamp(0, 0.85) * on


def _graded(image: Tensor, kind: Tensor, draw: Draw) -> Tensor:
    """Exposure, colour cast, a little blur and noise. Over-exposed whites are clipped, as cameras do."""
    count = len(image)
    gain = 1 + 0.3 * (draw(count, 1, 1, 1) - 0.45)
    bright = (kind <= 1).view(-1, 1, 1, 1)
    gain = torch.where(bright & (draw(count, 1, 1, 1) < 0.35), 1.0 + 0.25 * gain, gain)
    gain = torch.where(bright & (gain < 1), 1.0, gain)
    cast = 1 + 0.16 * (draw(count, 3, 1, 1) - 0.5) * (draw(count, 1, 1, 1) < 0.4)
    image = (image * gain * cast).clamp(0, 1)
    soft = 0.8 * draw(count, 1, 1, 1) * (draw(count, 1, 1, 1) < 0.5)
    image = image + (_blur(image, max(1, image.shape[-1] // 256)) - image) * soft
    noise = (draw(*image.shape) + draw(*image.shape) - 1) * 0.06 * draw(count, 1, 1, 1) ** 2
    return image + noise
