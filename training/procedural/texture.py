"""Albedo patterns, evaluated at the hits in the local frame of the row that shows there."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from training.procedural.table import ObjectTable

PLAIN, STRIPES, CHECKS, NOISE, WOOD, GRADIENT, DOTS, LABEL, LOGO, WEAVE, BRICKS, PATCHES, KEYS, BANDS, FACE = range(15)


def paint(table: ObjectTable, owner: Tensor, rows: Tensor, points: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """sRGB albedo ``(M, 3)`` and gloss ``(M,)`` at dataset points ``3 x (M,)`` of ``owner`` and ``rows``."""
    slots = table.kind.shape[1]
    flat = owner * slots + rows
    scale, center = table.scale[owner], table.center[owner]
    own = [axis * scale + center[:, i] for i, axis in enumerate(points)]
    place = table.place.reshape(-1, 12)[flat]
    mirror = table.mirror.reshape(-1, 2)[flat]
    x = torch.where(mirror[:, 0], own[0].abs(), own[0]) - place[:, 9]
    z = torch.where(mirror[:, 1], own[2].abs(), own[2]) - place[:, 11]
    y = own[1] - place[:, 10]
    local = torch.stack([place[:, 3 * i] * x + place[:, 3 * i + 1] * y + place[:, 3 * i + 2] * z for i in range(3)], -1)
    colors = table.colors.reshape(-1, 3, 3)[flat]
    options = table.texture.reshape(-1, table.texture.shape[-1])[flat]
    pattern = table.pattern.reshape(-1)[flat]
    albedo = colors[:, 0].clone()
    for kind, formula in PATTERNS.items():
        chosen = torch.nonzero(pattern == kind)[:, 0]
        if len(chosen):
            weights = formula(local[chosen], options[chosen])
            albedo[chosen] = (weights[:, :, None] * colors[chosen]).sum(1)
    return albedo, options[:, 4]


def _mix(second: Tensor, third: Tensor | None = None) -> Tensor:
    """Weights of the three colours from the shares of the second and (over it) the third."""
    third = torch.zeros_like(second) if third is None else third
    return torch.stack([(1 - second) * (1 - third), second * (1 - third), third], -1)


def _hash(cell: Tensor, seed: Tensor) -> Tensor:
    """A number in 0..1 for integer cells ``(M, n)`` and a seed ``(M,)``: integer mixing, the same on every device."""
    h = (seed * 7919).long()
    for axis in range(cell.shape[-1]):
        h = (h ^ (cell[:, axis].long() * (73856093, 19349663, 83492791)[axis])) & 0x7FFFFFFF
        h = (h * 48271 + 11) & 0x7FFFFFFF
        h = h ^ (h >> 13)
    h = (h * 16807) & 0x7FFFFFFF
    return (h & 0xFFFFF).to(torch.float32) / 0x100000


def _value_noise(p: Tensor, seed: Tensor) -> Tensor:
    """Smooth noise in 0..1 at ``p (M, 3)``."""
    low = p.floor()
    f = p - low
    f = f * f * (3 - 2 * f)
    total = torch.zeros_like(seed)
    for corner in range(8):
        bits = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1], device=p.device, dtype=p.dtype)
        weight = torch.where(bits > 0, f, 1 - f).prod(-1)
        total = total + weight * _hash(low + bits, seed)
    return total


def _turned(p: Tensor, o: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Local point scaled by the pattern's frequency and turned about Z by its angle."""
    c, s = torch.cos(o[:, 1]), torch.sin(o[:, 1])
    x, y, z = p.unbind(-1)
    return (c * x - s * y) * o[:, 0], (s * x + c * y) * o[:, 0], z * o[:, 0]


def _stripes(p: Tensor, o: Tensor) -> Tensor:
    _, y, _ = _turned(p, o)
    phase = y - y.floor()
    return _mix((phase < o[:, 2]).float(), ((phase > o[:, 2]) & (phase < o[:, 2] + o[:, 6])).float())


def _checks(p: Tensor, o: Tensor) -> Tensor:
    x, y, z = _turned(p + 1e-3, o)
    return _mix((x.floor() + y.floor() + z.floor()) % 2)


