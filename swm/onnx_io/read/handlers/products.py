# SPDX-License-Identifier: Apache-2.0
"""Handler of Einsum where it is one matrix product."""

from __future__ import annotations

from swm.graph import MatMul
from swm.onnx_io.read.arguments import text
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.decompose import Decomposition
from swm.onnx_io.read.handlers.linear import linear_product
from swm.onnx_io.read.registry import RawNode, Result, handler

__all__: list[str] = []


@handler("Einsum", since=12, becomes="Linear, MatMul")
def einsum(context: Context, node: RawNode, *, equation: bytes) -> Result:
    """Of two operands with one label summed over: a product, between transposes where the labels' order wants them."""
    terms = text(equation).replace(" ", "").replace("->", ",").split(",")
    if len(node.inputs) != 2 or len(terms) != 3 or not all(term.isalpha() for term in terms):
        return None
    left, right, result = terms
    if any(len(set(term)) != len(term) for term in terms) or min(map(len, terms)) < 2:
        return None
    x, y = node.inputs
    sizes = (context.dims(x), context.dims(y))
    if any(dims is None or len(dims) != len(term) for dims, term in zip(sizes, (left, right), strict=True)):
        return None
    if not _agree(sizes, (left, right)):
        return None  # labels of sizes 1 and n broadcast, which a matrix product does not do
    return _in_order(context, node, left, right, result) or _between_transposes(context, node, left, right, result)


def _in_order(context: Context, node: RawNode, left: str, right: str, result: str) -> Result:
    """`...ij,jk->...ik`, or with the second operand's last two labels exchanged."""
    x, y = node.inputs
    shared = left[-1]
    transposed = right[-1] == shared
    column = right[-2] if transposed else right[-1]
    inner = right[-1] if transposed else right[-2]
    if inner != shared or shared in result or result != left[:-1] + column or column in left:
        return None
    if len(right) == 2 and context.constant(y) is not None:
        found = linear_product(context, node, x, y, rows_first=transposed)
        if found is not None:
            return found
    if right[:-2] != left[:-2]:
        return None
    return MatMul(name=node.name, inputs=(x, y), outputs=node.outputs, transpose_b=transposed)


def _between_transposes(context: Context, node: RawNode, left: str, right: str, result: str) -> Result:
    """With labels in any order: those of all three terms count batches, one is summed over, the others are kept."""
    batch = "".join(label for label in result if label in left and label in right)
    summed = [label for label in left if label in right and label not in result]
    rows = "".join(label for label in left if label not in right)
    column = "".join(label for label in right if label not in left)
    if len(summed) != 1 or len(column) != 1 or not rows or (batch and len(rows) != 1):
        return None
    if sorted(result) != sorted(batch + rows + column):
        return None  # some label is summed over in one operand alone, or comes from nowhere
    (inner,) = summed
    parts = Decomposition(context, node)
    operands = []
    for name, term, order in zip(
        node.inputs, (left, right), (batch + rows + inner, batch + inner + column), strict=True
    ):
        transposed = name if term == order else parts.transpose(name, [term.index(label) for label in order])
        if transposed is None:
            return None
        operands.append(transposed)
    known = dict(zip(left, context.dims(node.inputs[0]) or (), strict=True))
    known |= dict(zip(right, context.dims(node.inputs[1]) or (), strict=True))
    made = batch + rows + column
    elem = parts.elem(node.inputs[0])
    product = parts.step("MatMul", tuple(operands), elem, tuple(known[t] for t in made), last=made == result)
    if product is None or made == result:
        return parts.whole(product)
    return parts.whole(parts.transpose(product, [made.index(label) for label in result], last=True))


def _agree(sizes: tuple[tuple[int | str | None, ...] | None, ...], terms: tuple[str, str]) -> bool:
    """Whether every label has one size, known as a number or by name."""
    seen: dict[str, int | str | None] = {}
    for dims, term in zip(sizes, terms, strict=True):
        for label, size in zip(term, dims or (), strict=True):
            if label in seen and (size is None or seen[label] != size):
                return False
            seen[label] = size
    return True
