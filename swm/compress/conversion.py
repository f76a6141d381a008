# SPDX-License-Identifier: Apache-2.0
"""The conversion itself: which layers become block-circulant, and with which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.answers import names_classes
from swm.compress.activation_pairs import ActivationPairs, warm_up
from swm.compress.correct import Corrected, check_correction, corrected
from swm.compress.counting import Positions, inference_positions, multiplications
from swm.compress.dynamic_batch import make_batch_dynamic
from swm.compress.evaluation import check_labels, evaluate
from swm.compress.fit_layers import refit
from swm.compress.hold_out import sample_count, split
from swm.compress.methods import Freedom, choose_method
from swm.compress.one_layer import (
    converted_layer,
    first,
    is_dense,
    is_product,
    noting,
    output_error,
    weight_error,
    weights_of,
)
from swm.compress.permute import permuted
from swm.compress.plan import Planned, plan, prepared
from swm.compress.precision import float32_advice
from swm.compress.record import remembering, sample_hashes
from swm.compress.report import ConversionReport, LayerReport
from swm.compress.sensitivity import FLOAT_BITS, sizes_within
from swm.compress.threads import blas_threads
from swm.compress.warn import conversion_warnings
from swm.compress.weights import Blocks, dense_weights
from swm.engine import FloatEngine
from swm.errors import CalibrationError, OptionError, SwmError
from swm.graph import Conv, Graph, Linear, Node
from swm.notebook import html
from swm.progress import Progress, quiet
from swm.structure import BlockCirculant, WeightStructure
from swm.words import many

__all__ = ["Conversion", "convert"]

ORDER_SAMPLES, PIXEL_SAMPLES = 1024, 64  # for an order of hidden channels, of a matrix and of a convolution
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Conversion:
    """A converted network and what it cost."""

    graph: Graph
    report: ConversionReport

    def __repr__(self) -> str:
        report, found = self.report, self.report.accuracy
        block = report.block if isinstance(report.block, int) else "by layer"
        parts = [
            f"{report.method}, block {block}",
            f"weights {report.parameters_before:,} -> {report.parameters_after:,} ({report.compression:.2f} x fewer)",
        ]
        if found.test is not None and found.dense is not None:
            shares = f"dense {100 * found.dense:.2f} %, converted {100 * found.test:.2f} %"
            parts.append(f"accuracy {shares} of {found.test_samples:,} unseen samples")
        elif found.agreement is not None:
            parts.append(f"{100 * found.agreement:.2f} % of {found.test_samples:,} unseen samples as the dense network")
        if report.warnings:
            parts.append(f"{many(len(report.warnings), 'warning')}, see .report.warnings")
        return f"<Conversion of {self.graph.name!r}: {'; '.join(parts)}>"

    def _repr_html_(self) -> str:
        rows = (
            (
                layer.name,
                " x ".join(map(str, layer.shape)),
                layer.becomes,
                f"{layer.words_before:,} -> {layer.words_after:,}",
                "not measured" if layer.output_error is None else f"{100 * layer.output_error:.1f} %",
            )
            for layer in self.report.layers
        )
        return html(self, ("layer", "shape", "structure", "weights", "error of outputs"), rows)


def convert(
    graph: Graph,
    feeds: Mapping[str, Array] | None,
    *,
    block: Blocks | None = None,
    budget: int | str | None = None,
    method: str | None = None,
    structure: type[WeightStructure] = BlockCirculant,
    labels: NDArray[np.integer] | None = None,
    test: Mapping[str, Array] | None = None,
    test_labels: NDArray[np.integer] | None = None,
    hold_out: bool = True,
    permute: bool = True,
    correction: int = 0,
    progress: Progress | None = None,
) -> Conversion:
    """Replace dense weights by block-circulant ones, or by ones of another structure (`swm.structure.STRUCTURES`).

    Per-channel scales are folded first. A weight stays dense by rule if it is the last one (its few outputs are the
    answer), has fewer than two blocks in a dimension, or if a block would straddle two gates or two groups of a
    convolution; the report gives the rule. With calibration inputs each layer, in order, is fitted by
    data-aware least squares: it reads what the already converted network before it gives, and aims at what the dense
    network answers there; dense matrices and convolutions behind it are refitted in the same way, so that
    later layers repair errors of earlier ones. Errors that a ReLU swallows do not count.
    Without calibration, weights are projected in the Euclidean sense, which costs far more accuracy.

    Args:
        graph: a float graph.
        feeds: calibration inputs by input name, samples along axis 0; None for plain projection.
        block: power of two, 2 to 4096; or block sizes by layer name or glob pattern, `name/W` and `name/R` for the
            two weights of a recurrent layer. Layers that a map does not name stay dense; so does a last Linear or
            Conv, unless a map has an entry with its very name.
        budget: instead of `block`: bits that all weights may take, or a compression like "8x". Block sizes are
            chosen a layer so that the sum of the errors that each layer alone causes is least.
        method: name in `METHODS`; default least squares with calibration, projection without.
        structure: of the new weights. Matrices of others than block-circulant ones fit themselves
            (`WeightStructure.fit`), with `block` for their size; of a convolution that is the matrix
            (M, C * positions), of a recurrent layer those of all gates.
        labels: (samples,) class numbers of the calibration inputs, for the report.
        test: inputs that the report measures on, and that the fit does not see. Without them a fifth of the
            calibration inputs, at most 2,000, is held out of the fit; of fewer than 10 none.
        test_labels: (samples,) class numbers of the test inputs.
        hold_out: whether calibration inputs are held out where there is no test; without either nothing is measured.
        permute: put hidden channels in another order where a layer's fit to calibration inputs gets better by it, see
            `swm.compress.permute`. What the network computes before the fit stays the same.
        correction: rank of a low-rank part beside the circulant part of a product or convolution, taken where it lowers
            the calibration error more per multiplication than blocks of half the size, see `swm.compress.correct`.
        progress: called as progress(what, layers done, layers), at every step inside a layer, too.

    Raises:
        OptionError: impossible block sizes, names that match nothing, a budget that cannot be met.
        CalibrationError: inputs or labels that do not fit.
    """
    say = progress or quiet
    if block is None and budget is None:
        raise OptionError("give a block size, like --block 8, or a budget, like --budget 8x")
    if block is not None and budget is not None:
        raise OptionError("a block size and a budget were given; give one of the two")
    how = choose_method(method, calibrated=feeds is not None)
    check_correction(correction, structure, calibrated=how.needs_calibration)
    dense = prepared(graph)
    some = test if feeds is None else feeds
    if some is not None:
        dense = make_batch_dynamic(dense, some)
    samples = _samples(dense, feeds, labels, test, test_labels, hold_out=hold_out)
    seen = () if feeds is None else sample_hashes(feeds)
    feeds = samples.fit
    found = dense_weights(dense)
    layers = len({p.node for p in found})
    if feeds and found:
        say("run the network once", 0, layers)
        warm_up(dense, feeds)
    if budget is not None:
        sizes: Blocks = sizes_within(dense, found, budget, how, feeds, structure, say)
    else:
        assert block is not None  # checked above
        sizes = block
    planned = plan(dense, sizes, structure, chosen=budget is not None)
    if permute and structure is BlockCirculant:
        dense = _ordered(dense, planned, method, feeds, say)
        found, planned = dense_weights(dense), plan(dense, sizes, structure, chosen=budget is not None)
    positions = inference_positions(dense, feeds or samples.test)
    freedoms: dict[str, Freedom] = {}
    nodes = list(dict.fromkeys(p.node for p in found))
    converted, reports = dense, []
    for done, node in enumerate(nodes):
        note = noting(say, node.name, done, len(nodes))
        say(node.name, done, len(nodes))
        own = [p for p in planned if p.ref.node is node]
        with blas_threads(max((p.ref.shape[0] * p.ref.shape[1] for p in own), default=0)):
            before_node = converted
            judged = feeds if samples.test is None else samples.test
            again = judged is feeds  # the error is then asked of what was fitted
            keep = again or bool(correction)
            pairs = None if feeds is None else ActivationPairs(dense, converted, feeds, note, keep=keep)
            before = len(how.freedoms)
            new = converted_layer(node, {p.ref.role: p.block for p in own if not p.reason}, how, pairs, structure)
            if len(how.freedoms) > before:
                freedoms[node.name] = max(how.freedoms[before:], key=lambda freedom: freedom.share)
            beside = None
            if new is not node and correction and pairs is not None and is_product(node) and is_product(new):
                beside = corrected(node, new, correction, type(how), pairs, positions.get(node.name))
            if beside is not None:
                converted = beside.put(converted, node)
                new = beside.circulant
            elif new is not node:
                converted = converted.with_replaced(node, new)
            elif pairs is not None and converted is not dense and is_dense(node):
                new = refit(node, pairs)
                converted = converted.with_replaced(node, new)
            note("what it costs")
            error = None
            if judged is not None:
                seen_pairs = pairs if again and pairs is not None else ActivationPairs(dense, before_node, judged, note)
                inside = None if beside is None else converted
                error = output_error(seen_pairs, node, new, inside)
            again = samples.test is None
            reports += [_layer_report(p, new, positions.get(node.name), error, beside, seen=again) for p in own]
    report = ConversionReport(
        how.label,
        block if isinstance(block, int) else {p.ref.name: p.block for p in planned if not p.reason},
        (sample_count(feeds) or len(next(iter(feeds.values())))) if feeds else 0,
        tuple(reports),
        FLOAT_BITS,
    )
    why_none = samples.why_none
    if samples.test is not None:
        try:
            note = noting(say, "accuracy", len(nodes), len(nodes))
            measured = evaluate(dense, converted, samples.test, samples.test_labels, samples.origin, note)
            report = replace(report, accuracy=measured)
        except SwmError as failure:  # layers before a node that does not run were fitted all the same
            why_none = f"the whole network does not run: {failure}"
    say("done", len(nodes), len(nodes))
    warnings = conversion_warnings(report, planned, freedoms, why_none, float32_advice(dense))
    made = remembering(replace(converted, inputs=graph.inputs), graph, report, seen)
    return Conversion(made, replace(report, warnings=warnings))


@dataclass(frozen=True, eq=False)
class _Samples:
    """What the fit sees, and what its outcome is measured on; `why_none` says why nothing is."""

    fit: Mapping[str, Array] | None
    test: Mapping[str, Array] | None
    test_labels: NDArray[np.integer] | None
    origin: str = "none"
    why_none: str = ""


def _samples(
    graph: Graph,
    feeds: Mapping[str, Array] | None,
    labels: NDArray[np.integer] | None,
    test: Mapping[str, Array] | None,
    test_labels: NDArray[np.integer] | None,
    *,
    hold_out: bool,
) -> _Samples:
    """Check labels before any fit, and divide the calibration inputs where there are no test inputs."""
    if labels is not None:
        if feeds is None:
            raise CalibrationError("labels were given without calibration inputs; give both")
        _check_labels(graph, feeds, labels)
    if test_labels is not None:
        if test is None:
            raise CalibrationError("test labels were given without test inputs; give both")
        _check_labels(graph, test, test_labels)
    if test is not None:
        return _Samples(feeds, test, test_labels, "given")
    if feeds is None or not hold_out:
        return _Samples(feeds, None, None)
    out, why = split(graph, feeds, labelled=labels is not None)
    if out is None:
        return _Samples(feeds, None, None, why_none=why)
    kept, taken = ({t: a[rows] for t, a in feeds.items()} for rows in (~out, out))
    return _Samples(kept, taken, None if labels is None else labels[out], "held out")


def _check_labels(graph: Graph, feeds: Mapping[str, Array], labels: NDArray[np.integer]) -> None:
    """One class number a sample; classes as the network gives for the first samples."""
    check_labels(labels, len(next(iter(feeds.values()))))
    few = next(iter(ActivationPairs(graph, graph, feeds).parts()))
    name = graph.outputs[0].name
    answer = FloatEngine(graph, [name], deterministic=True).run(few)[name]
    if not names_classes(answer):  # of class numbers nobody knows how many there are
        check_labels(labels, len(labels), answer.reshape(len(answer), -1).shape[1])


def _ordered(
    graph: Graph, planned: tuple[Planned, ...], method: str | None, feeds: Mapping[str, Array] | None, say: Progress
) -> Graph:
    """Hidden channels in the order in which each layer alone is fitted best, to a part of the calibration inputs."""
    blocks = {p.ref.name: p.block for p in planned if not p.reason and isinstance(p.ref.node, Linear | Conv)}

    def error(candidate: Graph, name: str, block: int) -> float:
        note = noting(say, f"order of the channels of {name}", 0, len({p.node for p in dense_weights(candidate)}))
        note("fit")
        (ref,) = (p for p in dense_weights(candidate) if p.name == name)
        how = choose_method(method, calibrated=feeds is not None)
        few = None if feeds is None else first(feeds, PIXEL_SAMPLES if isinstance(ref.node, Conv) else ORDER_SAMPLES)
        pairs = None if few is None else ActivationPairs(candidate, candidate, few, note, keep=True)
        new = converted_layer(ref.node, {ref.role: block}, how, pairs, BlockCirculant)
        return weight_error(ref, new) if pairs is None else output_error(pairs, ref.node, new)

    return permuted(graph, blocks, error)


def _layer_report(
    planned: Planned,
    new: Node,
    positions: Positions | None,
    error: float | None,
    beside: Corrected | None,
    *,
    seen: bool,
) -> LayerReport:
    ref = planned.ref
    old, now = weights_of(ref.node, ref.role), weights_of(new, ref.role)
    near = weight_error(ref, new if beside is None else beside.written_out)
    now += () if beside is None else beside.added
    return LayerReport(
        name=ref.name,
        shape=old[0].shape,
        structure=now[0].label,
        reason=planned.reason,
        block=now[0].size,
        words_before=sum(w.words for w in old),
        words_after=sum(w.words for w in now),
        bits_before=sum(w.bits(FLOAT_BITS) for w in old),
        bits_after=sum(w.bits(FLOAT_BITS) for w in now),
        positions=None if positions is None else positions.written,
        multiplications_before=multiplications(old, positions),
        multiplications_after=multiplications(now, positions),
        weight_error=near,
        output_error=None if seen else error,
        fitted_error=error if seen else None,
        correction=0 if beside is None else beside.rank,
    )