def _noise(p: Tensor, o: Tensor) -> Tensor:
    q = p * o[:, :1]
    n = 0.65 * _value_noise(q, o[:, 3]) + 0.35 * _value_noise(q * 2.3, o[:, 3] + 1)
    return _mix(((n - 0.5) * o[:, 2] + 0.5).clamp(0, 1))


def _wood(p: Tensor, o: Tensor) -> Tensor:
    q = torch.stack(_turned(p, o), -1)
    stretched = q * q.new_tensor([1.0, 0.12, 1.0])
    n = _value_noise(stretched * 1.3, o[:, 3])
    ring = torch.sqrt(stretched[:, 0] ** 2 + stretched[:, 2] ** 2) * 2 + 2.5 * n
    phase = ring - ring.floor()
    grain = _value_noise(q * q.new_tensor([9.0, 0.6, 9.0]), o[:, 3] + 3)
    return _mix((0.75 * phase * phase + 0.35 * grain).clamp(0, 1))


def _gradient(p: Tensor, o: Tensor) -> Tensor:
    _, y, _ = _turned(p, o)
    t = (y + 0.5).clamp(0, 1)
    return _mix(t * t * (3 - 2 * t))


def _dots(p: Tensor, o: Tensor) -> Tensor:
    x, y, z = _turned(p, o)
    q = torch.stack([x, y + 0.5 * (x.floor() % 2), z], -1)
    f = q - q.floor() - 0.5
    return _mix(((f * f).sum(-1) < o[:, 2] ** 2).float())


def _weave(p: Tensor, o: Tensor) -> Tensor:
    x, y, z = _turned(p, o)
    over = torch.sin(6.2832 * (x + z)) * torch.sin(6.2832 * y)
    return _mix(0.5 + 0.5 * over * o[:, 2])


def _bricks(p: Tensor, o: Tensor) -> Tensor:
    x, y, z = _turned(p, o)
    x = x + z + 0.5 * (y.floor() % 2)
    fx, fy = x / 2 - (x / 2).floor(), y - y.floor()
    return _mix(((fx < 0.06) | (fy < 0.12)).float())


def _patches(p: Tensor, o: Tensor) -> Tensor:
    q = torch.stack(_turned(p + 7e-4, o), -1).floor()
    n = _hash(q, o[:, 3])
    return _mix(((n > 0.4) & (n < 0.72)).float(), (n >= 0.72).float())


def _bands(p: Tensor, o: Tensor) -> Tensor:
    _, y, _ = _turned(p, o)
    n = _hash(torch.stack([(y * 3 + 0.35 * torch.sin(y.floor() * 9)).floor()], -1), o[:, 3])
    return _mix(((n > 0.5) & (n < 0.78)).float(), (n >= 0.78).float())


def _keys(p: Tensor, o: Tensor) -> Tensor:
    """A grid of rounded keys in the x-y plane."""
    x, y, _ = _turned(p, o)
    fx, fy = (x - x.floor() - 0.5).abs(), (y - y.floor() - 0.5).abs()
    key = (torch.maximum(fx, fy) < 0.40).float()
    odd = _hash(torch.stack([x.floor(), y.floor()], -1), o[:, 3]) > 0.85
    return _mix(key * (~odd).float(), key * odd.float())


FONT = (
    "25755 35353 74447 35553 74747 74744 74557 55755 72227 11157 55655 44447 57755 57755 25552 65644 25573 65655 "
    "34216 72222 55557 55552 55775 55255 55222 71247 25552 26227 61247 61216 55711 74616 34757 71244 75757 75711"
)
"""Glyphs of 3 x 5 pixels, A to Z and 0 to 9: five octal rows from the top."""

LETTERS = 36


def _glyph(column: Tensor, row: Tensor, letter: Tensor) -> Tensor:
    """Whether pixel ``column`` (0..2), ``row`` (0..4) of a letter is set."""
    font = torch.tensor([[int(digit) for digit in glyph] for glyph in FONT.split()], device=letter.device)
    bits = font[letter, row.clamp(0, 4)]
    return ((bits >> (2 - column.clamp(0, 2))) & 1).bool() & (column < 3) & (row < 5) & (row >= 0) & (column >= 0)


