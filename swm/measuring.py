# SPDX-License-Identifier: Apache-2.0
"""What a report says of accuracy: measured now where samples are given, else what model and project remember.

The figures are those of the very design: a fixed-point network answers through the integer engine. No figure comes from
samples that the weights were fitted to or the number formats taken from.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.lower import lower
from swm.api import run
from swm.compress import CONVERSION, ConversionRecord, parse_record, sample_hashes, wilson
from swm.emit import files_hash, kept_outcome
from swm.emit.samples import Samples, load_samples
from swm.errors import CalibrationError, OptionError, SwmError
from swm.graph import Graph, is_structured
from swm.host import split, split_for_hardware
from swm.opentools import FAMILIES, kept
from swm.report import Accuracy, Evidence, Verified
from swm.report.evidence import ACCURACY_KEYS, loss
from swm.report.measured import Build, Measured, Synthesis
from swm.validation import Array, Inputs, feeds

__all__ = ["evidence"]

NOW = "given now"
VECTORS = "of the project"
_SAMPLES = {"held out": "held out at conversion", "given": "given at conversion"}
_ERRORS_OF = {"held out": "on held-out samples", "given": "on test samples"}


def evidence(
    network: Graph | FixedGraph,
    *,
    project: Path | None = None,
    inputs: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    reference: Graph | None = None,
    boards: Sequence[str] = (),
) -> Evidence:
    """What is known of a network, and what samples show.

    Args:
        network: in float, or in fixed point.
        project: the folder that it was read from. Where no inputs are given, its own labelled vectors are measured on,
            unless the network was calibrated with them.
        inputs: samples to measure on, which neither the fit nor the number formats may have seen.
        labels: (samples,) their class numbers; without them the network is held against the reference.
        reference: the dense original.
        boards: names or files of the boards of the report, for the command that measures what is missing.

    Raises:
        CalibrationError: inputs or labels that do not fit, or inputs that the network was calibrated with.
        OptionError: a reference that is not dense, or one of inputs, labels and reference without what it needs.
        OutputError: a file of the project is missing or damaged.
    """
    fixed = network if isinstance(network, FixedGraph) else None
    text = network.origin.conversion if isinstance(network, FixedGraph) else network.metadata.get(CONVERSION, "")
    record = parse_record(text)
    stored = _vectors(project, fixed, record) if fixed is not None and project is not None and inputs is None else None
    _check_options(inputs, labels, reference, vectors=stored is not None)
    measured: tuple[Accuracy, ...] = ()
    if inputs is not None:
        _refuse_seen(inputs, fixed, record)
        measured = tuple(_measured(_answers(network, inputs, reference), labels, NOW))
    elif stored is not None:
        found, given = stored
        answers = _answers(network, given, reference)
        if found.reference is not None and found.reference_structured is not None:
            answers.setdefault(_name(found.reference_structured), found.reference)
        if found.own is not None and any(block > 1 for block in _blocks(network)):
            answers.setdefault("converted_float", found.own)
        measured = tuple(_measured(answers, found.labels, VECTORS))
    accuracies = (*measured, *(_remembered(record) if record else ()))
    lost = loss(accuracies)
    return Evidence(
        accuracies=accuracies,
        layer_errors=_layer_errors(network, record) if record else {},
        layer_errors_of=_ERRORS_OF.get(record.accuracy.samples, "on the samples of the fit") if record else "",
        original=record.original if record else "",
        original_sha256=record.sha256 if record else "",
        fitted_samples=record.fitted_samples if record else None,
        format_samples=(fixed.origin.format_samples or None) if fixed else None,
        saturated=fixed.saturated if fixed else {},
        project=project is not None,
        verified=None if project is None else _verified(project),
        measured=Measured() if project is None else _tools(project),
        remarks=(*_remarks(reference, record), *_host(network)),
        remedy="" if lost and lost.after.network == "fixed" else _remedy(network, record, project, boards),
    )


def _check_options(
    inputs: Inputs | None, labels: NDArray[np.integer] | None, reference: Graph | None, *, vectors: bool
) -> None:
    """Refuse what says nothing by itself; `vectors`: a project has labelled ones of its own."""
    if reference is not None and any(map(is_structured, reference.nodes)):
        raise OptionError("the reference has structured layers; it must be the dense network that was converted")
    if inputs is None and labels is not None:
        raise OptionError("labels were given without inputs; give both")
    if inputs is None and reference is not None and not vectors:
        raise OptionError(
            "a reference needs samples to measure on: --inputs X.npy and, for accuracy, --labels Y.npy (in Python"
            " inputs= and labels=); only a project with labelled vectors that nothing was calibrated with does without"
        )
    if inputs is not None and labels is None and reference is None:
        raise OptionError(
            "inputs alone say nothing: give their --labels, the dense original as --reference, or both (in Python"
            " labels= and reference=)"
        )


def _blocks(network: Graph | FixedGraph) -> tuple[int, ...]:
    """Block sizes of the layers of a fixed-point network."""
    return tuple(getattr(spec, "block", 1) for spec in network.specs) if isinstance(network, FixedGraph) else ()


def _name(structured: bool) -> str:
    return "converted_float" if structured else "dense_float"


def _answers(network: Graph | FixedGraph, inputs: Inputs, reference: Graph | None) -> dict[str, Array]:
    """Outputs of every network there is, by its name among `ACCURACY_KEYS`; the dense original first."""
    found: dict[str, Array] = {}
    if reference is not None:
        found["dense_float"] = _first(reference, inputs)
    source = network.source if isinstance(network, FixedGraph) else network
    if source is not None:
        found.setdefault(_name(any(map(is_structured, source.nodes))), _first(source, inputs))
    if isinstance(network, FixedGraph):
        result = run(network, inputs)
        found["fixed"] = result if isinstance(result, np.ndarray) else next(iter(result.values()))
    return found


def _first(graph: Graph, inputs: Inputs) -> Array:
    """The first output, run on whatever input names the samples have where there is but one input."""
    if not isinstance(inputs, np.ndarray) and len(inputs) == len(graph.inputs) == 1:
        inputs = next(iter(inputs.values()))
    shape = graph.inputs[0].type.shape if graph.inputs[0].type else None
    if isinstance(inputs, np.ndarray) and shape and all(isinstance(n, int) for n in shape[1:]):
        wanted = [n for n in shape[1:] if isinstance(n, int)]
        if inputs[:1].size == int(np.prod(wanted)):  # a project keeps its vectors flat
            inputs = inputs.reshape(-1, *wanted)
    return run(graph, feeds(graph, inputs))[graph.outputs[0].name]


def _measured(answers: Mapping[str, Array], labels: NDArray[np.integer] | None, origin: str) -> Iterator[Accuracy]:
    """Accuracy of every network where there are labels, and agreement with the dense original."""
    answers = {name: answers[name] for name in ACCURACY_KEYS if name in answers}  # the dense original first
    classes = {name: _classes(values) for name, values in answers.items()}
    if labels is not None:
        for name, answered in classes.items():
            if answered is None:
                raise CalibrationError("labels need networks that give one class a sample; measure without --labels")
            if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != len(answered):
                got = f"{labels.dtype} of shape {labels.shape}"
                raise CalibrationError(f"labels must be {len(answered)} integers, one per sample, got {got}")
            yield _share(name, answered == labels, origin, "accuracy")
    for name, values in answers.items():
        if name == "dense_float" or "dense_float" not in answers:
            continue
        answered, expected = classes[name], classes["dense_float"]
        if answered is not None and expected is not None:
            yield _share(name, answered == expected, origin, "agreement")
        elif values.size == answers["dense_float"].size:
            wanted = answers["dense_float"].reshape(values.shape).astype(np.float64)
            error = float(np.linalg.norm(values - wanted) / max(float(np.linalg.norm(wanted)), 1e-30))
            yield Accuracy(name, error, len(values), None, origin, "error")


def _share(name: str, right: NDArray[np.bool_], origin: str, quantity: Any) -> Accuracy:
    part = float(np.mean(right))
    return Accuracy(name, part, len(right), wilson(part, len(right)), origin, quantity)


def _classes(values: Array) -> NDArray[np.integer] | None:
    """The class that each sample is given; None where a sample has no one answer."""
    flat = values.reshape(len(values), -1)
    if flat.shape[1] == 1:
        return flat[:, 0] if values.dtype.kind in "iu" else None  # an ArgMax has spoken already
    return flat.argmax(axis=1) if flat.shape[1] == values.shape[-1] else None


def _seen(inputs: Inputs, fixed: FixedGraph | None, record: ConversionRecord | None) -> str:
    """What has seen these very samples: "the fit", "the number formats", or nothing."""
    own = set(sample_hashes({n: np.asarray(a) for n, a in inputs.items()} if isinstance(inputs, Mapping) else inputs))
    if record is not None and own & set(record.fitted_hashes):
        return "the conversion was calibrated with them"
    return "they set the number formats" if fixed is not None and own & set(fixed.origin.format_hashes) else ""


def _refuse_seen(inputs: Inputs, fixed: FixedGraph | None, record: ConversionRecord | None) -> None:
    if why := _seen(inputs, fixed, record):
        raise CalibrationError(
            f"these inputs say nothing about accuracy: {why}; give samples that nothing was calibrated with"
        )


def _remembered(record: ConversionRecord) -> Iterator[Accuracy]:
    """What the conversion measured on samples that its fit had not seen."""
    found = record.accuracy
    count, origin = found.test_samples, _SAMPLES.get(found.samples, "at conversion")
    if not count:
        return
    if found.dense is not None and found.test is not None:
        yield Accuracy("dense_float", found.dense, count, found.dense_interval, origin)
        yield Accuracy("converted_float", found.test, count, found.test_interval, origin)
    if found.agreement is not None:
        yield Accuracy("converted_float", found.agreement, count, found.agreement_interval, origin, "agreement")
    elif found.relative_error is not None:
        yield Accuracy("converted_float", found.relative_error, count, None, origin, "error")


def _layer_errors(network: Graph | FixedGraph, record: ConversionRecord) -> dict[str, float]:
    errors = {layer.name: layer.output_error for layer in record.layers if layer.output_error is not None}
    if isinstance(network, FixedGraph):
        nodes = {layer.spec.name: layer.node for layer in network.layers}
    else:
        try:
            nodes = {layer.name: layer.node for layer in lower(split_for_hardware(network)[1]).layers}
        except SwmError:  # what cannot become hardware is said where it is lowered
            return {}
    return {name: errors[node] for name, node in nodes.items() if node in errors}


def _remarks(reference: Graph | None, record: ConversionRecord | None) -> Iterator[str]:
    if reference is None or record is None or not (reference.sha256 and record.sha256):
        return
    if reference.sha256 != record.sha256:
        yield (
            f"The reference is not the file that was converted ({record.original or 'unnamed'}, SHA-256"
            f" {record.sha256[:16]}): what is lost against it is not the loss of the conversion alone."
        )


def _host(network: Graph | FixedGraph) -> Iterator[str]:
    """What the host computes: the accuracies are of the whole network, all other figures of the hardware."""
    if isinstance(network, FixedGraph):
        operators = network.host.operators if network.host is not None else ((), ())
    else:
        operators = split(network).operators
    places = zip(("before", "after"), operators, strict=True)
    parts = [f"{place} the hardware {_named(found)}" for place, found in places if found]
    if parts:
        yield f"The host computes {', '.join(parts)}: in the accuracies, in no other figure."


def _named(operators: Sequence[str]) -> str:
    kinds = Counter(operators)
    return " ".join(f"{count} {kind}" if count > 1 else kind for kind, count in kinds.items())


def _remedy(
    network: Graph | FixedGraph, record: ConversionRecord | None, project: Path | None, boards: Sequence[str]
) -> str:
    """The command that measures what is not known."""
    fixed = isinstance(network, FixedGraph)
    file = network.origin.model if isinstance(network, FixedGraph) else network.source
    original = record.original or "original.onnx" if record else file if fixed else ""
    words = ["swm", "report", str(project or file or "model.onnx")]
    words += [] if project else [word for name in boards or ("NAME",) for word in ("--board", name)]
    words += ["--reference", original] if original else []
    words += ["--inputs", "X.npy", "--labels", "Y.npy"]
    words += [] if project else ["--calibration", "C.npy"]
    return shlex.join(words)


def _vectors(project: Path, graph: FixedGraph, record: ConversionRecord | None) -> tuple[Samples, Inputs] | None:
    """The vectors of a project if they are labelled, their inputs are known, and nothing was calibrated with them."""
    stored = load_samples(project / "verify")
    given = stored.given(graph)
    if stored.labels is None or given is None or _seen(given, graph, record):
        return None
    return stored, given


def _tools(path: Path) -> Measured:
    """What open tools made of a project."""
    found = ((name, kept(path, f"synth_{name}", Synthesis)) for name in FAMILIES)
    built = kept(path, "build", Build)
    return Measured(
        tuple((one[0].value, one[0].date, one[1]) for _, one in found if one is not None),
        None if built is None else (built[0].value, built[0].date, built[1]),
    )


def _verified(path: Path) -> Verified | None:
    kept = kept_outcome(path)
    if kept is None:
        return None
    return Verified(
        ok=kept.ok,
        words=kept.words,
        mismatches=kept.mismatches,
        samples=kept.samples,
        compiler=kept.compiler,
        date=kept.date,
        swm=kept.swm,
        stale=kept.files != files_hash(path),
        interval_cycles=kept.interval_cycles,
        latency_cycles=kept.latency_cycles,
    )
