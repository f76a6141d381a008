# SPDX-License-Identifier: Apache-2.0
"""The tables of a report as rows of text, shared by the text and the HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from swm.accelerator.resources import Usage
from swm.device.board import Board, resource_labels
from swm.layers.registry import kind
from swm.report.energy_split import board_watts, watts_range
from swm.report.evidence import ACCURACY_KEYS, Accuracy
from swm.report.figures import DesignFigures, axi_iterations, stream_figures
from swm.report.measured import Synthesis
from swm.report.network import block_of, network_figures
from swm.report.numbers import NONE, NOT_STATED, counted, interval, percent, quantity, share
from swm.report.value import BoardReport, Report

__all__ = [
    "ACCURACY_HEAD",
    "ERROR_HEAD",
    "FIGURE_HEAD",
    "LAYER_HEAD",
    "PARALLELISM_HEAD",
    "PROCESS_HEAD",
    "RESOURCE_HEAD",
    "STREAM_HEAD",
    "SYNTHESIS_HEAD",
    "ProcessRow",
    "accuracy_rows",
    "error_rows",
    "figure_rows",
    "head_for",
    "layer_rows",
    "parallelism_rows",
    "process_rows",
    "resource_rows",
    "stream_rows",
    "synthesis_rows",
    "synthesis_title",
]

ACCURACY_HEAD = ("network", "quantity", "samples", "value", "95%")
FIGURE_HEAD = ("figure", "structured", "dense twin", "gain", "model's error")
RESOURCE_HEAD = (
    *("resource", "device", "structured, HLS", "structured, routed", "dense, HLS", "dense, routed"),
    "model's error",
)
ERROR_HEAD = ("figure", "median error", "8 of 10 within", "rows, of", "held against")
LAYER_HEAD = ("layer", "kind", "inputs", "outputs", "positions", "block", "weights stored", "output error")
PARALLELISM_HEAD = ("layer", "built with")
PROCESS_HEAD = ("process", "iterations", "cycles", "DSP", "BRAM18", "LUT", "FF")
SYNTHESIS_HEAD = ("layer", "LUT, model", "measured", "FF, model", "measured", "DSP", "measured", "BRAM18", "measured")
STREAM_HEAD = ("stream", "from", "to", "words x bits", "depth, beats")
_ERRORS_OF = {
    "interval": "interval, inferences/s",
    "latency": "latency",
    "static_w": "static and processor power",
    "dynamic_w": "dynamic power and energy",
    "board_j": "power and energy with the board",
}
_OF_A_PROCESS = ("dsp", "bram18", "lut", "ff")
_OF_AN_AREA = ("lut", "ff", "dsp", "bram18")
_NETWORKS = {
    "dense_float": "dense original, float",
    "converted_float": "converted, float",
    "fixed": "this design, fixed point",
}
_QUANTITIES = {"accuracy": "accuracy", "agreement": "answers as dense", "error": "output error"}


@dataclass(frozen=True)
class ProcessRow:
    """One process of a design: its iterations and cycles, and its routed resources."""

    name: str
    iterations: str
    cycles: str
    usage: tuple[str, ...]
    count: int
    slowest: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """As in `PROCESS_HEAD`."""
        return (self.name, self.iterations, self.cycles, *self.usage)


def accuracy_rows(report: Report) -> list[tuple[str, ...]]:
    """Every figure of accuracy, as in `ACCURACY_HEAD`, and those that nobody measured."""
    known = {one.network for one in report.accuracies}
    missing = [Accuracy(name, None) for name in ACCURACY_KEYS if name not in known]
    if "fixed" in known or not network_figures(report).structured:  # then it says nothing more, or there is none
        missing = [one for one in missing if one.network != "converted_float"]
    rows: list[tuple[str, ...]] = []
    for one in (*report.accuracies, *missing):
        where = f"{one.samples:,} {one.origin}".strip() if one.samples else one.origin
        name = _NETWORKS.get(one.network, one.network)
        rows.append((name, _QUANTITIES[one.quantity], where or NONE, share(one), interval(one)))
    return rows


def figure_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """What decides, of both designs, as in `FIGURE_HEAD`; a dash is a figure of a design that cannot exist."""
    pair, gain, has, bands = (row.structured, row.dense), row.gain, row.board.resources, row.bands
    cycles, dynamic = bands["interval"].short, f"dynamic {bands['dynamic_w'].short}" if "dynamic_w" in bands else ""
    rows: list[tuple[str, ...]] = [
        ("fits", *("yes" if d.fits else "NO" for d in pair), "", ""),
        ("inferences/s", *(quantity(d.inferences_per_s) for d in pair), _times(gain.throughput), cycles),
        ("interval, cycles", *(counted(d.interval) for d in pair), "", cycles),
        ("latency, us", *(quantity(d.latency_us) for d in pair), _times(gain.latency), bands["latency"].short),
        ("energy, uJ per inference", *(_energy(d) for d in pair), _times(gain.energy), dynamic),
        ("power, W", *(f"{d.watts.total:.2f}" if d.watts else _no_power(d) for d in pair), "", dynamic),
    ]
    if any(watts_range(d, bands["dynamic_w"]) for d in pair if d.watts):
        rows.append(("power, W, in 8 of 10 reports", *(_range(d, row) for d in pair), "", ""))
    if "board_j" in bands and bands["board_j"].beside_w is not None:
        wholes = (board_watts(d, bands["board_j"]) for d in pair)
        cells = (NONE if w is None else f"{w:.2f}" for w in wholes)
        rows.append(("power of the whole board, W", *cells, "", bands["board_j"].short))
    rows.append(("useful share of DSP-cycles", *(percent(d.useful_share) for d in pair), "", cycles))
    for key, label in row.board.labels.items():
        held = has.of(key)
        taken = [getattr(d.used.routed, key) for d in pair]
        if held or any(taken):
            shares = (f"{n:,} ({n / held:.0%})" if held else f"{n:,}" for n in taken)
            rows.append((f"{label}, of {held:,}", *shares, "", _short(row, key)))
    return rows


def _short(row: BoardReport, key: str) -> str:
    return row.bands[key].short if key in row.bands else NONE


def _times(gain: float | None) -> str:
    return NONE if gain is None else f"{quantity(gain)} x"


def _energy(design: DesignFigures) -> str:
    return quantity(design.joules.total * 1e6) if design.joules else _no_power(design)


def _range(design: DesignFigures, row: BoardReport) -> str:
    found = watts_range(design, row.bands["dynamic_w"])
    return _no_power(design) if found is None else f"{found[0]:.2f}-{found[1]:.2f}"


def _no_power(design: DesignFigures) -> str:
    return NOT_STATED if design.fits else NONE


def resource_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """Resources of both designs at both levels, as in `RESOURCE_HEAD`; URAM where there is any."""
    board: Board = row.board
    usages = [u for d in (row.structured, row.dense) for u in (d.used.hls, d.used.routed)]
    rows = []
    for key, label in board.labels.items():
        has = board.resources.of(key)
        if has or any(getattr(u, key) for u in usages):
            rows.append((label, f"{has:,}", *(f"{getattr(u, key):,}" for u in usages), _short(row, key)))
    return rows


def layer_rows(design: DesignFigures, errors: Mapping[str, float]) -> list[tuple[str, ...]]:
    """Every layer with its shape, weights and what conversion did to its outputs, as in `LAYER_HEAD`."""
    rows: list[tuple[str, ...]] = []
    for layer in design.plan.layers:
        spec, error = layer.spec, errors.get(layer.spec.name)
        block = {0: NONE, 1: "dense"}.get(block_of(spec), str(block_of(spec)))
        stored = f"{spec.stored_words:,}" if spec.stored_words else NONE
        shape = (f"{spec.n:,}", f"{spec.m:,}", f"{spec.positions:,}")
        rows.append((spec.name, spec.kind, *shape, block, stored, NONE if error is None else f"{100 * error:.1f} %"))
    return rows


def parallelism_rows(design: DesignFigures) -> list[tuple[str, ...]]:
    """Every layer with what it runs in parallel, as in `PARALLELISM_HEAD`; what is zero is left out."""
    rows: list[tuple[str, ...]] = []
    for layer in design.plan.layers:
        shown = {name: value for name, value in kind(layer.spec.kind).parallelism(layer.built).items() if value}
        rows.append((layer.spec.name, ", ".join(f"{name} {value}" for name, value in shown.items())))
    return rows


def error_rows(row: BoardReport) -> list[tuple[str, ...]]:
    """How far each model was off, over how many rows, against what and by which command, as in `ERROR_HEAD`."""
    rows: list[tuple[str, ...]] = []
    labels = row.board.labels
    for name, band in row.bands.items():
        spread = NONE if band.low is None or band.high is None else f"x{band.low:.2f} to x{band.high:.2f}"
        found = f"{band.rows}, {band.whose}" if band.rows else NONE
        source = f"{band.against} ({band.command}, {band.date})" if band.command else band.against
        rows.append((labels.get(name) or _ERRORS_OF[name], band.short, spread, found, source))
    return rows


def process_rows(design: DesignFigures) -> list[ProcessRow]:
    """Every process in the order of the data."""
    plan = design.plan
    axi = axi_iterations(plan)
    counted = []
    for layer in plan.layers:
        for p in layer.processes:
            name, tokens = f"{layer.spec.name}.{p.name}", p.tokens(layer.spec)
            counted.append((name, p.program.iterations(tokens), p.program.cycles * tokens))
    usages = [_cells(p.routed) for used in design.used.layers[: len(plan.layers)] for p in used.processes]
    empty = ("",) * len(_OF_A_PROCESS)
    slowest = max(*axi.values(), *(cycles for *_, cycles in counted), 0)
    ends = [(name, n, n, empty) for name, n in axi.items()]
    every = [*ends[:1], *((*c, u) for c, u in zip(counted, usages, strict=True)), *ends[1:]]
    return [
        ProcessRow(name, f"{iterations:,}", f"{cycles:,}", usage, cycles, cycles == slowest)
        for name, iterations, cycles, usage in every
    ]


def stream_rows(design: DesignFigures) -> list[tuple[str, ...]]:
    """Every stream with its depth, as in `STREAM_HEAD`; none where processes follow each other."""
    return [
        (
            f"{s.layer}.{s.name}" if s.layer else s.name,
            s.source,
            s.target,
            f"{s.words:,} x {s.bits:,}",
            f"{s.depth:,}",
        )
        for s in stream_figures(design.plan)
        if s.depth is not None
    ]


def synthesis_title(found: Synthesis, date: str, *, stale: bool) -> str:
    """Which tool counted what, and of which files."""
    old = "; of other files than lie here now: run swm synth again" if stale else ""
    return f"area beside the model's, measured ({found.tool}, family {found.family}, {date[:10]}){old}"


def head_for(head: tuple[str, ...], family: str) -> tuple[str, ...]:
    """A head with the names that a family's vendor gives its resources."""
    names = resource_labels(family)
    return tuple(cell.replace("BRAM18", names["bram18"]).replace("LUT", names["lut"]) for cell in head)


