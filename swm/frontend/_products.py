# SPDX-License-Identifier: Apache-2.0
"""Handler of Einsum where it is one matrix product."""

from __future__ import annotations

from swm.frontend._context import Context
from swm.frontend._linear import linear_product
from swm.frontend._normalise import text
from swm.frontend._registry import RawNode, Result, handler
from swm.graph import MatMul

__all__: list[str] = []


@handler("Einsum", since=12, becomes="Linear, MatMul")
def einsum(context: Context, node: RawNode, *, equation: bytes) -> Result:
    """`...ij,jk->...ik` with a constant matrix; `bij,bjk->bik` and `bik,bjk->bij` of two variables."""
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
    shared = left[-1]
    transposed = right[-1] == shared
    column = right[-2] if transposed else right[-1]
    inner = right[-1] if transposed else right[-2]
    if inner != shared or shared in result or result != left[:-1] + column or column in left:
        return None
    if not _agree(sizes, (left, right)):
        return None  # labels of sizes 1 and n broadcast, which a matrix product does not do
    if len(right) == 2 and context.constant(y) is not None:
        found = linear_product(context, node, x, y, rows_first=transposed)
        if found is not None:
            return found
    if right[:-2] != left[:-2]:
        return None
    return MatMul(name=node.name, inputs=(x, y), outputs=node.outputs, transpose_b=transposed)


def _agree(sizes: tuple[tuple[int | str | None, ...] | None, ...], terms: tuple[str, str]) -> bool:
    """Whether every label has one size, known as a number or by name."""
    seen: dict[str, int | str | None] = {}
    for dims, term in zip(sizes, terms, strict=True):
        for label, size in zip(term, dims or (), strict=True):
            if label in seen and (size is None or seen[label] != size):
                return False
            seen[label] = size
    return True
