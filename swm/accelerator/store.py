# SPDX-License-Identifier: Apache-2.0
"""A fixed-point network as one .npz file: what `swm verify` runs the integer engine on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.codec import decode, encode
from swm.accelerator.fixed_graph import FixedGraph, Origin
from swm.accelerator.layout import Order
from swm.accelerator.saturation import Saturation
from swm.accelerator.store_host import check_host, host_data, read_host
from swm.errors import OutputError
from swm.layers import registry
from swm.layers.curves import Curve
from swm.layers.values import FixedLayer, Format, Ints, LayerSpec, TensorShape

__all__ = ["load_fixed", "save_fixed"]

STORE_VERSION = 6
# No integer of a layer is larger; keeps a damaged file from asking for all memory.
_MOST_VALUES = 1 << 24  # channels of a tensor, and what else a spec counts
_MOST_POSITIONS = 1 << 31
_MOST_FRAC = 1 << 10  # binary points and shifts
_MOST_BITS = 64


@dataclass(frozen=True)
class _Entry:
    """What is stored of a layer besides its spec and arrays."""

    kind: str
    node: str
    inputs: tuple[str, ...]
    output: str
    input_formats: tuple[Format, ...]
    output_format: Format
    weight_frac: int
    acc_shift: int
    curve: Curve | None
    inner: tuple[Curve | None, ...]
    arrays: tuple[str, ...]


@dataclass(frozen=True)
class _Meta:
    """What is stored of a network besides its layers."""

    name: str
    bits: int
    input_name: str
    output_name: str
    output_tensor: str
    saturated: Mapping[str, Saturation]
    origin: Origin
    output_shape: tuple[int, ...]
    input_order: Order
    output_order: Order


def save_fixed(graph: FixedGraph, path: Path) -> None:
    """Write layers, formats and integers; the same graph always gives the same bytes."""
    layers = []
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(graph.layers):
        entry = _Entry(
            kind=layer.spec.kind,
            node=layer.node,
            inputs=layer.inputs,
            output=layer.output,
            input_formats=layer.input_formats,
            output_format=layer.output_format,
            weight_frac=layer.weight_frac,
            acc_shift=layer.acc_shift,
            curve=layer.curve,
            inner=layer.inner,
            arrays=tuple(layer.arrays),
        )
        layers.append({"layer": encode(entry), "spec": encode(layer.spec)})
        arrays.update({_key(index, name): _narrow(values) for name, values in layer.arrays.items()})
    ends = (graph.input_name, graph.output_name, graph.output_tensor)
    orders = (graph.output_shape, graph.input_order, graph.output_order)
    meta = _Meta(graph.name, graph.bits, *ends, graph.saturated, graph.origin, *orders)
    host, models = host_data(graph.host)
    arrays.update(models)
    text = json.dumps({"version": STORE_VERSION, "graph": encode(meta), "host": host, "layers": layers})
    arrays["meta"] = np.frombuffer(text.encode(), np.uint8)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # numpy types **kwds as its own options


def load_fixed(path: Path) -> FixedGraph:
    """Read what `save_fixed` wrote; the result has no float source.

    Every layer runs once on zeros, so a graph that is returned can be run.

    Raises:
        OutputError: the file is missing or damaged, or was written by another version.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
            if meta["version"] == STORE_VERSION:
                graph = _graph(meta, stored)
                _try(graph)
                return graph
    except Exception as error:  # whatever a damaged file makes of zipfile, numpy, json or a kind
        raise OutputError(f"{str(path)!r} is damaged or missing; emit the project again") from error
    raise OutputError(f"{str(path)!r} was written by another version of swm; emit the project again")


def _key(index: int, name: str) -> str:
    return f"layer{index}_{name}"


def _narrow(values: Ints) -> NDArray[np.signedinteger]:
    fits = not values.size or (int(values.min()) >= -(1 << 31) and int(values.max()) < 1 << 31)
    return values.astype(np.int32 if fits else np.int64)


