# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers whose batch comes first (layout 1), which onnxruntime refuses: transposes around the usual form."""

from __future__ import annotations

from dataclasses import replace

from swm.graph import Node, Recurrent, TensorType, Transpose
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result

__all__ = ["batch_second"]

_SWAPPED = (1, 0, 2)  # X between (batch, time, inputs) and (time, batch, inputs), states likewise
_OUTPUTS = (2, 0, 1, 3)  # Y from (time, directions, batch, hidden) to (batch, time, directions, hidden)


def batch_second(context: Context, node: RawNode, made: Recurrent | None) -> Result:
    """A layer made as if its layout were 0, given and giving what layout 1 means."""
    if made is None:
        return None
    before: list[Node] = []
    inputs = list(made.inputs)
    for place, tensor in enumerate(made.inputs):
        if tensor and place != 1:  # sequence_lens has no time
            dims = context.dims(tensor)
            if dims is not None and len(dims) != 3:
                raise node.error(f"{tensor!r} has shape {list(dims)}, needs three axes; export the model again")
            inputs[place] = _transposed(context, node, tensor, before)
    after: list[Node] = []
    outputs = list(made.outputs)
    for place, tensor in enumerate(made.outputs):
        if tensor:
            outputs[place] = context.tensors.unique(f"{node.name}/time_first")
            name = context.names.unique(f"{node.name}/batch_first")
            perm = _SWAPPED if place else _OUTPUTS
            _type_before(context, outputs[place], tensor, perm)
            after.append(Transpose(name=name, inputs=(outputs[place],), outputs=(tensor,), perm=perm))
    return (*before, replace(made, inputs=tuple(inputs), outputs=tuple(outputs)), *after)


def _type_before(context: Context, before: str, after: str, perm: tuple[int, ...]) -> None:
    """The type of what a transpose reads, from that of what it writes."""
    kind = context.types.get(after)
    if kind is None or kind.shape is None or len(kind.shape) != len(perm):
        return
    context.types[before] = TensorType(kind.elem, tuple(kind.shape[perm.index(i)] for i in range(len(perm))))


def _transposed(context: Context, node: RawNode, tensor: str, before: list[Node]) -> str:
    output = context.tensors.unique(f"{node.name}/time_first")
    kind, dims = context.types.get(tensor), context.dims(tensor)
    if kind is not None:
        shape = None if dims is None else tuple(dims[p] for p in _SWAPPED)
        context.types[output] = TensorType(kind.elem, shape)
    name = context.names.unique(f"{node.name}/transpose")
    before.append(Transpose(name=name, inputs=(tensor,), outputs=(output,), perm=_SWAPPED))
    return output
