# SPDX-License-Identifier: Apache-2.0
"""Handlers of normalisation by the tensor's own statistics."""

from __future__ import annotations

from swm.graph import GroupNormalization, InstanceNormalization, LayerNormalization, RMSNormalization
from swm.onnx_io.read.arguments import from_front, only_first
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []

_SINGLE = 1  # stash_type float32, which is all that onnxruntime knows


@handler("LayerNormalization", since=17, becomes="LayerNormalization")
def layer_normalization(
    context: Context, node: RawNode, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Result:
    """Where nothing reads mean and deviation."""
    axis = _from_back(context, node, axis)
    if axis >= 0 or stash_type != _SINGLE or not only_first(context, node):
        return None
    inputs = node.inputs[: 2 if not node.inputs[-1] else 3]
    return LayerNormalization(name=node.name, inputs=inputs, outputs=node.outputs[:1], axis=axis, epsilon=epsilon)


@handler("RMSNormalization", since=23, becomes="RMSNormalization")
def rms_normalization(
    context: Context, node: RawNode, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Result:
    """All in single precision."""
    axis = _from_back(context, node, axis)
    if axis >= 0 or stash_type != _SINGLE:
        return None
    return RMSNormalization(name=node.name, inputs=node.inputs, outputs=node.outputs, axis=axis, epsilon=epsilon)


def _from_back(context: Context, node: RawNode, axis: int) -> int:
    """The axis counted from the end; not negative where that needs an unknown rank."""
    rank = context.rank(node.inputs[0])
    return axis if rank is None else from_front(node, axis, rank) - rank


@handler("GroupNormalization", since=18, becomes="GroupNormalization")
def group_normalization_18(context: Context, node: RawNode, *, epsilon: float = 1e-5, num_groups: int) -> Result:
    """Scale and bias by group."""
    return GroupNormalization(
        name=node.name, inputs=node.inputs, outputs=node.outputs, groups=num_groups, epsilon=epsilon, per_group=True
    )


@handler("GroupNormalization", since=21, becomes="GroupNormalization")
def group_normalization_21(
    context: Context, node: RawNode, *, epsilon: float = 1e-5, num_groups: int, stash_type: int = 1
) -> Result:
    """Scale and bias by channel."""
    if stash_type != _SINGLE:
        return None
    return GroupNormalization(
        name=node.name, inputs=node.inputs, outputs=node.outputs, groups=num_groups, epsilon=epsilon
    )


@handler("InstanceNormalization", since=6, becomes="InstanceNormalization")
def instance_normalization(context: Context, node: RawNode, *, epsilon: float = 1e-5) -> Result:
    """All."""
    return InstanceNormalization(name=node.name, inputs=node.inputs, outputs=node.outputs, epsilon=epsilon)
