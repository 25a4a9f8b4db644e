"""Weights of an exported segmenter back into the network that trains."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn


def load_exported(network: nn.Module, path: Path, photos: Tensor) -> None:
    """Fill ``network`` with what an ONNX file of :func:`training.segmenter.network.export_onnx` holds.

    The export folds most batch norms into the convolution before them. Those start anew as what ``photos
    (B, 3, S, S)`` need for the norm to change nothing: their scale and shift are the standard deviation and the mean
    that the folded convolution has on these photos. Modules that the file lacks keep their weights.
    Raises :class:`ValueError` if the file fits the network nowhere.
    """
    import torch
    from torch import nn

    named, folded = _read(path)
    own = network.state_dict()
    known = {name: torch.from_numpy(value) for name, value in named.items() if name in own}
    modules = dict(network.named_modules())
    followers = _norms_after(network, photos[:1])
    fresh: dict[nn.Module, Tensor] = {}
    for name, (weight, bias) in folded.items():
        if name in followers and own[f"{name}.weight"].shape == weight.shape:
            known[f"{name}.weight"] = torch.from_numpy(weight)
            fresh[modules[followers[name]]] = torch.from_numpy(bias)
    if not fresh:
        raise ValueError(f"{path.name} holds nothing that fits this network")
    network.load_state_dict({**own, **known})

    def settle(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        values = inputs[0].float()
        mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), unbiased=False)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + fresh[norm])

    hooks = [norm.register_forward_pre_hook(settle) for norm in fresh]
    training = network.training
    network.eval()
    with torch.no_grad():
        network(photos)
    network.train(training)
    for hook in hooks:
        hook.remove()


def _norms_after(network: nn.Module, photo: Tensor) -> dict[str, str]:
    """Of every convolution without a bias, the batch norm that is called next."""
    import torch
    from torch import nn

    calls: list[tuple[str, nn.Module]] = []
    hooks = [
        module.register_forward_hook(lambda module, _in, _out, name=name: calls.append((name, module)))
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))
    ]
    with torch.no_grad():
        network(photo)
    for hook in hooks:
        hook.remove()
    return {
        name: after
        for (name, module), (after, norm) in pairwise(calls)
        if isinstance(module, nn.Conv2d) and module.bias is None and isinstance(norm, nn.BatchNorm2d)
    }


Array = NDArray[np.float32]


def _read(path: Path) -> tuple[dict[str, Array], dict[str, tuple[Array, Array]]]:
    """Parameters under their own names, and folded convolutions by module name: weight and bias."""
    import onnx
    from onnx import numpy_helper

    graph: Any = onnx.load(str(path)).graph
    values = {t.name.removesuffix("_half"): numpy_helper.to_array(t).astype(np.float32) for t in graph.initializer}
    named = {name.removeprefix("network."): value for name, value in values.items() if name.startswith("network.")}
    folded = {}
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and not node.input[1].startswith("network."):
            folded[_module(node.name)] = (values[node.input[1]], values[node.input[2]])
    return named, folded


def _module(node: str) -> str:
    """``/network/deepest/deepest.1/body/body.0/Conv`` is ``deepest.1.body.0``: a sequence repeats its own name."""
    parts: list[str] = []
    for part in node.strip("/").split("/")[1:-1]:
        if parts and part.startswith(parts[-1].rpartition(".")[2] + "."):
            parts[-1] += part[len(parts[-1].rpartition(".")[2]) :]
        else:
            parts.append(part)
    return ".".join(parts)
