# SPDX-License-Identifier: Apache-2.0
"""The host parts of a network as plain data and ONNX bytes, and back: what stands in `fixed.npz` beside the layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.codec import decode, encode
from swm.accelerator.fixed_graph import FixedGraph, HostParts
from swm.graph import Graph, TensorType, Value
from swm.onnx_io import from_proto, serialized, to_proto
from swm.onnx_io.proto import parse

__all__ = ["check_host", "host_data", "read_host"]

_PARTS = ("before", "after")


@dataclass(frozen=True)
class _Named:
    """An input or output of the network."""

    name: str
    type: TensorType | None


@dataclass(frozen=True)
class _Host:
    """What is stored of host parts besides their graphs."""

    inputs: tuple[_Named, ...]
    outputs: tuple[_Named, ...]
    shape: tuple[int, ...]
    parts: tuple[str, ...]


def host_data(host: HostParts | None) -> tuple[Any, dict[str, NDArray[np.uint8]]]:
    """Plain data for JSON, and ONNX models as bytes by name."""
    if host is None:
        return None, {}
    graphs = {part: graph for part in _PARTS if (graph := getattr(host, part)) is not None}
    inputs, outputs = (tuple(_Named(v.name, v.type) for v in values) for values in (host.inputs, host.outputs))
    head = _Host(inputs, outputs, host.shape, tuple(graphs))
    models = {_key(part): np.frombuffer(serialized(to_proto(g)), np.uint8) for part, g in graphs.items()}
    return encode(head), models


def read_host(data: Any, stored: Mapping[str, NDArray[Any]]) -> HostParts | None:
    """What `host_data` made; raises whatever damaged data makes of the codec or the reader."""
    if data is None:
        return None
    head: _Host = decode(_Host, data)
    graphs: dict[str, Graph] = {}
    for part in head.parts:
        if part not in _PARTS:
            raise ValueError(f"no part {part!r}")
        graphs[part] = from_proto(parse(stored[_key(part)].astype(np.uint8).tobytes()), f"host/{part}.onnx")
    inputs, outputs = (tuple(Value(v.name, v.type) for v in values) for values in (head.inputs, head.outputs))
    return HostParts(graphs.get("before"), graphs.get("after"), inputs, outputs, head.shape)


def check_host(graph: FixedGraph) -> None:
    """Raise ValueError where the parts do not join."""
    host = graph.host
    if host is None:
        return
    known = {v.name for v in host.inputs}
    for part, wanted, written in (
        (host.before, graph.input_name, graph.output_name),
        (host.after, graph.output_name, ""),
    ):
        if part is not None and not {v.name for v in part.inputs} <= known:
            raise ValueError("a host part reads a tensor that is not there")
        known |= {v.name for v in part.outputs} if part is not None else set()
        if wanted not in known:
            raise ValueError(f"no part writes {wanted!r}")
        known.add(written)
    if not {v.name for v in host.outputs} <= known:
        raise ValueError("no part writes an output of the network")
    if prod(host.shape) * graph.sequences != graph.outputs or min(host.shape, default=1) < 1:
        raise ValueError("the hardware's output has another shape")


def _key(part: str) -> str:
    return f"host_{part}"
