# SPDX-License-Identifier: Apache-2.0
"""What a schedule is: the parallelism of every layer and the cycles that follow from it.

The loop formulas here are those of the kernels in `hls/`: C simulation counts the same iterations. k, p, q as in
`LayerSpec`; units = k/4 butterflies a block and pass (1 for k = 2), P = max(1, log2 k - 1) passes.

| process | pipelined iterations | loops |
|---|---|---|
| axi_in, axi_out | ceil(n0 / V), ceil(m_last / V') | 1 |
| rfft  | GF LF k / V (load) + P GF units | 1 + P |
| mac   | GF units (load) + GP (k/2/PF) q | 2 |
| irfft | GP (k/2/PF) (load) + P GI units + ceil(m / V') (write) | 2 + P |
| dense | n_pad / V (load) + ceil(m/PE) n_pad/SIMD + ceil(m / V') (write) | 3 |
| scale | ceil(n / V) | 1 |

with GF = ceil(q/LF), GP = ceil(p/PO), GI = GP PO/LI, n_pad = n rounded up to a multiple of max(SIMD, V).
"""

from __future__ import annotations

from dataclasses import dataclass

from swm.fixed.spec import LayerSpec
from swm.hardware.board import Board

__all__ = [
    "FILL",
    "LayerSchedule",
    "Process",
    "Schedule",
    "bins",
    "ceil_div",
    "container_bits",
    "padded_columns",
    "passes",
    "units",
]

FILL = 10
"""Cycles a pipelined loop takes beyond its iterations. Modelled, no synthesis of ours behind it: 8 pipeline stages
(address, memory read 2, multiply 3, add, round and write) and 2 cycles to enter and leave the loop."""


