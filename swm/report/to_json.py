# SPDX-License-Identifier: Apache-2.0
"""A report as plain data for JSON: stable keys, units in their names."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from swm.hardware.resources import Usage
from swm.report.compare import BoardReport, Design, Report

__all__ = ["SCHEMA", "to_json"]

SCHEMA = 1
"""Version of the keys; a key is never renamed or given another unit without raising it."""


def to_json(report: Report) -> dict[str, Any]:
    """Give a report as dictionaries, lists, strings and numbers that `json.dumps` takes.

    Args:
        report: What to write.

    Returns:
        Keys `schema`, `model`, `accuracy` (share of 1, null = not measured), `kinds` (kind and error of every group of
        figures) and `boards`.
    """
    return {
        "schema": SCHEMA,
        "model": report.model,
        "accuracy": dict(report.accuracy),
        "kinds": [asdict(k) for k in report.kinds],
        "boards": [_board(b) for b in report.boards],
    }


def _board(row: BoardReport) -> dict[str, Any]:
    return {
        "board": row.board.model_dump(mode="json"),
        "dense_fits": row.dense_fits,
        "structured": _design(row.structured),
        "dense": _design(row.dense),
        "gain": asdict(row.gain),
    }


def _design(design: Design) -> dict[str, Any]:
    plan, watts, joules = design.plan, design.watts, design.joules
    return {
        "fits": design.fits,
        "overflow": design.overflow,
        "clock_mhz": plan.clock_mhz,
        "interval_cycles": plan.interval,
        "latency_cycles": plan.latency,
        "latency_us": design.latency_us,
        "inferences_per_s": plan.inferences_per_s,
        "weight_bits": design.weight_bits,
        "edge_words_per_cycle": list(plan.edges),
        "axi": [{"name": p.name, "iterations": p.iterations, "cycles": p.cycles} for p in (plan.axi_in, plan.axi_out)],
        "layers": [
            {
                "name": layer.spec.name,
                "kind": layer.spec.kind,
                "outputs": layer.spec.m,
                "inputs": layer.spec.n,
                "block": layer.spec.block,
                "parallelism": {
                    "in_vec": layer.in_vec,
                    "out_vec": layer.out_vec,
                    "fft_lanes": layer.fft_lanes,
                    "mac_blocks": layer.mac_blocks,
                    "mac_bins": layer.mac_bins,
                    "ifft_lanes": layer.ifft_lanes,
                    "rows": layer.rows,
                    "columns": layer.columns,
                },
                "processes": [
                    {
                        "name": p.name,
                        "iterations": p.iterations,
                        "loops": p.loops,
                        "cycles": p.cycles,
                        "hls": _usage(u.hls),
                        "routed": _usage(u.routed),
                    }
                    for p, u in zip(layer.processes, used.processes, strict=True)
                ],
            }
            for layer, used in zip(plan.layers, design.used.layers, strict=False)
        ],
        "resources": {"hls": _usage(design.used.hls), "routed": _usage(design.used.routed)},
        "power_w": {
            "static": watts.static,
            "processor": watts.processor,
            "dynamic": watts.dynamic,
            "total": watts.total,
            "dynamic_range": list(watts.dynamic_range),
            "total_range": list(watts.total_range),
        },
        "energy_per_inference_uj": {
            "static": joules.static * 1e6,
            "processor": joules.processor * 1e6,
            "dynamic": joules.dynamic * 1e6,
            "total": joules.total * 1e6,
        },
    }


def _usage(usage: Usage) -> dict[str, int]:
    return asdict(usage)
