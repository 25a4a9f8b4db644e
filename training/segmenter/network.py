"""The starter segmenter's network: a small U-Net, and the ONNX file that rembg runs."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

SIDE = 320
"""Side of the ONNX file's input and mask, pixels: that of rembg's ``u2net_custom`` session."""

INNER_SIDE = 320
"""Side at which the network itself works; where it is not :data:`SIDE`, the ONNX file scales to it and back."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What that session subtracts and divides by, after it has divided the photo by its brightest value."""


@dataclass(frozen=True)
class Layout:
    """The numbers of a network. Defaults: the next one's, 2.9 M parameters."""

    width: int = 32
    sixteenth: int = 4
    """Blocks at a sixteenth of the side."""
    deepest: str = "WEWA" * 4
    """Blocks at the coarsest level: W wide, E everything, A attention."""
    place: bool = True
    side: int = INNER_SIDE
    """At which it works."""


NEXT = Layout()
SHIPPED = Layout(24, 3, "WEWEWAWA", place=False, side=256)
"""Of `models/segmenter/starter.onnx`, 1.0 M parameters."""


def build_network(layout: Layout = NEXT) -> nn.Module:
    """``(B, 3, S, S)`` normalised photo to logits ``(B, 1, S, S)``; S a multiple of 32.

    In training it returns logits ``(B, 1, S/8, S/8)`` too, so that its coarse half learns where things are at once.
    Plain 3×3 convolutions where pixels are many (fast on CPUs), depthwise 5×5 where channels are many; the coarsest
    level also sees the mean of everything, so that what is background is decided once for the whole photo, knows
    where in the photo it is, and asks all other places by attention, so that what lies within an outline can learn
    it from there. The last step from half to full size is a pixel shuffle: full-size convolutions would cost more
    than all the rest.
    """
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                _conv(channels, channels), nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            )
            self.norm = nn.BatchNorm2d(channels)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x + self.norm(self.body(x)))

    class Wide(nn.Module):
        """Depthwise 5×5, then two 1×1: a ConvNeXt block with batch norm."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(channels, channels, 5, padding=2, groups=channels, bias=False),
                nn.BatchNorm2d(channels),
                nn.Conv2d(channels, channels * 2, 1),
                nn.ReLU(),
                nn.Conv2d(channels * 2, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = x + self.body(x)
            return out

    class Everything(nn.Module):
        """Adds a function of the mean over all pixels to every pixel."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.mix = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = x + self.mix(x.mean((2, 3), keepdim=True))
            return out

    class Attention(nn.Module):
        """Every place asks all others: ``heads`` dot products, no position but what convolutions know of borders."""

        def __init__(self, channels: int, heads: int = 4) -> None:
            super().__init__()
            self.heads, self.norm = heads, nn.BatchNorm2d(channels)
            self.ask, self.tell = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)
            nn.init.normal_(self.tell.weight, std=1e-3)  # at first it adds next to nothing

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            count, channels, height, width = x.shape
            each = channels // self.heads
            query, key, value = self.ask(self.norm(x)).reshape(count, 3, self.heads, each, height * width).unbind(1)
            weight = torch.softmax(query.transpose(-1, -2) @ key * each**-0.5, -1)
            heard = (value @ weight.transpose(-1, -2)).reshape(count, channels, height, width)
            out: torch.Tensor = x + self.tell(heard)
            return out

    class Place(nn.Module):
        """Adds a function of the place: x, y in -1..1 and the squared distance from the middle."""

        def __init__(self, channels: int) -> None:
            super().__init__()
            self.tell = nn.Conv2d(3, channels, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            down, right = (torch.linspace(-1, 1, side, device=x.device, dtype=x.dtype) for side in x.shape[2:])
            v, u = torch.meshgrid(down, right, indexing="ij")
            out: torch.Tensor = x + self.tell(torch.stack([u, v, u * u + v * v])[None])
            return out

    class Up(nn.Module):
        """Twice the size, joined with the encoder's features of that size."""

        def __init__(self, below: int, skip: int, channels: int, after: nn.Module) -> None:
            super().__init__()
            self.below, self.skip = nn.Conv2d(below, channels, 1, bias=False), nn.Conv2d(skip, channels, 1, bias=False)
            self.norm, self.after = nn.BatchNorm2d(channels), after

        def forward(self, below: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
            grown = nn.functional.interpolate(self.below(below), scale_factor=2.0, mode="bilinear")
            out: torch.Tensor = self.after(torch.relu(self.norm(grown + self.skip(skip))))
            return out

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            a, b, c, d, e = (round(layout.width * times) for times in (0.5, 1, 2, 4, 6))
            self.stem = _conv(3, a, 2)
            self.quarter = nn.Sequential(_conv(a, b, 2), Residual(b))
            self.eighth = nn.Sequential(_conv(b, c, 2), Wide(c), Wide(c))
            self.sixteenth = nn.Sequential(_conv(c, d, 2), *(Wide(d) for _ in range(layout.sixteenth)))
            blocks: list[nn.Module] = [{"W": Wide, "E": Everything, "A": Attention}[kind](e) for kind in layout.deepest]
            self.deepest = nn.Sequential(_conv(d, e, 2), *[Place(e)] * layout.place, *blocks)
            self.up16, self.up8 = Up(e, d, d, Wide(d)), Up(d, c, c, Wide(c))
            self.up4, self.up2 = Up(c, b, b, Residual(b)), Up(b, a, a, _conv(a, a))
            self.out = nn.Sequential(nn.Conv2d(a, 4, 3, padding=1), nn.PixelShuffle(2))
            self.coarse = nn.Conv2d(c, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
            half = self.stem(x)
            quarter = self.quarter(half)
            eighth = self.eighth(quarter)
            sixteenth = self.sixteenth(eighth)
            y = self.up8(self.up16(self.deepest(sixteenth), sixteenth), eighth)
            out: torch.Tensor = self.out(self.up2(self.up4(y, quarter), half))
            return (out, self.coarse(y)) if self.training else out

    def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
        parts = OrderedDict(
            conv=nn.Conv2d(before, after, 3, stride, 1, bias=False), norm=nn.BatchNorm2d(after), act=nn.ReLU()
        )
        return nn.Sequential(parts)

    return Network()


def export_onnx(network: nn.Module, inner: int = INNER_SIDE, half: bool = True) -> bytes:
    """The network at ``inner``² with a sigmoid, as ONNX for rembg's ``u2net_custom`` session.

    It maps a normalised photo ``(1, 3, 320, 320)`` to probabilities ``(1, 1, 320, 320)``.

    ``half`` stores weights as float16 and casts them back while the file loads: half the size, float32 arithmetic.
    """
    import tempfile
    import warnings
    from pathlib import Path

    import onnx
    import torch
    from torch import nn

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if inner == SIDE:
                return torch.sigmoid(self.network(x))
            small = nn.functional.interpolate(x, size=(inner, inner), mode="bilinear")
            logits = nn.functional.interpolate(self.network(small), size=(SIDE, SIDE), mode="bilinear")
            return torch.sigmoid(logits)

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = str(Path(folder) / "network.onnx")
        warnings.simplefilter("ignore", DeprecationWarning)  # the newer exporter needs onnxscript, this one nothing
        torch.onnx.export(
            Whole().eval(),
            (torch.zeros(1, 3, SIDE, SIDE),),
            path,
            input_names=["photo"],
            output_names=["mask"],
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(path)
    if half:
        _store_as_half(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _store_as_half(model: object) -> None:
    """Replace float32 initializers by float16 ones with a cast; onnxruntime folds the casts when it loads the file."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph  # type: ignore[attr-defined]
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 64:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)