def synthesis_rows(design: DesignFigures, found: Synthesis) -> list[tuple[str, ...]]:
    """Area of every layer as modelled after routing and as a tool counted it, as in `SYNTHESIS_HEAD`.

    Streams count with the process that writes them, in both. Nothing is modelled beside the family of another board.
    """
    own = found.board_family == design.plan.board.family
    modelled = {layer.name: layer for layer in design.used.layers} if own else {}
    rows = []
    for layer in found.layers:
        known = modelled.get(layer.name)
        usages = [process.routed for process in known.processes] if known else []
        pairs = ((sum(getattr(u, key) for u in usages), layer.area.of(key)) for key in _OF_AN_AREA)
        rows.append((layer.name or "edges", *_pairs(pairs, known is not None)))
    pairs = ((getattr(design.used.routed, key), found.area.of(key)) for key in _OF_AN_AREA)
    rows.append(("in all", *_pairs(pairs, own)))
    return rows


def _pairs(pairs: Iterable[tuple[int, int]], own: bool) -> Iterator[str]:
    for model, measured in pairs:
        yield from (f"{model:,}" if own else NONE, f"{measured:,}")


def _cells(usage: Usage) -> tuple[str, ...]:
    return tuple(f"{getattr(usage, key):,}" for key in _OF_A_PROCESS)