def _graph(meta: dict[str, Any], stored: Any) -> FixedGraph:
    head: _Meta = decode(_Meta, meta["graph"])
    layers = []
    for index, data in enumerate(meta["layers"]):
        entry: _Entry = decode(_Entry, data["layer"])
        _limited(data["spec"], _MOST_VALUES)
        _limited({name: value for name, value in data["layer"].items() if name not in ("curve", "inner")}, _MOST_FRAC)
        arrays = {}
        for name in entry.arrays:
            values = stored[_key(index, name)]
            if values.dtype not in (np.int32, np.int64):
                raise ValueError(f"array {name!r} of {values.dtype}")
            arrays[name] = values.astype(np.int64)
        layers.append(
            FixedLayer(
                spec=decode(_spec_type(entry.kind), data["spec"]),
                node=entry.node,
                inputs=entry.inputs,
                output=entry.output,
                input_formats=entry.input_formats,
                output_format=entry.output_format,
                arrays=arrays,
                weight_frac=entry.weight_frac,
                acc_shift=entry.acc_shift,
                curve=entry.curve,
                inner=entry.inner,
            )
        )
    return FixedGraph(
        name=head.name,
        layers=tuple(layers),
        host=read_host(meta["host"], stored),
        source=None,
        bits=head.bits,
        input_name=head.input_name,
        output_name=head.output_name,
        output_tensor=head.output_tensor,
        saturated=head.saturated,
        origin=head.origin,
        output_shape=head.output_shape,
        input_order=head.input_order,
        output_order=head.output_order,
    )


def _spec_type(kind: str) -> type[LayerSpec]:
    """The class of the specs of a kind that is registered; the one defined last, should there be several."""
    registry.kind(kind)
    found, waiting = [], [LayerSpec]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += [child for child in children if child.kind == kind]
        waiting += children
    return found[-1]


def _limited(data: Any, most: int) -> None:
    """Raise ValueError where a number inside plain data is too large to be one of a layer."""
    if isinstance(data, dict):
        for key, part in data.items():
            if key != "parameters":  # of an activation: `check_parameters` looks at them
                _limited(part, _MOST_POSITIONS if key == "positions" else most)
    elif isinstance(data, list):
        for part in data:
            _limited(part, most)
    elif isinstance(data, int | float) and not abs(data) <= most:
        raise ValueError(f"{data} in a layer")


def _try(graph: FixedGraph) -> None:
    """Raise where names lead nowhere, formats disagree, host parts do not join, or a layer does not run on zeros."""
    check_host(graph)
    held: dict[str, tuple[int, Format | None]] = {graph.input_name: (graph.inputs, None)}
    for layer in graph.layers:
        _check(layer, held)
        spec = layer.spec
        values = tuple(np.zeros((_rows(spec, shape), shape.channels), np.int64) for shape in spec.inputs)
        words, _ = registry.kind(spec.kind).run(layer, values)
        if words.shape != (_rows(spec, spec.output), spec.m):
            raise ValueError(f"layer {layer.spec.name!r} gives words of shape {words.shape}")
    if held[graph.output_tensor] != (graph.outputs, graph.output):
        raise ValueError("the output is not what its layer writes")
    inputs, outputs = (size // graph.sequences for size in (graph.inputs, graph.outputs))  # of a sample
    for order, size in ((graph.input_order, inputs), (graph.output_order, outputs)):
        if order is not None and (order.size != size or order.channels < 1 or order.positions < 1):
            raise ValueError("an end of the network passes in an order of another size")
    if prod(graph.output_shape) != (outputs if graph.output_shape else 1) or min(graph.output_shape, default=1) < 1:
        raise ValueError("the output has another shape")


def _rows(spec: LayerSpec, shape: TensorShape) -> int:
    """Rows of an edge that belong together: a token, or a whole frame of few enough values to try."""
    if shape.positions % spec.tokens or shape.positions // spec.tokens * shape.channels > _MOST_VALUES:
        raise ValueError(f"layer {spec.name!r} takes {shape.positions} x {shape.channels} values")
    return shape.positions // spec.tokens


def _check(layer: FixedLayer, held: dict[str, tuple[int, Format | None]]) -> None:
    spec = layer.spec
    for tensor, shape, given in zip(layer.inputs, spec.inputs, layer.input_formats, strict=True):
        size, known = held[tensor]
        right = shape.channels * shape.positions == size and known in (None, given) and given.bits == shape.bits
        if not right or not 0 < shape.channels <= _MOST_VALUES:
            raise ValueError(f"tensor {tensor!r} is not what layer {spec.name!r} reads")
        held[tensor] = size, given
    widths = [f.bits for f in (*layer.input_formats, layer.output_format)]
    right = spec.output.bits == layer.output_format.bits and all(0 < width <= _MOST_BITS for width in widths)
    if not right or layer.output in held or not 0 < spec.m <= _MOST_VALUES or spec.output.positions < 1:
        raise ValueError(f"the output of layer {spec.name!r}")
    held[layer.output] = spec.m * spec.output.positions, layer.output_format