def ceil_div(a: int, b: int) -> int:
    """Ceiling of a / b for positive integers."""
    return -(-a // b)


def container_bits(bits: int) -> int:
    """Smallest of 8, 16, 32 bits that holds a word: the element width of the AXI streams."""
    return 8 if bits <= 8 else 16 if bits <= 16 else 32


def units(spec: LayerSpec) -> int:
    """Butterfly units of one block and pass: k/4, and 1 for k = 2."""
    return max(1, spec.block // 4)


def passes(spec: LayerSpec) -> int:
    """Passes over a block of one transform: the first two stages together, then one a stage."""
    return max(1, spec.stages - 1)


def bins(spec: LayerSpec) -> int:
    """Complex words of one packed half spectrum: k/2."""
    return spec.block // 2


def padded_columns(spec: LayerSpec, columns: int, in_vec: int) -> int:
    """Inputs of a dense layer, padded to whole groups of both SIMD columns and stream words."""
    step = max(columns, in_vec)
    return ceil_div(spec.n, step) * step


@dataclass(frozen=True)
class Process:
    """One DATAFLOW process; it runs once an inference. `cycles` = `iterations` + `loops` * FILL (modelled)."""

    name: str
    iterations: int
    loops: int

    @property
    def cycles(self) -> int:
        """Cycles of one run (modelled: iterations are counted, the pipeline fill is not)."""
        return self.iterations + self.loops * FILL


@dataclass(frozen=True)
class LayerSchedule:
    """Parallelism of one layer, which is also its C++ template parameters. Fields of other kinds of layer are 1.

    Attributes:
        spec: Shapes and widths.
        in_vec: V, words a cycle on the input stream.
        out_vec: V', words a cycle on the output stream; at most the block size, and a divisor of `rows`.
        fft_lanes: LF, blocks transformed side by side.
        mac_blocks: PO, block rows accumulated side by side.
        mac_bins: PF, spectral words of a block multiplied side by side; a power of two that divides k/2.
        ifft_lanes: LI, blocks transformed back side by side; divides PO.
        rows: PE of a dense layer.
        columns: SIMD of a dense layer, a power of two.
    """

    spec: LayerSpec
    in_vec: int = 1
    out_vec: int = 1
    fft_lanes: int = 1
    mac_blocks: int = 1
    mac_bins: int = 1
    ifft_lanes: int = 1
    rows: int = 1
    columns: int = 1

    @property
    def fft_groups(self) -> int:
        """GF = ceil(q / LF)."""
        return ceil_div(self.spec.q, self.fft_lanes)

    @property
    def mac_groups(self) -> int:
        """GP = ceil(p / PO)."""
        return ceil_div(self.spec.p, self.mac_blocks)

    @property
    def ifft_groups(self) -> int:
        """GI = GP * PO / LI."""
        return self.mac_groups * (self.mac_blocks // self.ifft_lanes)

    @property
    def n_pad(self) -> int:
        """Padded inputs of a dense layer."""
        return padded_columns(self.spec, self.columns, self.in_vec)

    @property
    def fifo_spectrum(self) -> int:
        """Depth in beats between rfft and mac: both pass one beat a cycle, so 2."""
        return 2

    @property
    def fifo_accumulated(self) -> int:
        """Depth in beats between mac and irfft, so that the MAC of the next inference never waits.

        While irfft transforms and writes one inference, the MAC of the next one adds a beat every q cycles. More than
        one inference is never waiting. The pipeline fill of irfft's loops is included.
        """
        if self.spec.kind != "circulant":
            return 2
        p = passes(self.spec)
        busy = p * self.ifft_groups * units(self.spec) + ceil_div(self.spec.m, self.out_vec) + (1 + p) * FILL
        beats = self.mac_groups * (bins(self.spec) // self.mac_bins)
        return min(ceil_div(busy, self.spec.q), beats) + 2

    @property
    def processes(self) -> tuple[Process, ...]:
        """The layer's processes in the order of the data."""
        s = self.spec
        if s.kind == "circulant":
            p, u = passes(s), units(s)
            beats = self.mac_groups * (bins(s) // self.mac_bins)
            load = self.fft_groups * self.fft_lanes * s.block // self.in_vec
            back = beats + p * self.ifft_groups * u + ceil_div(s.m, self.out_vec)
            return (
                Process("rfft", load + p * self.fft_groups * u, 1 + p),
                Process("mac", self.fft_groups * u + beats * s.q, 2),
                Process("irfft", back, 2 + p),
            )
        if s.kind == "dense":
            work = ceil_div(s.m, self.rows) * (self.n_pad // self.columns)
            return (Process("dense", self.n_pad // self.in_vec + work + ceil_div(s.m, self.out_vec), 3),)
        return (Process("scale", ceil_div(s.n, self.in_vec), 1),)


@dataclass(frozen=True)
class Schedule:
    """A whole accelerator: the one source of the C++ parameters and of the cycles in the report.

    Attributes:
        board: The board it was made for.
        clock_mhz: Clock in MHz.
        layers: One entry a layer, in order.
        edges: Words a cycle on every stream: [0] the AXI input, [-1] the AXI output, one more than layers.
        fits: Whether the estimated resources stay inside the limits.
        overflow: Which resource goes beyond its limit and by how much; empty when `fits`.
    """

    board: Board
    clock_mhz: float
    layers: tuple[LayerSchedule, ...]
    edges: tuple[int, ...]
    fits: bool = True
    overflow: str = ""

    @property
    def axi_in(self) -> Process:
        """The process that unpacks the AXI input."""
        return Process("axi_in", ceil_div(self.layers[0].spec.n, self.edges[0]), 1)

    @property
    def axi_out(self) -> Process:
        """The process that packs the AXI output."""
        return Process("axi_out", ceil_div(self.layers[-1].spec.m, self.edges[-1]), 1)

    @property
    def processes(self) -> tuple[tuple[str, Process], ...]:
        """Every process in the order of the data, as (layer name, process); "" names the AXI edges."""
        inner = tuple((layer.spec.name, process) for layer in self.layers for process in layer.processes)
        return (("", self.axi_in), *inner, ("", self.axi_out))

    @property
    def interval(self) -> int:
        """Cycles between two inferences: the slowest process, as all run at the same time (modelled)."""
        return max(process.cycles for _, process in self.processes)

    @property
    def latency(self) -> int:
        """Cycles of one inference alone: the sum along the chain (modelled, an upper bound).

        A process loads while the one before it writes (irfft loads during the MAC, rfft during the write of the
        layer before, and so on); the sum counts those cycles twice.
        """
        return sum(process.cycles for _, process in self.processes)

    @property
    def inferences_per_s(self) -> float:
        """Inferences a second at full throughput: clock / interval (modelled)."""
        return self.clock_mhz * 1e6 / self.interval
