# SPDX-License-Identifier: Apache-2.0
"""Calls of functions of domain `ai.swm`: the structured weights behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from swm.errors import OptionError
from swm.graph import Linear
from swm.onnx_io.expand import Expansion
from swm.onnx_io.function import Structured
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.handlers.linear import check_width
from swm.onnx_io.read.registry import RawNode, Result
from swm.onnx_io.stored import StoredTensor
from swm.structure import WeightStructure

__all__ = ["product", "take_columns", "take_stored"]


def product(context: Context, node: RawNode, what: Structured) -> Result:
    """A call of one of our own functions."""
    shapes, (m, n) = what.kind.array_shapes(what.shape, what.size), what.shape
    if len(node.inputs) != 1 + len(shapes) or len(node.outputs) != 1 or node.proto.attribute:
        return None
    x, *names = node.inputs
    if context.constant(x) is not None:
        return None
    arrays = _arrays(context, node, what.kind, shapes, names)
    if arrays is None:
        return None
    check_width(context, node, x, n)
    context.widths[node.outputs[0]] = m
    try:
        weight = what.kind.from_arrays(what.shape, what.size, arrays)
    except OptionError as error:
        raise node.error(f"{error}; the file is damaged: convert again") from error
    return Linear(name=node.name, inputs=(x,), outputs=node.outputs, weight=weight)


def take_columns(context: Context, node: RawNode, what: Expansion) -> bool:
    """Remember a structured weight that a call writes out as a tensor; False if the call is not as we write it."""
    if len(node.inputs) != 1 or len(node.outputs) != 1 or node.proto.attribute:
        return False
    columns = context.weight(node.inputs[0], node)
    if columns is None:
        return False
    if columns.shape != what.columns_shape:
        raise node.error(
            f"columns {node.inputs[0]!r} have shape {list(columns.shape)}, need {list(what.columns_shape)}; "
            "convert again"
        )
    context.structured[node.outputs[0]] = what.structure(columns)
    return True


def take_stored(context: Context, node: RawNode, what: StoredTensor) -> bool:
    """As `take_columns`, for a kernel or gate matrices of any other structure."""
    if len(node.outputs) != 1 or node.proto.attribute:
        return False
    shapes, weights = what.array_shapes, []
    if len(node.inputs) != what.directions * len(shapes):
        return False
    for start in range(0, len(node.inputs), len(shapes)):
        arrays = _arrays(context, node, what.kind, shapes, node.inputs[start : start + len(shapes)])
        if arrays is None:
            return False
        try:
            weights.append(what.weight(arrays))
        except OptionError as error:
            raise node.error(f"{error}; the file is damaged: convert again") from error
    (tensor,) = node.outputs
    if what.role == "Kernel":
        context.kernels[tensor] = weights[0], what.shape
    else:
        context.structured[tensor] = tuple(weights)
    return True


def _arrays(
    context: Context,
    node: RawNode,
    kind: type[WeightStructure],
    shapes: Mapping[str, tuple[int, ...]],
    names: Sequence[str],
) -> dict[str, NDArray[Any]] | None:
    """What a structure stores, by role; None if a call does not give it as we write it."""
    if len(names) != len(shapes):
        return None
    arrays: dict[str, NDArray[Any]] = {}
    for role, name in zip(shapes, names, strict=True):
        values = context.constant(name) if role in kind.codes else context.weight(name, node)
        if values is None or (role in kind.codes and values.dtype.kind not in "iu"):
            return None
        arrays[role] = values
    for (role, shape), name in zip(shapes.items(), names, strict=True):
        found = list(arrays[role].shape)
        if found != list(shape):
            raise node.error(f"{role} {name!r} have shape {found}, need {list(shape)}; convert again")
    return arrays
