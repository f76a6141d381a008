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
from swm.compress.budget import DENSE, choose, measure, parse_budget
from swm.compress.counting import Positions, inference_positions, multiplications
from swm.compress.dynamic_batch import make_batch_dynamic
from swm.compress.evaluation import check_labels, evaluate
from swm.compress.fit_layers import fit_conv, fit_linear, fit_own, refit
from swm.compress.fit_recurrent import fit_recurrent, fit_recurrent_own
from swm.compress.hold_out import sample_count, split
from swm.compress.methods import Freedom, Method, choose_method
from swm.compress.permute import permuted
from swm.compress.plan import Planned, last_weighted, plan, prepared
from swm.compress.precision import float32_advice
from swm.compress.record import remembering, sample_hashes
from swm.compress.report import ConversionReport, LayerReport
from swm.compress.threads import blas_threads
from swm.compress.warn import conversion_warnings
from swm.compress.weights import Blocks, WeightRef, dense_weights, reason_to_stay_dense
from swm.engine import FloatEngine
from swm.engine.structured import StructuredLayer
from swm.errors import CalibrationError, OptionError, SwmError
from swm.graph import Conv, Graph, Linear, Node, Recurrent, is_structured, runs_dense
from swm.notebook import html
from swm.progress import Note, Progress, quiet
from swm.structure import BlockCirculant, WeightStructure

__all__ = ["Conversion", "convert"]

FLOAT_BITS = 32
SENSITIVITY_SAMPLES = 256  # of the calibration inputs, for the error that a layer alone causes
ORDER_SAMPLES, PIXEL_SAMPLES = 1024, 64  # for an order of hidden channels, of a matrix and of a convolution
ERROR_SAMPLES = 512  # for the output errors of the report
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
            parts.append(f"{len(report.warnings)} warning(s), see .report.warnings")
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
    progress: Progress | None = None,
) -> Conversion:
    """Replace dense weights by block-circulant ones, or by ones of another structure (`swm.structure.STRUCTURES`).

    Per-channel scales are folded first. A weight stays dense by rule if it is the last one (its few outputs are the
    answer), has fewer than two blocks in a dimension, belongs to a convolution in groups, or if a block would
    straddle two gates; the report gives the rule. With calibration inputs each layer, in order, is fitted by
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
        sizes: Blocks = _within(dense, found, budget, how, feeds, structure, say)
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
        note = _noting(say, node.name, done, len(nodes))
        say(node.name, done, len(nodes))
        own = [p for p in planned if p.ref.node is node]
        with blas_threads(max((p.ref.shape[0] * p.ref.shape[1] for p in own), default=0)):
            before_node = converted
            judged = feeds if samples.test is None else samples.test
            again = judged is feeds  # the error is then asked of what was fitted
            pairs = None if feeds is None else ActivationPairs(dense, converted, feeds, note, keep=again)
            before = len(how.freedoms)
            new = _converted(node, {p.ref.role: p.block for p in own if not p.reason}, how, pairs, structure)
            if len(how.freedoms) > before:
                freedoms[node.name] = max(how.freedoms[before:], key=lambda freedom: freedom.share)
            if new is not node:
                converted = converted.with_replaced(node, new)
            elif pairs is not None and isinstance(node, Linear | Conv) and any(map(is_structured, converted.nodes)):
                new = refit(node, pairs)
                converted = converted.with_replaced(node, new)
            note("what it costs")
            error = None
            if judged is not None:
                seen_pairs = pairs if again and pairs is not None else ActivationPairs(dense, before_node, judged, note)
                error = _output_error(seen_pairs, node, new)
            reports += [_layer_report(p, new, positions.get(node.name), error, seen=samples.test is None) for p in own]
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
            note = _noting(say, "accuracy", len(nodes), len(nodes))
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


def _noting(say: Progress, what: str, done: int, total: int) -> Note:
    """Tells of a step from within."""
    return lambda part: say(f"{what}: {part}", done, total)


def _converted(
    node: Node,
    blocks: Mapping[str, int],
    method: Method,
    pairs: ActivationPairs | None,
    structure: type[WeightStructure],
) -> Node:
    """The node's successor with these block sizes by role; the node itself if there are none."""
    if not blocks:
        return node
    match node:
        case Linear() | Conv() if structure is not BlockCirculant:
            return fit_own(node, structure, blocks[""], method, pairs)
        case Linear():
            return fit_linear(node, blocks[""], method, pairs)
        case Conv():
            return fit_conv(node, blocks[""], method, pairs)
        case Recurrent() if structure is not BlockCirculant:
            return fit_recurrent_own(node, structure, blocks, method, pairs)
        case Recurrent():
            return fit_recurrent(node, blocks, method, pairs)
        case _:
            return node


