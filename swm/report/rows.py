# SPDX-License-Identifier: Apache-2.0
"""Numbers as a reader sees them, shared by the text and the HTML report."""

from __future__ import annotations

from dataclasses import dataclass

from swm.hardware.board import Board
from swm.hardware.resources import Usage
from swm.report.compare import BoardReport, Design, Report

__all__ = [
    "RESOURCE_HEAD",
    "SUMMARY_HEAD",
    "ProcessRow",
    "accuracy_rows",
    "gain_text",
    "process_rows",
    "quantity",
    "resource_rows",
    "summary_row",
]

SUMMARY_HEAD = (
    "design",
    "fits",
    "interval, cycles",
    "latency, us",
    "inferences/s",
    "DSP",
    "BRAM18",
    "LUT",
    "power, W",
    "energy, uJ",
)
RESOURCE_HEAD = ("resource", "device", "structured, HLS", "structured, routed", "dense, HLS", "dense, routed")
_RESOURCES = (("dsp", "DSP"), ("bram18", "BRAM18"), ("lut", "LUT"), ("ff", "FF"))
_LABELS = {
    "dense_float": "dense, float",
    "converted_float": "converted, float",
    "fixed": "converted, fixed point",
}


@dataclass(frozen=True)
class ProcessRow:
    """One process of a design: its layer, what it runs in parallel, its cycles and routed resources."""

    layer: str
    process: str
    parallelism: str
    iterations: str
    cycles: str
    usage: tuple[str, ...]
    count: int
    slowest: bool


def quantity(value: float) -> str:
    """Three significant digits, thousands separated, no exponent: 0.0123, 1.23, 12.3, 123, 1,230, 85,300."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    text = f"{value:#.3g}"
    return (f"{value:.9f}" if "e" in text else text).rstrip(".")


def summary_row(name: str, design: Design) -> tuple[str, ...]:
    """One line of the summary, as in `SUMMARY_HEAD`."""
    used, plan = design.used.routed, design.plan
    return (
        name,
        "yes" if design.fits else "no",
        f"{plan.interval:,}",
        quantity(design.latency_us),
        quantity(plan.inferences_per_s),
        f"{used.dsp:,}",
        f"{used.bram18:,}",
        quantity(used.lut),
        f"{design.watts.total:.2f}",
        quantity(design.joules.total * 1e6),
    )


def gain_text(row: BoardReport) -> str:
    """The gains in one sentence, with a warning when one design cannot be built."""
    gain = row.gain
    pairs = (("throughput", gain.throughput), ("latency", gain.latency), ("energy", gain.energy))
    text = ", ".join(f"{name} {quantity(value)}x" for name, value in pairs)
    if not gain.hypothetical:
        return text
    names = [name for name, d in (("structured design", row.structured), ("dense twin", row.dense)) if not d.fits]
    return (
        f"hypothetical: {text}. The {' and the '.join(names)} cannot be built here; the figures are those of the same "
        "device with as much block RAM as needed"
    )


def accuracy_rows(report: Report) -> list[tuple[str, str]]:
    """(name, percentage or "not measured")."""
    return [(_LABELS.get(k, k), "not measured" if v is None else f"{100 * v:.2f} %") for k, v in report.accuracy]


def resource_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """Resources of both designs against the device, as in `RESOURCE_HEAD`, with shares."""
    board: Board = row.board
    usages = [u for d in (row.structured, row.dense) for u in (d.used.hls, d.used.routed)]
    rows = []
    for key, label in _RESOURCES:
        has: int = getattr(board.resources, key)
        cells = [f"{getattr(u, key):,}" + (f" ({getattr(u, key) / has:.0%})" if has else "") for u in usages]
        rows.append((label, f"{has:,}", *cells))
    return rows


def process_rows(design: Design) -> list[ProcessRow]:
    """Every process in the order of the data."""
    plan = design.plan
    rows = [_edge(design, plan.axi_in.name, f"V={plan.edges[0]}", plan.axi_in.iterations, plan.axi_in.cycles)]
    for layer, used in zip(plan.layers, design.used.layers, strict=False):
        labels = {
            "rfft": f"V={layer.in_vec} LF={layer.fft_lanes}",
            "mac": f"PO={layer.mac_blocks} PF={layer.mac_bins}",
            "irfft": f"LI={layer.ifft_lanes} V'={layer.out_vec}",
            "dense": f"V={layer.in_vec} PE={layer.rows} SIMD={layer.columns} V'={layer.out_vec}",
            "scale": f"V={layer.in_vec}",
        }
        for process, cost in zip(layer.processes, used.processes, strict=True):
            rows.append(
                ProcessRow(
                    layer.spec.name,
                    process.name,
                    labels[process.name],
                    f"{process.iterations:,}",
                    f"{process.cycles:,}",
                    _cells(cost.routed),
                    process.cycles,
                    process.cycles == plan.interval,
                )
            )
    return [
        *rows,
        _edge(design, plan.axi_out.name, f"V={plan.edges[-1]}", plan.axi_out.iterations, plan.axi_out.cycles),
    ]


def _edge(design: Design, name: str, label: str, iterations: int, cycles: int) -> ProcessRow:
    empty = ("",) * len(_RESOURCES)
    return ProcessRow("", name, label, f"{iterations:,}", f"{cycles:,}", empty, cycles, cycles == design.plan.interval)


def _cells(usage: Usage) -> tuple[str, ...]:
    return tuple(f"{getattr(usage, key):,}" for key, _ in _RESOURCES)
