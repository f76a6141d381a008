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

from swm import compress, engine, fixed, onnx_io
from swm import emit as _emit
from swm.compress import Conversion
from swm.emit import Verification
from swm.engine.kernels import Choice
from swm.errors import OptionError
from swm.fixed import FixedGraph
from swm.graph import Graph, densified, is_structured
from swm.hardware import Board, board_names, load_board
from swm.report import Report, compare
from swm.simplify import simplify as _simplify
from swm.structure import BlockCirculant, Dense, WeightStructure
from swm.validation import Array, Inputs, feeds, only, require_graph

__all__ = ["boards", "convert", "dense_twin", "emit", "load", "quantize", "report", "run", "save", "verify"]

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
        work = len(values) * sum(s.m * s.n for s in graph.specs)
        result = engine.run_fixed(graph, values, compiled=work >= COMPILED_WORK).values
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
        progress: called as progress(layer name, done, total).

    Returns:
        An object with .graph and .report.

    Raises:
        OptionError: impossible block sizes, names that match nothing, or a budget that cannot be met.
        CalibrationError: calibration or labels that do not fit.
    """
    given = None if calibration is None else feeds(require_graph(graph), calibration)
    return compress.convert(
        require_graph(graph),
        given,
        block=block,
        budget=budget,
        method=method,
        structure=structure,
        labels=labels,
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
    fixed.check_bits(bits)
    ready = compress.fold_affine(graph)
    lowered = fixed.lower(ready)
    names = list(dict.fromkeys([t for layer in lowered.layers for t in (layer.input, layer.output)]))
    activations = engine.FloatEngine(ready, names, deterministic=True).run(feeds(ready, calibration))
    return fixed.quantize_layers(ready, lowered, bits, activations)


def emit(
    graph: FixedGraph,
    *,
    board: str,
    path: str | Path,
    hls: str = "vitis",
    vectors: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
    reference: Graph | None = None,
    force: bool = False,
    most_vectors: int | None = 100,
) -> Path:
    """Write a complete HLS project; see `swm.emit.emit_project`.

    Args:
        graph: from `quantize`.
        board: name among `boards/` or path of an own .toml.
        path: the project folder, new or empty.
        hls: "vitis" or "generic".
        vectors: test inputs that `verify` runs, samples along axis 0.
        labels: class numbers of the vectors.
        reference: float graph that `verify` compares with through onnxruntime (default: the graph before fixed point).
        force: replace a folder that swm wrote before.
        most_vectors: how many of the vectors to keep; None keeps all.

    Raises:
        UnknownBoard: no such board.
        OptionError: unknown flavour.
        OutputError: the folder is not empty or cannot be written.
    """
    array = None if vectors is None else vectors if isinstance(vectors, np.ndarray) else only(vectors, graph.input_name)
    return _emit.emit_project(
        graph,
        load_board(board),
        Path(path),
        flavour=hls,
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
    graph: Graph | FixedGraph,
    *,
    boards: Sequence[str],
    bits: int = 12,
    accuracy: Mapping[str, float] | None = None,
    inputs: Inputs | None = None,
    labels: NDArray[np.integer] | None = None,
) -> Report:
    """Modelled throughput, resources, power and energy of a network and its dense twin on each board.

    Args:
        graph: float or fixed; a fixed graph brings its own bits.
        boards: names among `boards/` or paths of own .toml files.
        bits: data and weight bits of a float graph.
        accuracy: measured accuracies to print beside the figures, by label.
        inputs: labelled inputs; the network's accuracy on them, float and fixed, is measured and added.
        labels: (samples,) class numbers of the inputs.

    Raises:
        UnsupportedModel: nodes have no hardware form.
        UnknownBoard: no such board.
    """
    if not boards:
        raise OptionError("name at least one board; `swm boards` lists them")
    source = graph.source if isinstance(graph, FixedGraph) else compress.fold_affine(graph)
    if source is None:
        raise OptionError("this fixed graph was read back from a project and has no float source to compare with")
    width = graph.bits if isinstance(graph, FixedGraph) else bits
    specs = fixed.layer_specs(fixed.lower(source), width)
    dense = fixed.layer_specs(fixed.lower(dense_twin(source)), width)
    measured = dict(accuracy or {})
    if inputs is not None and labels is not None:
        structured = any(not isinstance(n.weight, Dense) for n in source.linear())
        integers = graph if isinstance(graph, FixedGraph) else quantize(source, bits=bits, calibration=inputs)
        for label, network in (("converted_float" if structured else "dense_float", source), ("fixed", integers)):
            values = next(iter(run(network, feeds(source, inputs)).values()))
            measured[label] = compress.accuracy(values, labels)
    name = Path(source.source).name or source.name
    return compare(specs, dense, [load_board(b) for b in boards], accuracy=measured, model=name)
