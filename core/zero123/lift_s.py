"""Lift-S: the lift as a transformer. A cutout of 128² to a volume of 64³ in the cutout's own frustum.

Patches of 8 pixels are tokens, beside one that says the elevation (or that it is unknown), one that says how far the
cutout's middle lies from the camera's axis, and a few registers (Darcet et al. 2024, arXiv:2309.16588). Each patch's
token becomes the densities of its ``4 x 4`` columns and the colours of its ``2 x 2``; two convolutions over the photo's
plane mend the seams between patches. Where the elevation is unknown, its token answers with one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 128
"""Pixels along a side of the cutout."""

PATCH = 8
DEPTH = SIZE // 2
"""Cells of the density along each axis."""


class Block(nn.Module):
    """Attention and a feed-forward part, each normalised before and scaled after (Touvron et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.tell = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((2, width), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        count, tokens, width = x.shape
        query, key, value = self.ask(self.before(x)).view(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(count, tokens, width)
        x = x + self.scale[0] * self.tell(heard)
        out: Tensor = x + self.scale[1] * self.shrink(F.gelu(self.grow(self.between(x))))
        return out


class LiftS(nn.Module):
    def __init__(self, width: int, layers: int, heads: int, registers: int) -> None:
        super().__init__()
        self.config = {"width": width, "layers": layers, "heads": heads, "registers": registers}
        cells = SIZE // PATCH
        self.patches = nn.Conv2d(4, width, PATCH, PATCH)
        self.places = nn.Parameter(torch.randn(1, cells * cells, width) * 0.02)
        self.registers = nn.Parameter(torch.randn(1, registers, width) * 0.02)
        self.unknown = nn.Parameter(torch.randn(1, width) * 0.02)
        self.angle = nn.Sequential(nn.Linear(4, width), nn.GELU(), nn.Linear(width, width))
        self.shift = nn.Linear(2, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.density, self.colour = nn.Linear(width, 16 * DEPTH), nn.Linear(width, 4 * 4 * DEPTH // 2)
        self.elevation = nn.Linear(width, 2)
        mended = nn.Conv2d(2 * DEPTH, DEPTH, 3, padding=1)
        self.seams = nn.Sequential(nn.Conv2d(DEPTH + 4, 2 * DEPTH, 3, padding=1), nn.GELU(), mended)
        with torch.no_grad():  # nearly empty everywhere, colour taken from the photo's pixel
            self.density.bias.fill_(-3.0)
            self.colour.bias.view(4, 4, -1)[:, 3] = 1.0  # of each of 2 x 2 columns
            for part in mended.parameters():
                part.zero_()
            self.elevation.weight.zero_()
            self.elevation.bias.copy_(torch.tensor([20.0 / 90, -1.5]))

    def forward(self, cutout: Tensor, elevation: Tensor, known: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Density logits ``(B, 1, 64, 64, 64)``, colour logits ``(B, 4, 32, 32, 32)`` (red, green, blue, share of the
        photo's pixel; axes depth, v, u), and the elevation's ``(B, 2)``: mean / 90 and log of its scale / 90.

        ``cutout (B, 4, 128, 128)``: colour over white and alpha, in [-1, 1]. ``elevation (B,)`` degrees counts where
        ``known (B,)``. ``shift (B, 2)``: where the cutout's middle lies, right and down of the camera's axis, in
        halves of the cutout's side.
        """
        turn = torch.deg2rad(elevation)[:, None]
        angle = self.angle(torch.cat([turn.sin(), turn.cos(), (2 * turn).sin(), (2 * turn).cos()], 1))
        angle = torch.where(known[:, None], angle, self.unknown)
        count = len(cutout)
        tokens = self.patches(cutout).flatten(2).transpose(1, 2) + self.places
        told = torch.stack([angle, self.shift(shift)], 1).to(tokens.dtype)
        x = torch.cat([told, self.registers.expand(count, -1, -1).to(tokens.dtype), tokens], 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        guess = self.elevation(x[:, 0])
        side = SIZE // PATCH
        plane = x[:, -side * side :].transpose(1, 2).reshape(count, -1, side, side).permute(0, 2, 3, 1)
        density = F.pixel_shuffle(self.density(plane).permute(0, 3, 1, 2), 4)
        density = density + self.seams(torch.cat([density, F.avg_pool2d(cutout, 2).to(density.dtype)], 1))
        # Of every token: 2 x 2 columns, of 4 channels and DEPTH / 2 cells.
        colour = self.colour(plane).view(count, side, side, 2, 2, 4, DEPTH // 2).permute(0, 5, 6, 1, 3, 2, 4)
        return density[:, None], colour.reshape(count, 4, DEPTH // 2, 2 * side, 2 * side), guess


def cutout_of(images: Tensor) -> Tensor:
    """Pictures over white ``(B, 3 or 4, S, S)`` in [-1, 1] as Lift-S takes them, ``(B, 4, 128, 128)``.

    Where no alpha is known, what differs from white is the product.
    """
    if images.shape[-1] > SIZE:
        images = F.interpolate(images, (SIZE, SIZE), mode="area")
    elif images.shape[-1] < SIZE:
        images = F.interpolate(images, (SIZE, SIZE), mode="bilinear", align_corners=False)
    if images.shape[1] == 4:
        return images
    dark = (1 - images).amax(1, keepdim=True) / 2
    return torch.cat([images, ((dark - 8 / 255) * (255 / 24)).clamp(0, 1) * 2 - 1], 1)


def predicted_elevation(net: LiftS, images: Tensor) -> tuple[float, float]:
    """Degrees, and the probability that they are right within 10, of one picture ``(1, 3 or 4, S, S)``.

    The head answers with a Laplace distribution.
    """
    nothing = images.new_zeros(1)
    guess = net(cutout_of(images), nothing, nothing > 0, images.new_zeros(1, 2))[2][0].float()
    scale = 90 * float(guess[1].exp())
    return max(-90.0, min(90.0, 90 * float(guess[0]))), 1 - float(torch.exp(torch.tensor(-10 / max(scale, 1e-3))))
