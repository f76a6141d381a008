# SPDX-License-Identifier: Apache-2.0
"""The conversion itself: which layers become block-circulant, and with which numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress._fold import fold_affine
from swm.compress._report import ConversionReport, LayerReport
from swm.engine import FloatEngine
from swm.errors import CalibrationError
from swm.graph import Graph, Linear
from swm.structure import BlockCirculant, Dense, fit_dense, least_squares
from swm.structure._circulant import check_block

__all__ = ["Conversion", "accuracy", "convert"]

FLOAT_BITS = 32
Array = NDArray[Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Conversion:
    """A converted network and what it cost."""

    graph: Graph
    report: ConversionReport


def convert(
    graph: Graph,
    feeds: Mapping[str, Array] | None,
    *,
    block: int,
    labels: NDArray[np.integer] | None = None,
    progress: Progress | None = None,
) -> Conversion:
    """Replace dense matrices by block-circulant ones.

    Per-channel scales are folded first. A layer stays dense by rule if it is the last one with weights (its few
    outputs are the answer) or has fewer than two blocks in a dimension. With calibration inputs each layer, in order,
    is fitted by data-aware least squares: it reads what the already converted network before it gives, and aims at
    what the dense network answers there; then the dense last layer is refitted in the same way (methods.md section
    7.3). Without calibration, weights are projected in the Euclidean sense, which costs far more accuracy.

    Args:
        graph: a float graph.
        feeds: calibration inputs by input name, samples along axis 0; None for plain projection.
        block: power of two, 2 to 256.
        labels: (samples,) class numbers of the calibration inputs, for the report.
        progress: called as progress(layer name, done, total).

    Raises:
        OptionError: impossible block size.
        CalibrationError: inputs or labels that do not fit.
    """
    check_block(block)
    dense = fold_affine(graph)
    layers = [n for n in dense.linear() if isinstance(n.weight, Dense)]
    last = _last_weighted(dense)
    targets = _tensors(dense, feeds, [n.outputs[0] for n in layers]) if feeds is not None else {}
    converted, reports = dense, []
    for done, node in enumerate(layers):
        if progress is not None:
            progress(node.name, done, len(layers))
        reason = _stays_dense(node, last, block)
        target = targets.get(node.outputs[0])
        inputs = None
        changed = any(not isinstance(n.weight, Dense) for n in converted.linear())
        if feeds is not None and (not reason or changed):
            inputs = _rows(_tensors(converted, feeds, [node.inputs[0]])[node.inputs[0]])
        new = _fit(node, block, reason, inputs, target)
        converted = converted.with_replaced(node, new)
        reports.append(_layer_report(node, new, reason, inputs, target))
    before = after = None
    if labels is not None:
        before, after = (_graph_accuracy(g, feeds, labels) for g in (dense, converted))
    if progress is not None:
        progress("done", len(layers), len(layers))
    samples = len(next(iter(feeds.values()))) if feeds else 0
    method = "projection" if feeds is None else "least squares"
    report = ConversionReport(
        method, block, samples, tuple(reports), FLOAT_BITS, before, after, 0 if labels is None else len(labels)
    )
    return Conversion(converted, report)


def accuracy(outputs: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Fraction of samples whose largest output is the labelled class; outputs (samples, classes).

    Raises:
        CalibrationError: the shapes do not fit.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(outputs):
        raise CalibrationError(
            f"labels must be {len(outputs)} integers, one a sample, got {labels.dtype} of shape {labels.shape}"
        )
    scores = outputs.reshape(len(outputs), -1)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < scores.shape[1]:
        raise CalibrationError(f"labels must lie in 0..{scores.shape[1] - 1}, got {labels.min()}..{labels.max()}")
    return float(np.mean(scores.argmax(axis=1) == labels))


def _last_weighted(graph: Graph) -> Linear | None:
    """The weighted layer after which no other comes on the way to the output."""
    return graph.linear()[-1] if graph.linear() else None


def _stays_dense(node: Linear, last: Linear | None, block: int) -> str:
    """Why a layer stays dense; empty if it is converted."""
    if node is last:
        return "last layer with weights"
    m, n = node.weight.shape
    if min(m, n) < 2 * block:
        return f"fewer than two blocks of {block} in a {m} x {n} matrix"
    return ""


def _fit(node: Linear, block: int, reason: str, inputs: Array | None, target: Array | None) -> Linear:
    """The node's successor: circulant, refitted dense, or the node itself."""
    matrix = node.weight.to_dense()
    if reason:
        if inputs is None or target is None:
            return node
        fit = fit_dense(inputs.astype(np.float64), _rows(target).astype(np.float64), matrix)
        return replace(node, weight=Dense(fit.columns.astype(np.float32)), bias=fit.bias.astype(np.float32))
    if inputs is None or target is None:
        return replace(node, weight=BlockCirculant.from_dense(matrix, block=block))
    fit = least_squares(inputs.astype(np.float64), _rows(target).astype(np.float64), block)
    weight = BlockCirculant(fit.columns.astype(np.float32), node.weight.shape)
    return replace(node, weight=weight, bias=fit.bias.astype(np.float32))


def _layer_report(node: Linear, new: Linear, reason: str, inputs: Array | None, target: Array | None) -> LayerReport:
    old_matrix, new_matrix = node.weight.to_dense(), new.weight.to_dense()
    error = None
    if inputs is not None and target is not None:
        aim = _rows(target)
        answer = new.weight.matmul(inputs) + (0 if new.bias is None else new.bias)
        error = float(np.linalg.norm(answer - aim) / max(float(np.linalg.norm(aim)), 1e-30))
    structured = isinstance(new.weight, BlockCirculant)
    return LayerReport(
        name=node.name,
        shape=node.weight.shape,
        structure="block-circulant" if structured else "dense",
        reason=reason,
        block=new.weight.block if isinstance(new.weight, BlockCirculant) else 1,
        words_before=node.weight.words,
        words_after=new.weight.words,
        multiplications_before=node.weight.operations.multiplications,
        multiplications_after=new.weight.operations.multiplications,
        weight_error=float(np.linalg.norm(new_matrix - old_matrix) / max(float(np.linalg.norm(old_matrix)), 1e-30)),
        output_error=error,
    )


def _tensors(graph: Graph, feeds: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
    return FloatEngine(graph, names).run(feeds)


def _rows(values: Array) -> Array:
    """(..., n) → (samples, n)."""
    return values.reshape(-1, values.shape[-1])


def _graph_accuracy(graph: Graph, feeds: Mapping[str, Array] | None, labels: NDArray[np.integer]) -> float:
    if feeds is None:
        raise CalibrationError("labels were given without calibration inputs; give both")
    name = graph.outputs[0].name
    return accuracy(_tensors(graph, feeds, [name])[name], labels)
