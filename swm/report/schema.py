# SPDX-License-Identifier: Apache-2.0
"""The published schema of a report's JSON, as the models that it is made of.

`swm report --json-schema` prints it as JSON Schema (draft 2020-12), `docs/report.schema.json` is the same. A key that
`to_json` writes and that does not stand here fails a test, and the other way round.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from swm.device.board import Board
from swm.device.listed import ListedTarget
from swm.report.explored import Explored

__all__ = ["ReportData", "json_schema"]

Kind = Literal["counted", "modelled", "measured", "published"]
Figure = Literal["interval", "latency", "dsp", "bram18", "uram", "lut", "ff", "static_w", "dynamic_w", "board_j"]
Pair = tuple[float, float]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Usage(_Data):
    """Resources: DSP blocks, LUTs, flip-flops, memories of 18 Kb and of 288 Kb."""

    lut: int
    ff: int
    bram18: int
    dsp: int
    uram: int


class Stream(_Data):
    """A stream between two processes."""

    name: str
    source: str = Field(alias="from")
    """Process that writes it, as layer.process; "input" at the edge."""
    to: str
    words: int
    """In a beat."""
    bits: int
    """Of a word."""
    beats: int
    """Per inference."""
    depth: int | None
    """Beats that it holds; null where it is an array."""


class Edge(Stream):
    """A stream between two layers."""

    tensor: str


class Loop(_Data):
    """A process at an AXI edge."""

    name: str
    iterations: int
    cycles: int


class Process(Loop):
    """A pipelined loop of a layer."""

    loops: int
    useful_products: int
    hls: Usage
    """As a csynth report would show it."""
    routed: Usage


class Layer(_Data):
    """A layer as it is built."""

    name: str
    kind: str
    outputs: int
    inputs: int
    positions: int
    block: int
    """Block size; 1 of a dense layer, or one without weights."""
    weights_stored: int
    output_error: float | None
    """Norm of the outputs' difference from the dense network's over the norm of those; null: not measured."""
    parallelism: dict[str, int | str | bool]
    """Of the layer's own kind."""
    streams: list[Stream]
    processes: list[Process]


class Parts(_Data):
    """Power in watts, or energy per inference in uJ: `dynamic` is `dsp` + `logic` + `memories`, `total` the device."""

    static: float
    processor: float
    dynamic: float
    dsp: float
    logic: float
    memories: float
    total: float
    board: float | None
    """Of the whole board; null where none like it was measured."""


class Power(Parts):
    """Watts, with the range that 8 of 10 reports held."""

    dynamic_range: Pair | None
    total_range: Pair | None


class Roof(_Data):
    """Work of an inference, and the cycles that each part of the device alone would ask for."""

    products: int
    stream_bits: int
    weight_bits: int
    bound_cycles: dict[str, int]


class Resources(_Data):
    """At both levels."""

    hls: Usage
    routed: Usage


class Design(_Data):
    """A design on a board; speed, power and energy of one that cannot exist are null."""

    fits: bool
    overflow: str
    """What is too large; empty where it fits."""
    sequences: int
    backend: str
    control: str | None
    clock_mhz: float
    interval_cycles: int | None
    latency_cycles: int | None
    latency_us: float | None
    inferences_per_s: float | None
    useful_share: float | None
    stream_bits_max: int
    weight_bits: int
    edge_words_per_cycle: list[int]
    edges: list[Edge]
    axi: list[Loop]
    layers: list[Layer]
    resources: Resources
    roofline: Roof
    power_w: Power | None
    energy_per_inference_uj: Parts | None


class Gain(_Data):
    """Dense over structured; null where one of the two cannot exist."""

    throughput: float | None
    latency: float | None
    energy: float | None
    reason: str
    elsewhere: list[str]


class ErrorBand(_Data):
    """How far a model was off: median absolute error, and the range of reported over modelled of 8 of 10 rows."""

    figure: Figure
    against: str
    median: float | None
    low: float | None
    high: float | None
    rows: int
    command: str
    date: str
    board: str
    family: str
    backend: str
    level: str
    beside_w: float | None
    """Watts that the board takes beside its device."""


class BoardData(_Data):
    """Both designs on a board."""

    board: Board
    """The board's file; docs/boards.md explains its keys."""
    dense_fits: bool
    structured: Design
    dense: Design
    gain: Gain
    remedy: str
    """What would make the design fit, by the resource model; empty where it fits."""
    errors: dict[Figure, ErrorBand]


class Accuracy(_Data):
    """A measured figure."""

    network: str
    share: float | None
    samples: int
    interval: Pair | None
    """95 % (Wilson)."""
    origin: str
    quantity: Literal["accuracy", "agreement", "error"]


class Loss(_Data):
    """What conversion and fixed point cost; `points` is null where agreement or an error is all that is known."""

    points: float | None
    network: str
    quantity: str
    samples: int
    origin: str


class Network(_Data):
    """Counts of the network, the same on every board."""

    data_bits: list[int]
    weight_bits: list[int]
    blocks: dict[int, int]
    """By block size (1: dense), how many layers."""
    dense_weights: int
    stored_weights: int
    stored_bits: int
    dense_bits: int
    fewer: float
    compression: float


class Verified(_Data):
    """The last `swm verify` of a project; `stale`: its files changed since."""

    ok: bool
    words: int
    mismatches: int
    samples: int
    compiler: str
    date: str
    swm: str
    stale: bool
    interval_cycles: float | None
    latency_cycles: float | None


class Evidence(_Data):
    """On what the figures rest."""

    original: str | None
    original_sha256: str | None
    fitted_samples: int | None
    format_samples: int | None
    saturated: dict[str, dict[str, Any]]
    verified: Verified | None
    synthesis: list[dict[str, Any]]
    """What `swm synth` counted: lut, ff, dsp, bram18, uram of all, of each layer and process, tool, date, stale."""
    build: dict[str, Any] | None
    """What `swm build` measured: used, available, fmax_mhz, bitstream, tools, date, stale."""
    remarks: list[str]
    remedy: str


class ChipPartData(_Data):
    """Operations or accesses of one sort: counted, and what they take (modelled)."""

    name: str
    unit: Literal["operations", "bits"]
    count: int
    joules: float


class ChipEnergyData(_Data):
    """Of one inference."""

    energy_j: float
    parts: list[ChipPartData]


class ChipData(_Data):
    """A network and its dense twin on a chip: energy of operations and memory accesses, nothing else."""

    chip: ListedTarget
    structured: ChipEnergyData
    dense: ChipEnergyData
    gain: float
    """Energy of the dense twin over that of the network."""


class Group(_Data):
    """Where a group of figures comes from."""

    figures: str
    kind: Kind
    note: str


class ReportData(_Data):
    """A report of `swm report --json`."""

    schema_version: Literal[4] = Field(alias="schema")
    """Raised where a key is renamed or means something else."""
    model: str
    created: str
    """UTC, ISO 8601."""
    swm: str
    verdict: list[str]
    """A line a board, then a line a chip."""
    loss: Loss | None
    """Null: not known."""
    accuracy: dict[str, float | None]
    """First figure by network; null: not measured."""
    accuracies: list[Accuracy]
    network: Network
    evidence: Evidence
    kinds: list[Group]
    explored: Explored | None
    """What `swm report --exploration` was given."""
    chips: list[ChipData]
    boards: list[BoardData]


def json_schema() -> dict[str, Any]:
    """The schema of `Report.to_json` as JSON Schema, draft 2020-12."""
    found = ReportData.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "swm report"}
