# SPDX-License-Identifier: Apache-2.0
"""The public functions up to fixed point: thin compositions of the rooms, with arrays accepted where names are obvious.

What follows, from Designs to reports, stands in `swm.projects`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from swm import compress, engine, host, onnx_io
from swm.accelerator.backend import backend as find_backend
from swm.accelerator.fixed_graph import FixedGraph, Origin
from swm.accelerator.lower import lower
from swm.accelerator.quantize import quantize_layers
from swm.compress import Conversion
from swm.device import Board, board_names, load_board
from swm.engine.kernels import Choice
from swm.engine.unknown import require_known
from swm.errors import OptionError
from swm.graph import Graph, densified, is_structured
from swm.layers.formats import check_bits
from swm.progress import Progress, told
from swm.simplify import simplify as _simplify
from swm.structure import BlockCirculant, WeightStructure
from swm.validation import Array, Inputs, feeds, fixed_feeds, project_name, require_graph

__all__ = ["boards", "convert", "dense_twin", "engines", "load", "quantize", "run", "save"]

# Dense-equivalent multiply-accumulates above which compiling the fast integer engine pays, once a machine:
# numpy takes seconds for so many in convolutions (10,000 samples of a LeNet are 4e9).
COMPILED_WORK = 1_000_000_000


def load(model: str | os.PathLike[str] | bytes | ModelProto, *, simplify: bool = False, detect: bool = False) -> Graph:
    """Read an ONNX model.

    Args:
        model: a file, whose external data must lie in the same folder or below it; or a model in memory, which has
            all of its data inside.
        simplify: fold constants and exporters' shape arithmetic, name what they spelt out, see `swm.simplify`; it runs
            the model to check itself. Without it the graph is the file's, node by node.
        detect: hold dense weights that are block-circulant, sparse or of few bits to float noise, as training with
            the structure and an ordinary export leave them, as what they are. The commands do both.

    Raises:
        ModelError: the file is missing, or the model damaged or illegal.
        OptionError: what was given is none of these.
    """
    if isinstance(model, str | os.PathLike):
        graph = onnx_io.load(model)
    elif isinstance(model, ModelProto | bytes):
        graph = onnx_io.from_proto(model if isinstance(model, ModelProto) else onnx_io.parse(model))
    else:
        hint = "; give its attribute .model_proto" if hasattr(model, "model_proto") else ""  # what torch.onnx gives
        raise OptionError(
            f"a model is the path of an .onnx file, a ModelProto, or its bytes, got a {type(model).__name__}{hint}"
        )
    if not simplify:
        return compress.detect_structure(graph) if detect else graph
    simpler = _simplify(graph)
    if not detect:
        return simpler
    # Few bits survive a scale of rows; what does not is found before it was folded into weights, and left as it is.
    found, sparse = (compress.detect_structure(g, bits=False) for g in (graph, simpler))
    broken = sum(map(is_structured, found.nodes)) > sum(map(is_structured, sparse.nodes))
    return compress.detect_structure(graph if broken else simpler)


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
    """Run a network: float graphs by kernels of ours and onnxruntime, fixed ones by exact integers between host parts.

    Args:
        graph: from `load`, `convert` or `quantize`.
        x: one array for a network with one input, else arrays by input name; samples along axis 0.

    Returns:
        The first output as an array if an array went in, all outputs by name if a dict went in.

    Raises:
        CalibrationError: inputs of the wrong names, shape or type.
    """
    again = engine.run_again(graph, x)
    if again is not None:
        return again
    if isinstance(graph, FixedGraph):
        given = fixed_feeds(graph, x)
        work = len(next(iter(given.values()))) * sum(s.dense_macs for s in graph.specs)
        found = host.run_network(graph, given, compiled=work >= COMPILED_WORK).outputs
        return next(iter(found.values())) if isinstance(x, np.ndarray) else found
    results = engine.run_float(require_graph(graph), feeds(graph, x, finite=False))
    return results[graph.outputs[0].name] if isinstance(x, np.ndarray) else results


def engines(graph: Graph, x: Inputs) -> dict[str, Choice]:
    """Which engine runs each structured layer of a float graph on inputs of this size, and why.

    The network runs once. A layer that would not gain runs dense in onnxruntime, and so does a network as a whole. A
    kernel that is not compiled yet is compiled in the background, and the reason says so. In the environment,
    SWM_ENGINE (compiled, pyfftw, scipy or dense) overrides the choice, SWM_BUILD ("wait" or "never") how kernels are
    compiled, and SWM_THREADS how many threads are used.

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
    permute: bool = True,
    correction: int = 0,
    keep_unknown: bool = False,
    progress: Progress | bool | None = None,
) -> Conversion:
    """Replace weights by block-circulant ones; see `swm.compress.convert`.

    What comes out does not depend on the machine. The kernels on which `swm.run` would run it are compiled in the
    background meanwhile, if they are not there yet.

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
        permute: put hidden channels in another order where a layer is fitted better in it.
        correction: rank of a low-rank part beside circulant blocks, where it pays more than smaller blocks; 0: none.
        keep_unknown: carry along operators of ONNX's domain that onnxruntime does not know, for a runtime that does.
        progress: called as progress(what, layers done, layers), often; True shows it on standard error.

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
    with told(progress) as say:
        found = compress.convert(
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
            permute=permute,
            correction=correction,
            progress=say,
        )
    engine.prepare(found.graph)
    return found


def dense_twin(graph: Graph) -> Graph:
    """The same network with every structured matrix written out dense: the baseline of every gain."""
    nodes = [densified(n) if is_structured(n) else n for n in graph.nodes]
    return graph.with_nodes(nodes)


def quantize(
    graph: Graph,
    *,
    bits: int,
    calibration: Inputs,
    backend: str = "vitis",
    residual_bits: int | None = None,
    exact_division: bool = False,
    progress: Progress | bool | None = None,
) -> FixedGraph:
    """Fixed point: formats of every tensor from calibration, weights quantized (circulant ones in the spectrum).

    Hidden channels of dense layers are scaled by powers of two first, where that loses less; the float network computes
    the same.

    Nodes at either end of the graph that have no hardware form stay with the host, in float; `swm.check` names them.

    Args:
        graph: a float graph whose layers with weights have a hardware form.
        bits: data and weight bits, 4 to 18.
        calibration: inputs, samples along axis 0.
        backend: what the network will be designed for; with "rtl", what has no RTL stays with the host, too.
        residual_bits: of the sums of residual paths and of what passes them by, up to 18; None: `bits`.
        exact_division: let a Softmax divide, where it otherwise multiplies by a reciprocal from a table.
        progress: called as progress(what, steps done, steps), for every layer; True shows it on standard error.

    Raises:
        UnsupportedModel: nodes are in the way; all of them are listed.
        OptionError: impossible bits, or no such back end.
        CalibrationError: calibration that does not fit.
    """
    require_graph(graph)
    check_bits(bits)
    made, hardware = host.split_for_hardware(compress.prepared(graph), find_backend(backend))
    given = feeds(made.graph, calibration)
    even = compress.equalized(made.graph, given, bits)
    if even is not made.graph:
        made = made.with_nodes(even.nodes)
        assert made.hardware is not None
        hardware = made.hardware
    lowered = lower(hardware)
    with told(progress) as say:
        say("run the calibration inputs", 0, 2)
        activations = host.calibrate(made, hardware, given, [*lowered.tensors, *host.ranged_tensors(made)])
        for scaling in (host.scaled_cells, host.scaled_parts):
            scaled = scaling(made, activations)
            if scaled is not made and scaled.hardware is not None:
                made, hardware = scaled, scaled.hardware
                lowered = lower(hardware)
                activations = host.calibrate(made, hardware, given, list(lowered.tensors))
        fixed = quantize_layers(
            hardware,
            lowered,
            bits,
            activations,
            lambda part: say(part, 1, 2),
            residual_bits=residual_bits,
            exact_division=exact_division,
        )
    origin = Origin(
        model=Path(graph.source).name,
        sha256=graph.sha256,
        format_samples=len(next(iter(given.values()))),
        format_hashes=compress.sample_hashes(given),
        conversion=graph.metadata.get(compress.CONVERSION, ""),
    )
    around = host.host_parts(made, activations[hardware.outputs[0].name])
    return replace(fixed, name=project_name(graph), source=made.graph, host=around, origin=origin)
