# SPDX-License-Identifier: Apache-2.0
"""Linear and Affine layers, Softmax, Reshape and Cast as ONNX nodes of any opset."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from swm.errors import ModelError
from swm.graph import Affine, Cast, Linear, LogSoftmax, Reshape, Softmax
from swm.onnx_io.function import structure_function
from swm.onnx_io.write.registry import writer
from swm.onnx_io.write.target import Target
from swm.structure import Dense

__all__: list[str] = []

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)


@writer(Linear)
def _linear(target: Target, node: Linear) -> None:
    (x,), (y,) = node.inputs, node.outputs
    weight = node.weight
    if isinstance(weight, Dense) and target.rank(x) == 2:
        inputs = [x, target.shared(node, weight.matrix, "weight", lambda: _single(weight.matrix))]
        if node.bias is not None:
            inputs.append(target.constant(node, node.bias, "bias"))
        elif target.opset < 11:  # C was not optional yet
            inputs.append(target.constant(node, np.zeros(weight.shape[0], np.float32), "bias"))
        target.add(node, "Gemm", inputs, transB=1)
        return
    product = y if node.bias is None else target.tensor(f"{node.name}/product")
    if isinstance(weight, Dense):
        operand = target.shared(node, weight.matrix, "weight.T", lambda: np.ascontiguousarray(_single(weight.matrix).T))
        target.add(node, "MatMul", [x, operand], product)
    else:
        function = structure_function(type(weight), weight.shape, weight.size, target.opset)
        stored = [target.shared(node, a, role, lambda a=a: _single(a)) for role, a in weight.arrays.items()]  # type: ignore[misc]
        target.call(node, function, [x, *stored], product)
    if node.bias is not None:
        target.extra(node, "Add", [product, target.constant(node, node.bias, "bias")], y, "add")


def _single(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32, copy=False) if values.dtype.kind == "f" else values


@writer(Affine)
def _affine(target: Target, node: Affine) -> None:
    (x,), (y,) = node.inputs, node.outputs
    scales, shifts = bool((node.scale != 1).any()), bool(node.shift.any())
    if not (scales or shifts):
        target.add(node, "Identity")
        return
    if scales:
        product = target.tensor(f"{node.name}/product") if shifts else y
        target.add(node, "Mul", [x, target.constant(node, _along_axis(target, node, node.scale), "scale")], product)
        x = product
    if shifts:
        shift = target.constant(node, _along_axis(target, node, node.shift), "shift")
        if scales:
            target.extra(node, "Add", [x, shift], y, "add")
        else:
            target.add(node, "Add", [x, shift])


def _along_axis(target: Target, node: Affine, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values shaped so that they broadcast along the node's axis."""
    if values.size == 1:
        return values.reshape(())
    axis = node.axis
    if axis >= 0:
        rank = target.rank(node.inputs[0])
        if rank is None:
            raise ModelError(f"Affine node {node.name!r}: axis {axis} of a tensor of unknown rank; use a negative one")
        axis -= rank
    return values.reshape(-1, *[1] * (-axis - 1))


@writer(Softmax, LogSoftmax)
def _softmax(target: Target, node: Softmax | LogSoftmax) -> None:
    x, y = node.inputs[0], node.outputs[0]
    rank = target.rank(x)
    if node.flattened == (target.opset < 13):
        target.add(node, node.op, axis=node.axis)
    elif not node.flattened:
        if node.axis != -1 and (rank is None or node.axis != rank - 1):
            raise ModelError(
                f"{node.op} node {node.name!r} along axis {node.axis} cannot be expressed in opset {target.opset}; "
                "convert the model to opset 13 or newer"
            )
        target.add(node, node.op, axis=-1 if rank is None else rank - 1)  # the last axis is a matrix' second one
    else:
        shape, flat, normal = (target.tensor(f"{node.name}/{part}") for part in ("shape", "flat", "normal"))
        target.extra(node, "Shape", [x], shape, "shape")
        target.extra(node, "Flatten", [x], flat, "flatten", axis=node.axis)
        target.add(node, node.op, [flat], normal, axis=-1)
        target.extra(node, "Reshape", [normal, shape], y, "reshape")


@writer(Reshape)
def _reshape(target: Target, node: Reshape) -> None:
    (x,) = node.inputs
    elem = target.elem(x)
    flat = node.shape == (0, -1) and not node.allowzero
    if flat and (target.opset >= 9 or elem is None or elem in _FLOATS):
        target.add(node, "Flatten", axis=1)  # which works on an empty batch too
        return
    shape = target.integers(node, node.shape, "shape")
    if node.allowzero and target.opset < 14 and 0 in node.shape:
        raise ModelError(
            f"Reshape node {node.name!r} with allowzero cannot be expressed in opset {target.opset}; convert the model "
            "to opset 14 or newer"
        )
    allow: dict[str, Any] = {"allowzero": 1} if node.allowzero and target.opset >= 14 else {}
    target.add(node, "Reshape", [x, shape], **allow)


@writer(Cast)
def _cast(target: Target, node: Cast) -> None:
    target.add(node, "Cast", to=node.to)
