# SPDX-License-Identifier: Apache-2.0
"""A report as plain data for JSON: stable keys, units in their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from swm.accelerator.design import PlacedLayer
from swm.accelerator.resources import LayerUsage, Usage
from swm.layers.registry import kind
from swm.report.boards import target_to_json
from swm.report.chips import chip_to_json
from swm.report.energy_split import board_watts, energy_parts, watts_range
from swm.report.figures import DesignFigures, StreamFigures, axi_iterations, stream_figures
from swm.report.measured import Build
from swm.report.network import network_figures
from swm.report.roofline import roofline
from swm.report.sentences import verdicts
from swm.report.value import BoardReport, Report

__all__ = ["SCHEMA", "to_json"]

SCHEMA = 4
"""Version of the keys; a key is never renamed or given another meaning without raising it.

2: `layers` holds forks and width converters too, `layers[].parallelism` the fields of the layer's own kind,
`board.clock` a list of clocks; `cycles` of a process are those of a frame in a row of frames, without filling.
3: speed, power and energy of a design that cannot exist are null, and so are gains where one of the two cannot, with
`gain.reason`; new are `verdict`, `loss`, `accuracies`, `network`, `evidence`, `created` and `swm`.
4: `power_w.dynamic_range` and `total_range` follow from the error band of the board's family, and are null without one;
new are `boards[].errors`, `explored`, `roofline`, and DSP, logic, memories and the whole board in power and energy.
"""


def to_json(report: Report) -> dict[str, Any]:
    """Give a report as dictionaries, lists, strings and numbers that `json.dumps` takes.

    Args:
        report: what to write.

    Returns:
        Keys `schema`, `model`, `created`, `swm`, `verdict` (a line a board or chip), `loss` (null = not known),
        `accuracy` (fraction by network, null = not measured), `accuracies` (every figure with its samples), `network`
        (counts), `evidence` (original, sample counts, verification), `kinds` (kind of every group of figures),
        `explored` (null = not given), `chips` (energies) and `boards`, each with the `errors` of its figures.
        `swm.report.schema` has all of it.
    """
    found, known = report.loss, report.evidence
    return {
        "schema": SCHEMA,
        "model": report.model,
        "created": report.created,
        "swm": report.swm,
        "verdict": verdicts(report),
        "loss": None
        if found is None
        else {
            "points": found.points,
            "network": found.after.network,
            "quantity": found.after.quantity,
            "samples": found.after.samples,
            "origin": found.after.origin,
        },
        "accuracy": report.accuracy,
        "accuracies": [asdict(a) for a in report.accuracies],
        "network": _network(report),
        "evidence": {
            "original": known.original or None,
            "original_sha256": known.original_sha256 or None,
            "fitted_samples": known.fitted_samples,
            "format_samples": known.format_samples,
            "saturated": {tensor: asdict(found) for tensor, found in known.saturated.items()},
            "verified": None if known.verified is None else asdict(known.verified),
            "synthesis": [
                one.to_json() | {"date": date, "stale": stale} for one, date, stale in known.measured.synthesis
            ],
            "build": None if known.measured.build is None else _built(*known.measured.build),
            "remarks": list(known.remarks),
            "remedy": known.remedy,
        },
        "kinds": [asdict(p) for p in report.provenance],
        "explored": None if report.explored is None else report.explored.model_dump(mode="json"),
        "chips": [chip_to_json(row) for row in report.chips],
        "boards": [_board(b, known.layer_errors) for b in report.boards],
    }


def _built(found: Build, date: str, stale: bool) -> dict[str, Any]:
    return found.to_json() | {"date": date, "stale": stale}


def _network(report: Report) -> dict[str, Any]:
    counts = network_figures(report)
    return {**asdict(counts), "fewer": counts.fewer, "compression": counts.compression}


def _board(row: BoardReport, errors: Mapping[str, float]) -> dict[str, Any]:
    return {
        "board": target_to_json(row.board),
        "dense_fits": row.dense_fits,
        "structured": _design(row, row.structured, errors),
        "dense": _design(row, row.dense, {}),
        "gain": asdict(row.gain) | {"elsewhere": list(row.gain.elsewhere)},
        "remedy": row.remedy,
        "errors": {name: asdict(band) for name, band in row.bands.items()},
    }


def _design(row: BoardReport, design: DesignFigures, errors: Mapping[str, float]) -> dict[str, Any]:
    plan, bound = design.plan, roofline(design)
    streams = stream_figures(plan)
    inner = {layer.spec.name: [s for s in streams if s.layer == layer.spec.name] for layer in plan.layers}
    return {
        "fits": design.fits,
        "overflow": design.overflow,
        "sequences": design.plan.sequences,
        "backend": plan.backend.name,
        "control": plan.backend.control if plan.backend.streaming else None,
        "clock_mhz": plan.clock_mhz,
        "interval_cycles": design.interval,
        "latency_cycles": design.latency,
        "latency_us": design.latency_us,
        "inferences_per_s": design.inferences_per_s,
        "useful_share": design.useful_share,
        "stream_bits_max": design.stream_bits_max,
        "weight_bits": design.weight_bits,
        "edge_words_per_cycle": [edge.vec for edge in plan.edges],
        "edges": [_stream(s) | {"tensor": s.tensor} for s in streams if not s.layer],
        "axi": [{"name": name, "iterations": n, "cycles": n} for name, n in axi_iterations(plan).items()],
        "layers": [
            _layer(layer, used, inner[layer.spec.name], errors)
            for layer, used in zip(plan.layers, design.used.layers, strict=False)
        ],
        "resources": {"hls": _usage(design.used.hls), "routed": _usage(design.used.routed)},
        "roofline": {
            "products": bound.products,
            "stream_bits": bound.stream_bits,
            "weight_bits": bound.weight_bits,
            "bound_cycles": bound.bounds,
        },
        **_power(row, design),
    }


def _power(row: BoardReport, design: DesignFigures) -> dict[str, Any]:
    """Power and energy in parts; null where there is none."""
    watts, rate = design.watts, design.inferences_per_s
    if watts is None or rate is None:
        return {"power_w": None, "energy_per_inference_uj": None}
    parts = {part.name.lower(): part.watts for part in energy_parts(design)}
    dynamic, board = row.bands["dynamic_w"], board_watts(design, row.bands["board_j"])
    ranged = None if dynamic.low is None or dynamic.high is None else (dynamic.low, dynamic.high)
    total = watts_range(design, dynamic)
    found = {
        "static": watts.static,
        "processor": watts.processor,
        "dynamic": watts.dynamic,
        **{name: parts[name] for name in ("dsp", "logic", "memories")},
        "total": watts.total,
        "board": board,
    }
    ranges = {
        "dynamic_range": None if ranged is None else [factor * watts.dynamic for factor in ranged],
        "total_range": None if total is None else list(total),
    }
    energy = {name: None if value is None else 1e6 * value / rate for name, value in found.items()}
    return {"power_w": found | ranges, "energy_per_inference_uj": energy}


def _layer(
    layer: PlacedLayer, used: LayerUsage, streams: list[StreamFigures], errors: Mapping[str, float]
) -> dict[str, Any]:
    spec = layer.spec
    return {
        "name": spec.name,
        "kind": spec.kind,
        "outputs": spec.m,
        "inputs": spec.n,
        "positions": spec.positions,
        "block": getattr(spec, "block", 1),
        "weights_stored": spec.stored_words,
        "output_error": errors.get(spec.name),
        "parallelism": kind(spec.kind).parallelism(layer.built),
        "streams": [_stream(s) for s in streams],
        "processes": [
            {
                "name": p.name,
                "iterations": p.program.iterations(p.tokens(spec)),
                "loops": 1,
                "cycles": p.program.cycles * p.tokens(spec),
                "useful_products": p.products * p.tokens(spec),
                "hls": _usage(u.hls),
                "routed": _usage(u.routed),
            }
            for p, u in zip(layer.processes, used.processes, strict=True)
        ],
    }


def _stream(stream: StreamFigures) -> dict[str, Any]:
    return {
        "name": stream.name,
        "from": stream.source,
        "to": stream.target,
        "words": stream.words,
        "bits": stream.bits,
        "beats": stream.beats,
        "depth": stream.depth,
    }


def _usage(usage: Usage) -> dict[str, int]:
    return asdict(usage)
