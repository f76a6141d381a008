# SPDX-License-Identifier: Apache-2.0
"""A network with host parts as a whole: before in float, the hardware in exact integers, after in float."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.fixed_graph import FixedGraph, HostParts
from swm.accelerator.integers import FixedResult, run_fixed
from swm.engine import FloatEngine, run_float
from swm.errors import CalibrationError
from swm.graph import Graph
from swm.host.cut import Split

__all__ = [
    "NetworkResult",
    "after_hardware",
    "before_hardware",
    "before_split",
    "calibrate",
    "host_parts",
    "run_network",
]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class NetworkResult:
    """Outcome of one run: the network's outputs by name, and what the hardware did on the way."""

    outputs: dict[str, Array]
    hardware: FixedResult


def calibrate(made: Split, hardware: Graph, feeds: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
    """Float values of some tensors of the hardware part, its output among them, over a calibration set.

    Args:
        made: the network.
        hardware: the part of it that becomes hardware.
        feeds: the network's inputs.
        names: tensors wanted.

    Raises:
        CalibrationError: what the hardware reads or writes does not have the samples along its first axis.
    """
    start, end = hardware.inputs[0].name, hardware.outputs[0].name
    known = before_split(made, feeds)
    wanted = list(dict.fromkeys([*names, end]))
    found = FloatEngine(hardware, wanted, deterministic=True).run({start: known[start]})
    _check_samples({**known, end: found[end]})
    return found


def before_split(made: Split, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The network's inputs, and what the part before the hardware computes of them.

    Raises:
        CalibrationError: inputs of the wrong names.
    """
    names = [v.name for v in made.graph.inputs]
    if set(feeds) != set(names):
        raise CalibrationError(f"the model's inputs are {names}, got {sorted(feeds)}")
    if made.before is None:
        return dict(feeds)
    given = {v.name: feeds[v.name] for v in made.before.inputs}
    return {**feeds, **FloatEngine(made.before, deterministic=True).run(given)}


def host_parts(made: Split, output: Array) -> HostParts | None:
    """What the host keeps of a network; `output` is a value that its hardware part writes. None if it keeps nothing."""
    if made.verdict == "all":
        return None
    return HostParts(made.before, made.after, made.graph.inputs, made.graph.outputs, output.shape[1:])


def before_hardware(graph: FixedGraph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The network's inputs, and all that the host computes of them before the hardware runs.

    Raises:
        CalibrationError: inputs of the wrong names, or results without the samples along their first axis.
    """
    names = [graph.input_name] if graph.host is None else [v.name for v in graph.host.inputs]
    if set(feeds) != set(names):
        raise CalibrationError(f"the model's inputs are {names}, got {sorted(feeds)}")
    if graph.host is None or graph.host.before is None:
        return dict(feeds)
    found = run_float(graph.host.before, {v.name: feeds[v.name] for v in graph.host.before.inputs})
    _check_samples({**feeds, **found})
    return {**feeds, **found}


def after_hardware(graph: FixedGraph, tensors: Mapping[str, Array], values: NDArray[np.floating]) -> dict[str, Array]:
    """The network's outputs.

    Args:
        graph: the network.
        tensors: from `before_hardware`.
        values: (samples, ...) that the hardware wrote, in float (`FixedResult.values`).
    """
    if graph.host is None:
        return {graph.output_name: values}
    known = {**tensors, graph.output_name: values.reshape(len(values), *graph.host.shape)}
    after = graph.host.after
    if after is not None:
        known |= run_float(after, {v.name: known[v.name] for v in after.inputs})
    return {v.name: known[v.name] for v in graph.host.outputs}


def run_network(graph: FixedGraph, feeds: Mapping[str, Array], *, compiled: bool = False) -> NetworkResult:
    """Run a network: the host's part before, integers, the host's part after.

    Args:
        graph: the network.
        feeds: its inputs by name, samples along axis 0.
        compiled: as for `run_fixed`.

    Raises:
        CalibrationError: inputs that do not fit.
    """
    tensors = before_hardware(graph, feeds)
    result = run_fixed(graph, tensors[graph.input_name], compiled=compiled)
    return NetworkResult(after_hardware(graph, tensors, result.values), result)


def _check_samples(tensors: Mapping[str, Array]) -> None:
    lengths = {name: len(value) if np.ndim(value) else 0 for name, value in tensors.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r}: {length}" for name, length in lengths.items())
        raise CalibrationError(
            f"tensors around the hardware differ in their number of samples, the length of axis 0 ({found}); give "
            "inputs of one length, or cut the model with `swm split` and emit its hardware part"
        )
