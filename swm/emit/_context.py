# SPDX-License-Identifier: Apache-2.0
"""What the templates see: numbers, safe identifiers and escaped comments, nothing else."""

from __future__ import annotations

from typing import Any

from swm.emit._rom import rom
from swm.fixed import FixedGraph, FixedLayer
from swm.fixed._integer import TABLE_INPUT_FRAC, Ints
from swm.hardware import LayerSchedule, Schedule
from swm.hardware.layout import container_bits

__all__ = ["project_context"]

VALUES_A_LINE = 16
# C++ has `tanh` as a function; the policy types of hls/ carry other names where that would clash.
ACTIVATION_TYPES = {"identity": "identity", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh_"}


def comment(text: str) -> str:
    """Foreign text made harmless inside a C++, Tcl or Makefile comment: printable ASCII on one line, no backslash.

    A backslash at a line's end would continue the comment; `*/` would end one; brackets and `$` start commands in Tcl.
    """
    kept = "".join(c if c.isascii() and (c.isalnum() or c in " _-.,:") else "_" for c in text)
    return kept[:80]


def project_context(graph: FixedGraph, plan: Schedule, flavour: str) -> dict[str, Any]:
    """Everything that the templates of one project need."""
    layers = [_layer(i, layer, p) for i, (layer, p) in enumerate(zip(graph.layers, plan.layers, strict=True))]
    return {
        "vitis": flavour == "vitis",
        "flavour": flavour,
        "model": comment(graph.name),
        "bits": graph.bits,
        "board": comment(plan.board.name),
        "part": plan.board.part,
        "clock_ns": f"{1000.0 / plan.clock_mhz:.3f}",
        "clock_mhz": f"{plan.clock_mhz:g}",
        "interval": plan.interval,
        "latency": plan.latency,
        "host": [comment(name) for name in graph.host],
        "n": graph.layers[0].spec.n,
        "m": graph.layers[-1].spec.m,
        "in_vec": plan.edges[0],
        "out_vec": plan.edges[-1],
        "in_bits": graph.layers[0].spec.data_bits,
        "out_bits": graph.layers[-1].spec.out_bits,
        "in_container": container_bits(graph.layers[0].spec.data_bits),
        "out_container": container_bits(graph.layers[-1].spec.out_bits),
        "input_frac": graph.input.frac,
        "output_frac": graph.output.frac,
        "layers": layers,
        "processes": [
            {"tick": 4 * i + place, "key": f"{layer.spec.name}.{process.name}"}
            for i, layer in enumerate(plan.layers)
            for place, process in enumerate(layer.processes)
        ],
        "dense_bits": sum(s.m * s.n * s.weight_bits for s in graph.specs if s.kind != "scale"),
        "stored_bits": sum(s.weight_words * s.weight_bits for s in graph.specs),
    }


def _layer(index: int, layer: FixedLayer, plan: LayerSchedule) -> dict[str, Any]:
    spec = layer.spec
    weights = rom(layer, plan)
    padded_outputs = -(-spec.m // plan.out_vec) * plan.out_vec
    bias = [int(v) for v in layer.bias] + [0] * (padded_outputs - spec.m)
    return {
        "index": index,
        "name": spec.name,
        "node": comment(layer.node),
        "kind": spec.kind,
        "spec": spec,
        "plan": plan,
        "activation": ACTIVATION_TYPES[spec.activation],
        "acc_shift": layer.acc_shift,
        "out_shift": layer.value_frac - layer.output.frac,
        "act_shift": layer.value_frac - TABLE_INPUT_FRAC,
        "out_frac": layer.output.frac,
        "input_format": str(layer.input),
        "output_format": str(layer.output),
        "weight_format": f"Q{spec.weight_bits - layer.weight_frac}.{layer.weight_frac}",
        "rom_depth": weights.shape[0],
        "rom_lanes": weights.shape[1],
        "rom": _initialiser(weights),
        "bias": _lines([str(v) for v in bias]),
        "bias_words": padded_outputs,
        "x_words": plan.fft_groups * plan.fft_lanes * spec.block,
        "a_words": plan.mac_groups * plan.mac_blocks * spec.block,
        "x_beat": plan.fft_lanes * (2 if spec.block == 2 else 4),
        "a_beat": plan.mac_blocks * plan.mac_bins * 2,
        "out_words": padded_outputs,
        "in_words": -(-spec.n // plan.in_vec) * plan.in_vec,
    }


def _initialiser(weights: Ints) -> str:
    """One braced row for each word of the ROM."""
    rows = ("{" + ",".join(map(str, row)) + "}" for row in weights.tolist())
    return ",\n".join(rows)


def _lines(values: list[str]) -> str:
    chunks = (values[i : i + VALUES_A_LINE] for i in range(0, len(values), VALUES_A_LINE))
    return ",\n    ".join(", ".join(chunk) for chunk in chunks)