def _unwrap(p: Tensor, o: Tensor) -> tuple[Tensor, Tensor]:
    """Label coordinates in -1..1: flat (mapping 0) or around an axis ``o[2]`` behind the origin (mapping = radius)."""
    x, y, z = p.unbind(-1)
    around = torch.atan2(x, z + o[:, 2]) * o[:, 5]
    flat_u = torch.where(z < -0.03, -x, x)  # readable on the back as well
    return torch.where(o[:, 5] > 0, around, flat_u) / o[:, 6].clamp(min=1e-3), y / o[:, 7].clamp(min=1e-3)


def _text(u: Tensor, v: Tensor, seed: Tensor, letters: float) -> Tensor:
    """One line of random capital letters for ``u`` in 0..1, ``v`` in 0..1 (down)."""
    column = (u * letters * 4).floor()
    cell = (column / 4).floor()
    n = _hash(torch.stack([cell], -1), seed)
    letter = (n * LETTERS).long().clamp(0, LETTERS - 1)
    gap = n > 0.9
    inside = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
    return _glyph((column - cell * 4).long(), (v * 5).floor().long(), letter) & inside & ~gap


def _label(p: Tensor, o: Tensor) -> Tensor:
    """A printed label: a band or a mark, a large word, small lines; ground, ink, accent."""
    u, v = _unwrap(p, o)
    seed, style = o[:, 3], (o[:, 3] * 3.7) % 1
    u1, v1 = (u + 0.8) / 1.6, (0.5 - v) / 0.42
    ink = _text(u1, v1 - 0.1, seed, 5.0)
    for line in range(3):
        ink = ink | _text((u + 0.7) / (1.4 - 0.2 * line), (-0.18 - 0.2 * line - v) / 0.12, seed + 5 + line, 13.0)
    band = (v > 0.62) & (style < 0.55) | (v < -0.78) & (style > 0.3)
    mark = ((u - 0.1) ** 2 + ((v - 0.74) * 1.2) ** 2 < 0.035) & (style >= 0.55)
    side = (u.abs() > 0.9) & (style > 0.8)
    return _mix(ink.float(), (band | mark | side).float())


def _logo(p: Tensor, o: Tensor) -> Tensor:
    """A round, ring-like or star-like mark with a letter; ground, mark, letter."""
    u, v = _unwrap(p, o)
    style = (o[:, 3] * 5.3) % 1
    r, a = torch.sqrt(u * u + v * v), torch.atan2(v, u)
    spikes = (3 + (style * 17).floor() % 5).clamp(3, 7)
    star = r < 0.55 + 0.2 * torch.cos(a * spikes)
    ring = (r < 0.8) & (r > 0.55)
    disc = r < 0.75
    mark = torch.where(style < 0.33, ring, torch.where(style < 0.66, star, disc))
    letter = _text((u + 0.3) / 0.75 * 0.99, (0.35 - v) / 0.7, o[:, 3] + 2, 1.0) & (style >= 0.66)
    word = _text((u + 0.9) / 1.8, (-0.8 - v) / 0.2, o[:, 3], 6.0)
    return _mix((mark | word).float(), letter.float())


def _face(p: Tensor, o: Tensor) -> Tensor:
    """A screen: dark ground, a lit panel and lines of a user interface."""
    u, v = _unwrap(p, o)
    cell = torch.stack([(u * 4).floor(), (v * 5).floor()], -1)
    n = _hash(cell, o[:, 3])
    line = (((v * 5) % 1) > 0.45) & (n > 0.35)
    panel = (u * 4).floor() % 4 == (o[:, 3] * 11).floor() % 4
    return _mix((line & ~panel).float() * 0.8, panel.float() * 0.7)


PATTERNS = {
    STRIPES: _stripes,
    CHECKS: _checks,
    NOISE: _noise,
    WOOD: _wood,
    GRADIENT: _gradient,
    DOTS: _dots,
    LABEL: _label,
    LOGO: _logo,
    WEAVE: _weave,
    BRICKS: _bricks,
    PATCHES: _patches,
    KEYS: _keys,
    BANDS: _bands,
    FACE: _face,
}
