"""The exact short cut of cross-attention for one context token (REFERENCE section 1).

With a single token the softmax is 1 whatever queries and keys are, so the block adds ``to_out(to_v(context))`` to
every position. That is one small product a pose instead of two products and an attention over all positions.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from core.zero123.model import Zero123


class SingleTokenAttention:
    """A diffusers attention processor: the short cut for one token, the usual attention for more.

    The value is kept as long as the same context tensor comes back (a sampling run calls with one tensor at every
    step) and only where no gradient is recorded.
    """

    def __init__(self, usual: Any) -> None:
        self.usual = usual
        self._kept: tuple[weakref.ref[Tensor], tuple[int, ...], Tensor] | None = None

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **more: Any
    ) -> Any:
        if encoder_hidden_states is None or encoder_hidden_states.shape[1] != 1:
            return self.usual(attn, hidden_states, encoder_hidden_states=encoder_hidden_states, **more)
        return self._value_of(attn, encoder_hidden_states)

    def __reduce__(self) -> Any:
        return SingleTokenAttention, (self.usual,)  # copies start with nothing kept

    def _value_of(self, attn: Any, context: Tensor) -> Tensor:
        import torch

        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            value: Tensor = attn.to_out[0](attn.to_v(context))
            return value
        # Addresses change with `to`, versions when an optimiser or an in-place edit touches weights or context.
        inputs = (context, attn.to_v.weight, attn.to_out[0].weight, attn.to_out[0].bias)
        stamp = tuple(number for item in inputs for number in (item.data_ptr(), _version(item)))
        kept = self._kept  # read once: another thread may sample with the same model
        if kept is None or kept[0]() is not context or kept[1] != stamp:
            kept = (weakref.ref(context), stamp, attn.to_out[0](attn.to_v(context)))
            self._kept = kept
        return kept[2]


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version


def use_single_token_shortcut(model: Zero123, on: bool = True) -> None:
    """Switch the short cut of every cross-attention of the U-Net on or off; outputs do not change."""
    for name, module in model.unet.named_modules():
        if name.endswith(".attn2"):
            processor = module.processor
            usual = processor.usual if isinstance(processor, SingleTokenAttention) else processor
            module.processor = SingleTokenAttention(usual) if on else usual