def _within(
    graph: Graph,
    found: tuple[WeightRef, ...],
    budget: int | str,
    method: Method,
    feeds: Mapping[str, Array] | None,
    structure: type[WeightStructure],
    say: Progress,
) -> dict[str, int]:
    """Block sizes within a budget, from the error of the network's outputs when one layer alone is converted."""
    by_name, last = {p.name: p for p in found}, last_weighted(graph)
    words = {p.name: sum(w.words for w in _weights(p.node, p.role)) for p in found}
    dense = {name: count * FLOAT_BITS for name, count in words.items()}
    free = {
        p.name: (dense[p.name], [k for k in structure.candidates if not reason_to_stay_dense(p, last, k, structure)])
        for p in found
    }
    names = [v.name for v in graph.outputs]
    few = None if feeds is None else _first(feeds, SENSITIVITY_SAMPLES)
    wanted = None if few is None else FloatEngine(graph, names, deterministic=True).run(few)

    tries, tried = sum(len(sizes) for _, sizes in free.values()), 0
    kept: dict[str, ActivationPairs] = {}  # of the layer that is tried now: all its sizes are fitted to the same

    def error(name: str, block: int) -> tuple[int, float]:
        nonlocal tried
        ref = by_name[name]
        note = _noting(say, f"{name} alone at block {block}", tried, tries)
        note("fit")
        tried += 1
        if few is not None and name not in kept:
            kept.clear()
            kept[name] = ActivationPairs(graph, graph, few, note, keep=True)
        pairs = kept.get(name)
        if pairs is not None:
            pairs.note = note
        new = _converted(ref.node, {ref.role: block}, method, pairs, structure)
        stored = sum(w.bits(FLOAT_BITS) for w in _weights(new, ref.role))
        if few is None or wanted is None:
            return stored, _weight_error(ref, new) ** 2 * words[name]
        got = FloatEngine(graph.with_replaced(ref.node, new), names, deterministic=True).run(few)
        return stored, sum(_relative(got[t], wanted[t]) ** 2 for t in names)

    bits = parse_budget(budget, sum(dense.values()))
    choices = measure({n: f for n, f in free.items() if f[1]}, error)
    fixed = sum(dense[n] for n, f in free.items() if not f[1])
    chosen = {name: size for name, size in choose(choices, bits, fixed).items() if size != DENSE}
    return {**dict.fromkeys(free, 1), **chosen} if structure.one_is_dense else chosen


def _ordered(
    graph: Graph, planned: tuple[Planned, ...], method: str | None, feeds: Mapping[str, Array] | None, say: Progress
) -> Graph:
    """Hidden channels in the order in which each layer alone is fitted best, to a part of the calibration inputs."""
    blocks = {p.ref.name: p.block for p in planned if not p.reason and isinstance(p.ref.node, Linear | Conv)}

    def error(candidate: Graph, name: str, block: int) -> float:
        note = _noting(say, f"order of the channels of {name}", 0, len({p.node for p in dense_weights(candidate)}))
        note("fit")
        (ref,) = (p for p in dense_weights(candidate) if p.name == name)
        how = choose_method(method, calibrated=feeds is not None)
        few = None if feeds is None else _first(feeds, PIXEL_SAMPLES if isinstance(ref.node, Conv) else ORDER_SAMPLES)
        pairs = None if few is None else ActivationPairs(candidate, candidate, few, note, keep=True)
        new = _converted(ref.node, {ref.role: block}, how, pairs, BlockCirculant)
        return _weight_error(ref, new) if pairs is None else _output_error(pairs, ref.node, new)

    return permuted(graph, blocks, error)


def _first(feeds: Mapping[str, Array], samples: int) -> dict[str, Array]:
    return {t: a[:samples] if a.ndim else a for t, a in feeds.items()}


def _weights(node: Node, role: str) -> tuple[WeightStructure, ...]:
    match node:
        case Linear() | Conv():
            return (node.weight,)
        case Recurrent():
            return node.input_weight if role == "W" else node.recurrent_weight
        case _:
            return ()


def _relative(got: Array, wanted: Array) -> float:
    return float(np.linalg.norm(got - wanted) / max(float(np.linalg.norm(wanted)), 1e-30))


def _weight_error(ref: WeightRef, new: Node) -> float:
    old, now = (np.stack([w.to_dense() for w in _weights(n, ref.role)]) for n in (ref.node, new))
    return _relative(now, old)


def _output_error(pairs: ActivationPairs, node: Node, new: Node) -> float:
    """Relative error of the layer's first output in the converted network so far, over about `ERROR_SAMPLES`."""
    if new is node and not any(map(is_structured, pairs.converted.nodes)):
        return 0.0
    name = next(t for t in new.outputs if t)
    own = (is_structured(new) and not runs_dense(new)) or isinstance(new, Linear)
    converted = pairs.converted
    if new is not node and not own:
        converted = converted.with_replaced(node, new)  # a refitted convolution runs in onnxruntime
    names = tuple(t for t in new.inputs if t) if own else (name,)
    wrong = total = 0.0
    samples = 0
    layer = StructuredLayer(new) if own else None
    if converted is not pairs.converted:
        pairs = ActivationPairs(pairs.dense, converted, pairs.feeds, pairs.note)
    for read, (wanted,) in pairs.chunks(names, (name,)):
        given = dict(zip(names, read, strict=True))
        got = layer([given.get(t) for t in new.inputs])[new.outputs.index(name)] if layer else read[0]
        wrong += float(np.sum(np.square(got - wanted), dtype=np.float64))
        total += float(np.sum(np.square(wanted), dtype=np.float64))
        samples += len(wanted)
        if samples >= ERROR_SAMPLES:
            break
    return float(np.sqrt(wrong / max(total, 1e-60)))


def _layer_report(
    planned: Planned, new: Node, positions: Positions | None, error: float | None, *, seen: bool
) -> LayerReport:
    ref = planned.ref
    old, now = _weights(ref.node, ref.role), _weights(new, ref.role)
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
        weight_error=_weight_error(ref, new),
        output_error=None if seen else error,
        fitted_error=error if seen else None,
    )
