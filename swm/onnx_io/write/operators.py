# SPDX-License-Identifier: Apache-2.0
"""The typed operators beyond layers and activations as ONNX nodes of any opset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from swm.errors import ModelError
from swm.graph import (
    ArgMax,
    AveragePool,
    Clip,
    Concat,
    ConvInteger,
    DepthToSpace,
    DequantizeLinear,
    Elementwise,
    Elu,
    Expand,
    Gather,
    Gelu,
    GlobalAveragePool,
    GlobalMaxPool,
    GroupNormalization,
    HardSigmoid,
    InstanceNormalization,
    LayerNormalization,
    LeakyRelu,
    MatMul,
    MatMulInteger,
    MaxPool,
    Node,
    Pad,
    QLinearConv,
    QLinearMatMul,
    QuantizeLinear,
    ReduceMax,
    ReduceMean,
    ReduceSum,
    Relu,
    Resize,
    RMSNormalization,
    Selu,
    Sigmoid,
    Slice,
    Split,
    Squeeze,
    Swish,
    Tanh,
    Transpose,
    Unsqueeze,
)
from swm.onnx_io.write.registry import writer
from swm.onnx_io.write.target import Target

__all__: list[str] = []

# Fields that are ONNX attributes under their own names.
_SAME: dict[type[Node], tuple[str, ...]] = {
    LeakyRelu: ("alpha",), Elu: ("alpha",), Selu: ("alpha", "gamma"), HardSigmoid: ("alpha", "beta"),
    Swish: ("alpha",), InstanceNormalization: ("epsilon",), LayerNormalization: ("axis", "epsilon"),
    RMSNormalization: ("axis", "epsilon"), GlobalAveragePool: (), GlobalMaxPool: (), Concat: ("axis",),
    Gather: ("axis",), Transpose: ("perm",), QLinearMatMul: (), MatMulInteger: (),
}  # fmt: skip


@writer(*_SAME)
def _same(target: Target, node: Node) -> None:
    target.add(node, node.op, **{name: getattr(node, name) for name in _SAME[type(node)]})


@writer(Elementwise, Relu, Sigmoid, Tanh)
def _plain(target: Target, node: Node) -> None:
    target.add(node, node.op)


@writer(Gelu)
def _gelu(target: Target, node: Gelu) -> None:
    target.add(node, "Gelu", approximate="tanh" if node.tanh else "none")


@writer(Clip)
def _clip(target: Target, node: Clip) -> None:
    bounds = {"min": node.low, "max": node.high}
    if target.opset < 11:
        attributes: dict[str, Any] = {name: value for name, value in bounds.items() if value is not None}
        target.add(node, "Clip", **attributes)
        return
    stored = ["" if v is None else target.constant(node, np.float32(v), name) for name, v in bounds.items()]
    target.add(node, "Clip", _trimmed([node.inputs[0], *stored]))


@writer(MatMul)
def _matmul(target: Target, node: MatMul) -> None:
    if not node.transpose_b:
        target.add(node, "MatMul")
        return
    rank = target.rank(node.inputs[1])
    if rank is None:
        raise ModelError(f"MatMul node {node.name!r} transposes a tensor of unknown rank; declare its shape")
    transposed = target.tensor(f"{node.name}/transposed")
    order = [*range(rank - 2), rank - 1, rank - 2]
    target.extra(node, "Transpose", [node.inputs[1]], transposed, "transpose", perm=order)
    target.add(node, "MatMul", [node.inputs[0], transposed])


@writer(GroupNormalization)
def _group_normalization(target: Target, node: GroupNormalization) -> None:
    if node.per_group != (target.opset < 21):
        raise ModelError(
            f"GroupNormalization node {node.name!r} has scales by {'group' if node.per_group else 'channel'}, which "
            f"opset {target.opset} cannot express; convert the model to another opset"
        )
    target.add(node, "GroupNormalization", num_groups=node.groups, epsilon=node.epsilon)


@writer(ReduceMax, ReduceMean, ReduceSum)
def _reduce(target: Target, node: ReduceMean | ReduceSum | ReduceMax) -> None:
    _with_axes(target, node, node.axes, 13 if isinstance(node, ReduceSum) else 18, keepdims=int(node.keepdims))


@writer(Squeeze, Unsqueeze)
def _squeeze(target: Target, node: Squeeze | Unsqueeze) -> None:
    _with_axes(target, node, node.axes, 13)


def _with_axes(target: Target, node: Node, axes: Sequence[int] | None, since: int, **attributes: Any) -> None:
    """Axes are an input from opset `since` on."""
    if axes is None:
        target.add(node, node.op, **attributes)
    elif target.opset < since:
        target.add(node, node.op, axes=axes, **attributes)
    else:
        target.add(node, node.op, [*node.inputs, target.integers(node, axes, "axes")], **attributes)


@writer(ArgMax)
def _arg_max(target: Target, node: ArgMax) -> None:
    last: dict[str, Any] = {"select_last_index": 1} if node.last else {}
    target.add(node, "ArgMax", axis=node.axis, keepdims=int(node.keepdims), **last)


def _window(node: MaxPool | AveragePool | QLinearConv | ConvInteger) -> dict[str, Any]:
    found: dict[str, Any] = {"kernel_shape": node.kernel, "strides": node.strides}
    found |= {"auto_pad": node.auto_pad} if node.auto_pad else {"pads": node.pads}
    if set(node.dilations) - {1} or isinstance(node, QLinearConv | ConvInteger):
        found["dilations"] = node.dilations
    return found


@writer(AveragePool, MaxPool)
def _pool(target: Target, node: MaxPool | AveragePool) -> None:
    attributes = _window(node)
    if node.ceil:
        attributes["ceil_mode"] = 1
    if isinstance(node, AveragePool):
        attributes["count_include_pad"] = int(node.include_pad)
    target.add(node, node.op, **attributes)


@writer(ConvInteger, QLinearConv)
def _integer_conv(target: Target, node: QLinearConv | ConvInteger) -> None:
    target.add(node, node.op, **_window(node), group=node.groups)


@writer(Pad)
def _pad(target: Target, node: Pad) -> None:
    if target.opset < 11:
        target.add(node, "Pad", pads=node.pads, mode=node.mode, value=float(node.value))
        return
    inputs = [node.inputs[0], target.integers(node, node.pads, "pads")]
    if node.value != 0:
        elem = target.elem(node.inputs[0])
        if elem is None:
            raise ModelError(f"Pad node {node.name!r} fills a tensor of unknown type; declare its type")
        kind = helper.tensor_dtype_to_np_dtype(elem)
        inputs.append(target.constant(node, np.array(node.value, kind), "value"))
    target.add(node, "Pad", inputs, mode=node.mode)


@writer(Split)
def _split(target: Target, node: Split) -> None:
    if node.sizes is None:
        parts: dict[str, Any] = {"num_outputs": len(node.outputs)} if target.opset >= 18 else {}
        target.add(node, "Split", axis=node.axis, **parts)
    elif target.opset < 13:
        target.add(node, "Split", axis=node.axis, split=node.sizes)
    else:
        target.add(node, "Split", [*node.inputs, target.integers(node, node.sizes, "sizes")], axis=node.axis)


@writer(Slice)
def _slice(target: Target, node: Slice) -> None:
    if target.opset < 10:
        target.add(node, "Slice", axes=node.axes, starts=node.starts, ends=node.ends)
        return
    parts = {"starts": node.starts, "ends": node.ends, "axes": node.axes, "steps": node.steps}
    target.add(node, "Slice", [*node.inputs, *(target.integers(node, v, role) for role, v in parts.items())])


@writer(Expand)
def _expand(target: Target, node: Expand) -> None:
    target.add(node, "Expand", [*node.inputs, target.integers(node, node.shape, "shape")])


@writer(DepthToSpace)
def _depth_to_space(target: Target, node: DepthToSpace) -> None:
    mode: dict[str, Any] = {"mode": node.mode} if target.opset >= 11 else {}
    target.add(node, "DepthToSpace", blocksize=node.block, **mode)


@writer(Resize)
def _resize(target: Target, node: Resize) -> None:
    scales = None if node.scales is None else target.constant(node, np.array(node.scales, np.float32), "scales")
    if (target.opset < 11) != (not node.coordinates):
        raise ModelError(f"Resize node {node.name!r} follows a rule that opset {target.opset} lacks; convert the model")
    if target.opset < 11:
        target.add(node, "Resize", [node.inputs[0], scales or ""], mode=node.mode)
        return
    none = target.constant(node, np.zeros(0, np.float32), "none") if target.opset < 13 else ""
    roi = none if node.roi is None else target.constant(node, np.array(node.roi, np.float32), "roi")
    inputs = [node.inputs[0], roi, scales or none]
    if node.sizes is not None:
        inputs.append(target.integers(node, node.sizes, "sizes"))
    more: dict[str, Any] = {} if node.roi is None else {"extrapolation_value": node.extrapolation}
    if node.axes is not None:
        more["axes"] = node.axes
    if node.policy != "stretch":
        more["keep_aspect_ratio_policy"] = node.policy
    modes = {"coordinate_transformation_mode": node.coordinates, "nearest_mode": node.nearest}
    target.add(node, "Resize", inputs, mode=node.mode, **modes, **more)


@writer(QuantizeLinear)
def _quantize(target: Target, node: QuantizeLinear) -> None:
    attributes = _scale_axis(target, node)
    if not any(node.inputs[2:]) and node.to != TensorProto.UINT8:
        attributes["output_dtype"] = node.to
    if node.precision:
        attributes["precision"] = node.precision
    target.add(node, "QuantizeLinear", **attributes)


@writer(DequantizeLinear)
def _dequantize(target: Target, node: DequantizeLinear) -> None:
    to: dict[str, Any] = {"output_dtype": node.to} if node.to else {}
    target.add(node, "DequantizeLinear", **_scale_axis(target, node), **to)


def _scale_axis(target: Target, node: QuantizeLinear | DequantizeLinear) -> dict[str, Any]:
    block = {"block_size": node.block} if node.block else {}
    return {"axis": node.axis, **block} if target.opset >= 13 else {}


def _trimmed(inputs: list[str]) -> list[str]:
    """Without omitted inputs at the end."""
    while inputs and not inputs[-1]:
        inputs.pop()
    return inputs
