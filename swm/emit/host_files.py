# SPDX-License-Identifier: Apache-2.0
"""What a project holds for its host: the parts of the network that it computes, and how numbers reach the hardware."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from swm.accelerator.design import Design, Edge
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.layout import Order
from swm.accelerator.turns import tokens_in_turns
from swm.layers.values import Format
from swm.onnx_io import save
from swm.package_data import templates_dir

__all__ = [
    "SHARED_DRIVER",
    "container_bits",
    "driver_settings",
    "format_settings",
    "host_operators",
    "order_settings",
    "word_bits",
    "write_host",
]

FOLDER, DRIVER = "host", "host.py"
SHARED_DRIVER = "swm_network.py"
"""What every driver has in common, in templates/ and beside each of them."""


def host_operators(graph: FixedGraph) -> dict[str, list[str]] | None:
    """Operators that the host computes before and after the hardware, in order; None if there are none."""
    if graph.host is None:
        return None
    before, after = map(list, graph.host.operators)
    return {"before": before, "after": after}


def write_host(folder: Path, design: Design) -> None:
    """Write `host/`: ONNX models of what the host computes, a driver for them, and its settings.

    File names are fixed; what a model calls its tensors stands in JSON.
    """
    host = design.graph.host
    if host is None:
        return
    place = folder / FOLDER
    place.mkdir()
    files = {}
    for name, part in (("before", host.before), ("after", host.after)):
        if part is not None:
            files[name] = f"{name}.onnx"
            save(part, place / files[name])
    graph = design.graph
    turns = tokens_in_turns(graph)
    settings = {
        "model": graph.name,
        **{name: files.get(name) for name in ("before", "after")},
        "inputs": [v.name for v in host.inputs],
        "outputs": [v.name for v in host.outputs],
        "sequences": graph.sequences,
        "to_hardware": {
            "tensor": graph.input_name,
            "values": graph.inputs // graph.sequences,
            "turns": turns.get(graph.input_name, ()),
            "channels_last": order_settings(graph.input_order),
            **format_settings(graph.input),
        },
        "from_hardware": {
            "tensor": graph.output_name,
            "shape": list(host.shape),
            "turns": turns.get(graph.output_tensor, ()),
            "channels_last": order_settings(graph.output_order),
            **format_settings(graph.output),
        },
    }
    (place / "host.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(templates_dir() / DRIVER, place / DRIVER)


def driver_settings(design: Design) -> dict[str, Any]:
    """What a driver (templates/swm_network.py) has to know: how values become words, and words the bytes of a frame."""
    graph, schedule = design.graph, design.schedule
    turns = tokens_in_turns(graph)
    return {
        "model": graph.name,
        "board": schedule.board.name,
        "host": graph.host is not None,
        "sequences": graph.sequences,
        "input": {
            **_edge(schedule.input, graph.inputs),
            **format_settings(graph.input),
            "channels_last": order_settings(graph.input_order),
            "turns": turns.get(graph.input_name, ()),
        },
        "output": {
            **_edge(schedule.output, graph.outputs),
            **format_settings(graph.output),
            "channels_last": order_settings(graph.output_order),
            "turns": turns.get(graph.output_tensor, ()),  # tokens of a sequence: so many, of so many values each
            "shape": list(graph.output_shape or (graph.outputs // graph.sequences,)),
        },
    }


def _edge(edge: Edge, values: int) -> dict[str, Any]:
    return {
        "values": values,
        "tokens": edge.positions,
        "channels": edge.channels,
        "places": edge.beats * edge.vec,  # of a token: channels, and zeros behind them
        "container": container_bits(edge),
    }


def container_bits(edge: Edge) -> int:
    """Bits that a value takes on the wire: 8, 16 or 32."""
    return next(width for width in (8, 16, 32) if edge.bits <= width)


def word_bits(edge: Edge) -> int:
    """Bits of a beat on the wire, a power of two."""
    return edge.vec * container_bits(edge)


def order_settings(order: Order) -> list[int] | None:
    """Channels and positions of an image whose channels pass last; None where values pass as they lie in the array."""
    return None if order is None else [order.channels, order.positions]


def format_settings(numbers: Format) -> dict[str, Any]:
    """A format in JSON."""
    return {"bits": numbers.bits, "frac": numbers.frac}
