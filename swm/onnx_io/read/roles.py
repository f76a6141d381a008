# SPDX-License-Identifier: Apache-2.0
"""Which inputs of an operator are weights, and what they are called."""

from __future__ import annotations

from swm.graph import Conv, ConvTranspose, Linear, Node, Recurrent

__all__ = ["WEIGHTED", "roles"]

WEIGHTED: tuple[type[Node], ...] = (Conv, ConvTranspose, Linear, Recurrent)
_LAYER = ("", "weight", "bias")
_RECURRENT = ("", "W", "R", "B")
_ROLES = {
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), _LAYER),
    **dict.fromkeys(("Einsum", "MatMul"), ("weight", "weight")),  # one of the two is a constant
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _RECURRENT),
}


def roles(op: str) -> tuple[str, ...]:
    """The name of each input's weights; empty for inputs that are none."""
    return _ROLES.get(op, ())
