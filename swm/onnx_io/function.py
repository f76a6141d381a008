# SPDX-License-Identifier: Apache-2.0
"""Structured layers as model-local functions of domain `ai.swm`: written, and recognised by their body.

The body uses standard operators on the constant columns, so a runtime folds it into one matrix when it loads the file,
while the file stays as small as the columns.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["DOMAIN", "VERSION", "circulant_function", "recognise"]

DOMAIN = "ai.swm"
VERSION = 1

_NAME = re.compile(r"BlockCirculant_([1-9][0-9]{0,9})x([1-9][0-9]{0,9})_k([1-9][0-9]{0,3})(?:_[0-9]+)?")


def circulant_function(m: int, n: int, block: int, opset: int, name: str = "") -> FunctionProto:
    """The function `y = x W^T` for a block-circulant W of shape (m, n).

    Args:
        m: outputs.
        n: inputs.
        block: k.
        opset: version of the standard operators in the body, 7 or newer.
        name: the function's name if the usual one is taken.
    """
    p, q = -(-m // block), -(-n // block)
    rows, cols, order = np.arange(block, 2 * block)[:, None], np.arange(block)[None, :], (1, 3, 0, 2)
    nodes = [
        # Columns repeated twice need no remainder in the index: entry k + r - c is w[(r - c) mod k].
        helper.make_node("Concat", ["columns", "columns"], ["repeated"], axis=2),
        *_constant("rows", rows, opset),
        *_constant("cols", cols, opset),
        helper.make_node("Sub", ["rows", "cols"], ["index"]),
        helper.make_node("Gather", ["repeated", "index"], ["blocks"], axis=2),  # (p, q, r, c)
        helper.make_node("Transpose", ["blocks"], ["interleaved"], perm=order),  # (q, c, p, r)
        *_constant("padded_shape", np.array([q * block, p * block]), opset),
        helper.make_node("Reshape", ["interleaved", "padded_shape"], ["padded"]),
    ]
    matrix = "padded"
    if (m, n) != (p * block, q * block):
        matrix = "matrix"
        if opset < 10:
            nodes.append(helper.make_node("Slice", ["padded"], [matrix], axes=[0, 1], starts=[0, 0], ends=[n, m]))
        else:
            nodes += [*_constant("starts", np.zeros(2), opset), *_constant("ends", np.array([n, m]), opset)]
            nodes.append(helper.make_node("Slice", ["padded", "starts", "ends"], [matrix]))
    nodes.append(helper.make_node("MatMul", ["x", matrix], ["y"]))
    for node in nodes:
        node.name = node.output[0]
    return FunctionProto(
        name=name or f"BlockCirculant_{m}x{n}_k{block}",
        domain=DOMAIN,
        input=["x", "columns"],
        output=["y"],
        node=nodes,
        opset_import=[helper.make_opsetid("", opset)],
        doc_string=(
            f"y = x W^T with a block-circulant matrix W of {m} x {n}. columns has shape ({p}, {q}, {block}): "
            f"columns[i, j] is the first column w of block (i, j) of W, whose entry in row r and column c is "
            f"w[(r - c) mod {block}], so that block times vector = irfft(rfft(w) * rfft(vector)). "
            f"Rows from {m} and columns from {n} on are padding and are cut off."
        ),
    )


def recognise(function: FunctionProto) -> tuple[int, int, int] | None:
    """(m, n, k) of a function that is, node by node, what `circulant_function` writes; else None."""
    match = _NAME.fullmatch(function.name)
    if function.domain != DOMAIN or match is None:
        return None
    m, n, block = (int(g) for g in match.groups()[:3])
    versions = [e.version for e in function.opset_import if e.domain in ("", "ai.onnx")]
    if not 2 <= block <= 256 or block & (block - 1) or len(versions) != 1:
        return None
    own = circulant_function(m, n, block, versions[0], function.name)
    same = (
        list(function.input) == list(own.input)
        and list(function.output) == list(own.output)
        and not function.attribute
        and not function.attribute_proto
        and [_content(node) for node in function.node] == [_content(node) for node in own.node]
    )
    return (m, n, block) if same else None


def _constant(name: str, values: NDArray[Any], opset: int) -> list[NodeProto]:
    """Integers as int64; before opset 9 a Constant holds floating point only."""
    if opset >= 9:
        return [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values.astype(np.int64)))]
    wide = numpy_helper.from_array(values.astype(np.float64))
    return [
        helper.make_node("Constant", [], [f"{name}_double"], value=wide),
        helper.make_node("Cast", [f"{name}_double"], [name], to=TensorProto.INT64),
    ]


def _content(node: NodeProto) -> tuple[object, ...]:
    """What a node does, without its name and documentation."""
    domain = "" if node.domain == "ai.onnx" else node.domain
    attributes = sorted(a.SerializeToString(deterministic=True) for a in node.attribute)
    return (domain, node.op_type, tuple(node.input), tuple(node.output), tuple(attributes))
