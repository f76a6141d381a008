# SPDX-License-Identifier: Apache-2.0
"""The public functions: thin compositions of the rooms, with arrays accepted where names are obvious."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from swm import compress, engine, onnx_io
from swm import emit as _emit
from swm.accelerator.backend import backend as _backend
from swm.accelerator.design import Design
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import run_fixed
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape, quantize_layers
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store_design import load_design
from swm.compress import Conversion
from swm.device import Board, board_names, load_board
from swm.emit import Verification
from swm.engine.kernels import Choice
from swm.engine.unknown import require_known
from swm.errors import OptionError
from swm.graph import Graph, densified, is_structured
from swm.layers.formats import check_bits
from swm.remedies import does_not_fit
from swm.report import Report, compare_design, compare_networks
from swm.simplify import simplify as _simplify
from swm.structure import BlockCirculant, WeightStructure
from swm.validation import Array, Inputs, feeds, only, project_name, require_fixed, require_graph

__all__ = [
    "boards",
    "convert",
    "dense_twin",
    "design",
    "emit",
    "engines",
    "load",
    "load_project",
    "quantize",
    "report",
    "run",
    "save",
    "verify",
]

# Dense-equivalent multiply-accumulates above which the integer engine's compiled kernel pays for its compilation.
COMPILED_WORK = 20_000_000_000


def load(path: str | Path, *, simplify: bool = False) -> Graph:
    """Read an ONNX file.

    Args:
        path: the file; external data must lie in the same folder or below it.
        simplify: fold constants and exporters' shape arithmetic, name what they spelt out, see `swm.simplify`; it runs
            the model to check itself. Without it the graph is the file's, node by node.

    Raises:
        ModelError: the file is missing, damaged or illegal.
    """
    graph = onnx_io.load(path)
    return _simplify(graph) if simplify else graph


def save(graph: Graph | FixedGraph, path: str | Path) -> None:
    """Write an ONNX file that any ONNX runtime runs; structured layers become function calls.

    Of a fixed graph its float source is written, with the number formats as metadata under `swm.formats`.

    Raises:
        OutputError: the file cannot be written.
        OptionError: a fixed graph that was read back from a project has no float source to write.
    """
    if isinstance(graph, FixedGraph):
        if graph.source is None:
            raise OptionError("this fixed graph was read back from a project and has no float source to save")
        graph = replace(graph.source, metadata={**graph.source.metadata, "swm.formats": json.dumps(graph.formats())})
    onnx_io.save(require_graph(graph), path)


def boards(name: str | Path | None = None) -> tuple[Board, ...]:
    """All boards that swm knows, or the one of that name (or path of an own .toml).

    Raises:
        UnknownBoard: no such board; the nearest names are offered.
    """
    return tuple(load_board(n) for n in ([name] if name else board_names()))


@overload
def run(graph: Graph | FixedGraph, x: Array) -> Array: ...
@overload
def run(graph: Graph | FixedGraph, x: Mapping[str, Array]) -> dict[str, Array]: ...
def run(graph: Graph | FixedGraph, x: Inputs) -> Array | dict[str, Array]:
    """Run a network: float graphs by FFT and onnxruntime, fixed graphs by exact integers.

    Args:
        graph: from `load`, `convert` or `quantize`.
        x: one array for a network with one input, else arrays by input name; samples along axis 0.

    Returns:
        The first output as an array if an array went in, all outputs by name if a dict went in.

    Raises:
        CalibrationError: inputs of the wrong names, shape or type.
    """
    if isinstance(graph, FixedGraph):
        values = x if isinstance(x, np.ndarray) else only(x, graph.input_name)
        work = len(values) * sum(s.dense_macs for s in graph.specs)
        result = run_fixed(graph, values, compiled=work >= COMPILED_WORK).values
        return result if isinstance(x, np.ndarray) else {graph.output_name: result}
    results = engine.run_float(require_graph(graph), feeds(graph, x, finite=False))
    return results[graph.outputs[0].name] if isinstance(x, np.ndarray) else results


def engines(graph: Graph, x: Inputs) -> dict[str, Choice]:
    """Which engine runs each structured layer of a float graph on inputs of this size, and why.

    The network runs once. SWM_ENGINE in the environment (compiled, pyfftw, scipy or dense) overrides the choice.

    Args:
        graph: a float graph.
        x: as for `run`.

    Returns:
        By layer name, its `Choice`: engine, reason, predicted seconds of every engine, and why others cannot run.

    Raises:
        CalibrationError: inputs of the wrong names, shape or type.
    """
    runner = engine.FloatEngine(require_graph(graph))
    runner.run(feeds(graph, x, finite=False))
    return {name: choice for name, choice in runner.choices.items() if choice is not None}


def convert(
    graph: Graph,
    *,
    block: compress.Blocks | None = None,
    budget: int | str | None = None,
    method: str | None = None,
    structure: type[WeightStructure] = BlockCirculant,
    calibration: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    test: Inputs | None = None,
    test_labels: NDArray[np.integer] | None = None,
    hold_out: bool = True,
    keep_unknown: bool = False,
    progress: compress.Progress | None = None,
) -> Conversion:
    """Replace weights by block-circulant ones; see `swm.compress.convert`.

    Args:
        graph: a float graph.
        block: power of two, 2 to 4096, or a map like {"fc1": 8, "conv*": 4, "lstm/R": 16} by layer name or pattern.
        budget: instead of `block`, bits of all weights or a compression like "8x": chooses a block size per layer.
        method: "least-squares" or "projection"; by default the former with calibration, the latter without.
        structure: of the new weights, with `block` for its size; see `swm.structure.WeightStructure`.
        calibration: inputs, samples along axis 0; without them weights are merely projected.
        labels: class numbers of the calibration inputs, for accuracy in the report.
        test: inputs to measure on; without them a fifth of the calibration inputs is held out of the fit.
        test_labels: class numbers of the test inputs.
        hold_out: False fits to all calibration inputs, and measures nothing without `test`.
        keep_unknown: carry along operators of ONNX's domain that onnxruntime does not know, for a runtime that does.
        progress: called as progress(layer name, done, total).

    Returns:
        An object with .graph and .report: `.report.accuracy` of samples that the fit has not seen, `.report.warnings`.

    Raises:
        UnsupportedModel: operators that onnxruntime does not know, all of them named.
        OptionError: impossible block sizes, names that match nothing, or a budget that cannot be met.
        CalibrationError: calibration or labels that do not fit.
    """
    if not keep_unknown:
        require_known(require_graph(graph))
    given, unseen = (None if x is None else feeds(require_graph(graph), x) for x in (calibration, test))
    return compress.convert(
        graph,
        given,
        block=block,
        budget=budget,
        method=method,
        structure=structure,
        labels=labels,
        test=unseen,
        test_labels=test_labels,
        hold_out=hold_out,
        progress=progress,
    )


def dense_twin(graph: Graph) -> Graph:
    """The same network with every structured matrix written out dense: the baseline of every gain."""
    nodes = [densified(n) if is_structured(n) else n for n in graph.nodes]
    return graph.with_nodes(nodes)


def quantize(graph: Graph, *, bits: int, calibration: Inputs) -> FixedGraph:
    """Fixed point: formats of every tensor from calibration, weights quantized (circulant ones in the spectrum).

    Args:
        graph: a float graph whose every node has a hardware form.
        bits: data and weight bits, 4 to 18.
        calibration: inputs, samples along axis 0.

    Raises:
        UnsupportedModel: nodes are in the way; all of them are listed.
        OptionError: impossible bits.
        CalibrationError: calibration that does not fit.
    """
    require_graph(graph)
    check_bits(bits)
    ready = compress.fold_affine(graph)
    lowered = lower(ready)
    names = list(dict.fromkeys(tensor for layer in lowered.layers for tensor in (*layer.inputs, layer.output)))
    activations = engine.FloatEngine(ready, names, deterministic=True).run(feeds(ready, calibration))
    fixed = quantize_layers(ready, lowered, bits, activations)
    return replace(fixed, name=project_name(graph))


def design(
    graph: FixedGraph,
    *,
    board: str | Path,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
) -> Design:
    """Choose parallelism and stream depths: a fixed-point network becomes a Design for a board.

    Args:
        graph: from `quantize`.
        board: name among `boards/` or path of an own .toml.
        backend: "vitis" (fills the board) or "generic" (one lane everywhere).
        clock_mhz: clock in MHz; where absent, the one of the board's that gives the most inferences per second.
        hybrid: let wide multipliers be built of LUTs where DSPs run out.

    Raises:
        UnknownBoard: no such board.
        OptionError: unknown back end, or an impossible clock.
    """
    schedule = make_schedule(
        require_fixed(graph).shape, load_board(board), backend=_backend(backend), clock_mhz=clock_mhz, hybrid=hybrid
    )
    return Design(graph, schedule)


def emit(
    graph: FixedGraph | Design,
    *,
    path: str | Path,
    board: str | Path | None = None,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
    vectors: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    reference: Graph | None = None,
    force: bool = False,
    allow_overflow: bool = False,
    most_vectors: int | None = 100,
) -> Path:
    """Write a complete HLS project; see `swm.emit.emit_project`.

    Args:
        graph: from `quantize`, or a Design, which brings its own board, back end and clock.
        path: the project folder, new or empty.
        board: name among `boards/` or path of an own .toml.
        backend: "vitis" or "generic".
        clock_mhz: clock in MHz; where absent, the one of the board's that gives the most inferences per second.
        hybrid: let wide multipliers be built of LUTs where DSPs run out.
        vectors: test inputs that `verify` runs, samples along axis 0.
        labels: class numbers of the vectors.
        reference: float graph that `verify` compares with through onnxruntime (default: the graph before fixed point).
        force: replace a folder that swm wrote before.
        allow_overflow: write a design that is larger than its board, too.
        most_vectors: how many of the vectors to keep; None keeps all.

    Raises:
        UnknownBoard: no such board.
        OptionError: unknown back end, or neither board nor Design.
        DoesNotFit: the design is larger than its board; nothing was written.
        OutputError: the folder is not empty or cannot be written.
    """
    if isinstance(graph, Design):
        made = graph
    else:
        require_fixed(graph)
        if board is None:
            raise OptionError("name a board to emit for; `swm boards` lists them")
        _emit.check_output(Path(path), force=force)  # before the search, so that a wrong path costs no time
        made = design(graph, board=board, backend=backend, clock_mhz=clock_mhz, hybrid=hybrid)
    if not (made.schedule.fits or allow_overflow):
        raise does_not_fit(made)
    name = made.graph.input_name
    array = None if vectors is None else vectors if isinstance(vectors, np.ndarray) else only(vectors, name)
    return _emit.emit_project(
        made,
        Path(path),
        vectors=array,
        labels=labels,
        reference=reference,
        force=force,
        most_vectors=most_vectors,
    )


def verify(path: str | Path, **options: Any) -> Verification:
    """Compile the C simulation of a project with g++, run it, and compare every output word with the integer engine.

    Returns:
        An object with .ok, .words, .mismatches and the float errors.

    Raises:
        OutputError: the folder is not a project of swm.
        ToolError: no compiler, or it fails.
    """
    return _emit.verify_project(Path(path), **options)


def report(
    graph: Graph | FixedGraph | Design | str | Path,
    *,
    boards: str | Path | Sequence[str | Path] = (),
    bits: int = 12,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
    accuracy: Mapping[str, float] | None = None,
    inputs: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    calibration: Inputs | None = None,
) -> Report:
    """Modelled throughput, resources, power and energy of a network and its dense twin on each board.

    Args:
        graph: float, fixed, a Design, or the folder of a project. A fixed graph brings its own bits; a Design or
            project is reported as it was designed; on boards other than its own, by new schedules for its back end.
        boards: one or several names among `boards/`, or paths of own .toml files; a Design or project has its own.
        bits: data and weight bits of a float graph.
        backend: of a graph: "vitis" or "generic".
        clock_mhz: of a graph: clock in MHz on every board; where absent, the best of the board's.
        hybrid: of a graph: let wide multipliers be built of LUTs where DSPs run out.
        accuracy: measured accuracies to print beside the figures, by label.
        inputs: labelled inputs; the network's accuracy on them is measured and added, in fixed point for a fixed graph,
            or with `calibration`.
        labels: (samples,) class numbers of the inputs.
        calibration: inputs, other than the labelled ones, that set the number formats of a float graph.

    Raises:
        UnsupportedModel: nodes have no hardware form.
        UnknownBoard: no such board.
        OptionError: no board for a graph.
        OutputError: the folder is not a project of swm.
    """
    made: Design | None = None
    boards = (boards,) if isinstance(boards, str | Path) else boards
    if isinstance(graph, Design):
        made = graph
    elif isinstance(graph, str | Path) and Path(graph).is_dir():
        made = load_project(graph)
    if made is not None:
        measured = _accuracies(made.graph, dict(accuracy or {}), inputs, labels)
        return compare_design(made, [load_board(b) for b in boards], accuracy=measured)
    if not boards:
        raise OptionError("name at least one board; `swm boards` lists them")
    if isinstance(graph, FixedGraph):
        source, network = graph.source, graph.shape
    else:
        source = compress.fold_affine(require_graph(graph))  # a path that is not a project ends here, too
        network = network_shape(lower(source), check_bits(bits))
        graph = source if calibration is None else quantize(source, bits=bits, calibration=calibration)
    measured = _accuracies(graph, dict(accuracy or {}), inputs, labels)
    name = (Path(source.source).name or source.name) if source is not None else ""
    return compare_networks(
        network,
        network.left_dense(),
        [load_board(b) for b in boards],
        backend=_backend(backend),
        accuracy=measured,
        model=name or "model",
        clock_mhz=clock_mhz,
        hybrid=hybrid,
    )


def load_project(path: str | Path) -> Design:
    """The Design that an emitted project was made from.

    Raises:
        OutputError: the folder is not a project of swm, or damaged.
    """
    return load_design(Path(path) / "verify")


def _accuracies(
    graph: Graph | FixedGraph,
    measured: dict[str, float],
    inputs: Inputs | None,
    labels: NDArray[np.integer] | None,
) -> dict[str, float]:
    """Accuracy on labelled inputs, float and fixed, added to those given.

    Formats come from calibration, never from the labelled inputs: they would flatter themselves.
    """
    if inputs is None or labels is None:
        return measured
    source = graph.source if isinstance(graph, FixedGraph) else graph
    if source is not None:
        structured = any(is_structured(n) for n in source.nodes)
        label = "converted_float" if structured else "dense_float"
        measured[label] = compress.accuracy(next(iter(run(source, feeds(source, inputs)).values())), labels)
    if isinstance(graph, FixedGraph):
        values = inputs if isinstance(inputs, np.ndarray) else only(inputs, graph.input_name)
        measured["fixed"] = compress.accuracy(run(graph, values), labels)
    return measured
