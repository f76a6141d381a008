# SPDX-License-Identifier: Apache-2.0
"""What every kind of hardware layer answers, and the values that pass between a kind and the rest of the road.

A kind is one file: `swm/layers/<kind>.py` (this side), `hls/swm/<kind>.h` (its kernel) and `templates/layers/<kind>.j2`
(its instance). `swm/layers/registry.py` is the only list of kinds.

A *token* is one position of one frame: a vector of channels. Layers pass tokens as streams of beats, `vec` channels a
beat. A process handles all tokens of a call in one pipelined loop; `Program` says at which iteration it reads and
writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import Cost
from swm.graph import Node
from swm.package_data import hls_dir, templates_dir

if TYPE_CHECKING:
    from swm.structure import WeightStructure

__all__ = [
    "TWIDDLE_FRAC",
    "Activation",
    "BeatStream",
    "FixedLayer",
    "FloatLayer",
    "Format",
    "Implementation",
    "Ints",
    "LayerKind",
    "LayerSpec",
    "LoadedMemory",
    "Obstacle",
    "Offer",
    "Operand",
    "Port",
    "Preference",
    "ProcessModel",
    "Program",
    "Rom",
    "Run",
    "TensorShape",
    "ceil_div",
    "clog2",
]

Ints = NDArray[np.int64]
Activation = Literal["identity", "relu", "sigmoid", "tanh"]
TWIDDLE_FRAC = 16  # fractional bits of the cosine and sine tables (18-bit signed entries)


def clog2(n: int) -> int:
    """Ceiling of log2(n), n >= 1."""
    return (n - 1).bit_length()


def ceil_div(a: int, b: int) -> int:
    """Ceiling of a / b for positive integers."""
    return -(-a // b)


@dataclass(frozen=True)
class Format:
    """A two's complement number of `bits` bits of which `frac` stand right of the binary point (may exceed bits)."""

    bits: int
    frac: int

    @property
    def largest(self) -> float:
        """The largest value."""
        return ((1 << (self.bits - 1)) - 1) / 2.0**self.frac

    def quantize(self, values: NDArray[np.floating]) -> Ints:
        """Nearest integers (half rounds up), saturated."""
        low, high = -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return np.clip(scaled, low, high).astype(np.int64)

    def overflows(self, values: NDArray[np.floating]) -> int:
        """How many values saturate."""
        scaled = np.floor(np.asarray(values, np.float64) * 2.0**self.frac + 0.5)
        return int(np.count_nonzero((scaled < -(1 << (self.bits - 1))) | (scaled >= 1 << (self.bits - 1))))

    def dequantize(self, values: Ints) -> NDArray[np.float32]:
        """Integers back to float32."""
        return (values / 2.0**self.frac).astype(np.float32)

    def __str__(self) -> str:
        """`Q<integer bits>.<fraction bits>`, the sign bit among the integer bits."""
        return f"Q{self.bits - self.frac}.{self.frac}"


@dataclass(frozen=True)
class TensorShape:
    """What flows on an edge: `positions` tokens a frame of `channels` words of `bits` bits."""

    channels: int
    bits: int
    positions: int = 1


@dataclass(frozen=True)
class LayerSpec:
    """Shapes and widths of one layer: all that schedule, cost and C++ traits need to know of it.

    They follow from shapes and bits alone, so no calibration is needed. Kinds extend it.

    Attributes:
        name: C identifier, unique in its network.
        inputs: one shape an input.
        output: shape of the output.
        activation: fused behind the sum.
    """

    kind: ClassVar[str] = ""

    name: str
    inputs: tuple[TensorShape, ...]
    output: TensorShape
    activation: Activation = "identity"

    @property
    def n(self) -> int:
        """Channels of the first input."""
        return self.inputs[0].channels

    @property
    def m(self) -> int:
        """Channels of the output."""
        return self.output.channels

    @property
    def data_bits(self) -> int:
        """Bits of the first input."""
        return self.inputs[0].bits

    @property
    def out_bits(self) -> int:
        """Bits of the output."""
        return self.output.bits

    @property
    def positions(self) -> int:
        """Tokens a frame."""
        return self.inputs[0].positions

    @property
    def stored_words(self) -> int:
        """Weight integers that are stored (counted)."""
        return 0

    @property
    def stored_bits(self) -> int:
        """Bits of all stored weights (counted)."""
        return 0

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates a frame of the same layer left dense."""
        return 0


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """One hardware layer, still in float: a product, scale or join, its bias and the activation fused behind it.

    Attributes:
        kind: name of the kind.
        name: C identifier, unique in the network.
        node: name of the node that gives the layer its weights (any text).
        inputs: tensors that the layer reads.
        output: tensor that the layer writes, after the activation.
        shapes: (channels, positions) of each input.
        m: output channels.
        positions: tokens a frame of the output.
        weight: the matrix of a product, None for other kinds.
        scale: (n,) gains of a scale layer, None otherwise.
        bias: (m,) float32, zeros where there is none.
        activation: fused activation.
    """

    kind: str
    name: str
    node: str
    inputs: tuple[str, ...]
    output: str
    shapes: tuple[tuple[int, int], ...]
    m: int
    positions: int
    weight: WeightStructure | None = None
    scale: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    activation: Activation = "identity"

    @property
    def n(self) -> int:
        """Channels of the first input."""
        return self.shapes[0][0]


@dataclass(frozen=True, eq=False)
class FixedLayer:
    """One integer layer.

    Attributes:
        spec: shapes and widths.
        node: name of the float node it comes from (any text).
        inputs: tensors that the layer reads.
        output: tensor that the layer writes.
        input_formats: formats of the input tensors.
        output_format: format of the output tensor.
        arrays: integer parameters by name: "weights" (circulant: packed spectra (p, q, k/2, 2); dense: (m, n);
            scale: (n,)), "bias" (m,) at the binary point of the sum. int64.
        weight_frac: fractional bits of the weights.
        acc_shift: right shift of the one rounding of a spectral sum (0 for other kinds).
    """

    spec: LayerSpec
    node: str
    inputs: tuple[str, ...]
    output: str
    input_formats: tuple[Format, ...]
    output_format: Format
    arrays: Mapping[str, Ints] = field(default_factory=dict)
    weight_frac: int = 0
    acc_shift: int = 0

    @property
    def value_frac(self) -> int:
        """Fractional bits of the pre-activation value (of a join: the finest of its inputs)."""
        return max(f.frac for f in self.input_formats) + self.weight_frac - self.acc_shift


@dataclass(frozen=True)
class Implementation:
    """How parallel one layer is built; also its C++ template parameters. Kinds extend it.

    Attributes:
        spec: shapes and widths.
        in_vec: words a beat on each input stream.
        out_vec: words a beat on each output stream.
    """

    spec: LayerSpec
    in_vec: int = 1
    out_vec: int = 1


@dataclass(frozen=True)
class Run:
    """Iterations start, start + step, ... (`count` of them) at which a port is used."""

    start: int
    step: int
    count: int


@dataclass(frozen=True)
class Port:
    """When a process reads or writes one stream.

    Attributes:
        stream: "in0", "in1", ... and "out0", ... for the layer's own edges, else the name of an internal stream.
        steady: iterations relative to the start of a token's period; negative ones read ahead in the period of the
            token before, ones beyond the period drain in the next.
        first: if not empty, takes the place of `steady` for token 0, in iterations of the call.
        beats: beats an iteration, one a cycle (for processes with an II above 1).
        total: beats a token, where the last iteration moves fewer than `beats`; 0: all are full.
    """

    stream: str
    steady: tuple[Run, ...]
    first: tuple[Run, ...] = ()
    beats: int = 1
    total: int = 0


@dataclass(frozen=True)
class Program:
    """The loop of one process: `prologue + tokens * period + epilogue` iterations, one each `ii` cycles."""

    period: int
    reads: tuple[Port, ...]
    writes: tuple[Port, ...]
    prologue: int = 0
    epilogue: int = 0
    ii: int = 1

    def iterations(self, tokens: int) -> int:
        """Pipelined iterations of a call over `tokens` tokens; the C++ counts the same."""
        return self.prologue + tokens * self.period + self.epilogue

    @property
    def cycles(self) -> int:
        """Cycles a token takes in the steady state."""
        return self.period * self.ii


@dataclass(frozen=True)
class BeatStream:
    """A stream inside a layer: `words` integers of `bits` bits a beat, of C++ type `net::<layer>_traits::<element>`."""

    name: str
    element: str
    words: int
    bits: int
    beats: int

    @property
    def width(self) -> int:
        """Bits of a beat."""
        return self.words * self.bits


@dataclass(frozen=True)
class ProcessModel:
    """One process of a layer.

    Attributes:
        name: unique in its layer.
        kernel: name of the function template in namespace swm.
        arguments: further template arguments after the configuration, such as the stage of a pass.
        program: its loop.
        roms: ROMs of the layer that it reads, in the order of the kernel's parameters.
        cost: resources of the process and of the memories in it, not of the streams it writes.
        products: real multiplications a token on DSPs that no cheaper form of the same arithmetic avoids (useful ones).
    """

    name: str
    kernel: str
    program: Program
    cost: Cost
    roms: tuple[str, ...] = ()
    arguments: tuple[int, ...] = ()
    products: int = 0


@dataclass(frozen=True, eq=False)
class Rom:
    """A ROM of a layer: integers (banks, depth, lanes), or (words,) for a bias that is read in beats of `vec`.

    `storage` is "lutram", "bram", "" (the tool's choice), or "uram": no ROM then, but a `LoadedMemory`.
    """

    name: str
    element: str
    values: Ints
    storage: str = ""


@dataclass(frozen=True)
class LoadedMemory:
    """Weights in UltraRAM, which has no initial contents: a memory that is filled once, at start (hls/swm/load.h).

    Attributes:
        rom: name of the `Rom` whose place it takes.
        banks: memories side by side.
        depth: words of each.
        lanes: weights of a word.
        bits: of a weight.
    """

    rom: str
    banks: int
    depth: int
    lanes: int
    bits: int


@dataclass(frozen=True)
class Preference:
    """What the search asks offers to spare.

    Attributes:
        weights: of DSP, BRAM18, URAM, LUT and FF.
        fabric: fraction of the multiplications of a layer that are built of LUTs.
        wide: whether that holds for multipliers of any width, or only for those that a tool would build of LUTs anyway.
    """

    weights: tuple[float, ...]
    fabric: float = 0.0
    wide: bool = False


class Offer(ABC):
    """What a layer of one shape can be built as; made once, asked for many intervals."""

    @abstractmethod
    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """The implementation of least weighted cost whose every process takes at most `interval` cycles a frame.

        Args:
            interval: cycles a frame.
            preference: weights of the resources, and where multipliers are built.

        Returns:
            The choice, or None when none is that fast.
        """


@dataclass(frozen=True)
class Operand:
    """An input of a graph node as the lowering knows it."""

    tensor: str
    channels: int
    positions: int


@dataclass(frozen=True)
class Obstacle:
    """Why a node does not become hardware, and what to do about it."""

    reason: str
    remedy: str


class LayerKind(ABC):
    """All that the road asks of a kind of layer."""

    name: ClassVar[str]
    takes: ClassVar[tuple[type[Node], ...]] = ()  # types of graph nodes that `lower` may answer
    fuses: ClassVar[bool] = True  # whether an activation behind the layer becomes a part of it

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """The layer that a graph node becomes; None where the node is not of this kind.

        Args:
            node: a node of the float graph.
            operands: its inputs that are not constants, in order.
            name: C identifier for the layer.
        """
        return None

    @property
    def headers(self) -> tuple[Path, ...]:
        """C++ headers that an instance includes (more headers may be included by these)."""
        return (hls_dir() / "swm" / f"{self.name}.h",)

    @property
    def template(self) -> Path:
        """The Jinja2 file of an instance."""
        return templates_dir() / "layers" / f"{self.name}.j2"

    @abstractmethod
    def spec(self, layer: FloatLayer, bits: int) -> LayerSpec:
        """Shapes and widths for data and weights of `bits` bits."""

    @abstractmethod
    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Integer parameters and the output format.

        Args:
            spec: from `spec`.
            layer: the float layer.
            inputs: (rows, channels) calibration values of every input; a row is a token.
            outputs: (rows, m) calibration values of the output.
            formats: formats of the inputs, already chosen.
        """

    @abstractmethod
    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact integers: (rows, channels) of every input → (rows, m), and saturation counts by place."""

    @abstractmethod
    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Everything the layer can be built as on a device with these DSP blocks."""

    @abstractmethod
    def minimal(self, spec: LayerSpec) -> Implementation:
        """One lane everywhere, one word a beat: what the generic back end builds."""

    @abstractmethod
    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Its processes in the order of the data."""

    def left_dense(self, spec: LayerSpec) -> LayerSpec:
        """The same layer without its weight structure: the baseline of every gain."""
        return spec

    def spare_blocks(self, built: Implementation) -> Implementation | None:
        """The same layer with its weights in LUTs instead of block RAM; None where nothing can move."""
        return None

    def move_to_uram(self, built: Implementation) -> Implementation | None:
        """The same layer with its weights in UltraRAM instead of block RAM; None where nothing can move."""
        return None

    def loaded(self, built: Implementation) -> LoadedMemory | None:
        """The memory that is to be filled at start; None where there is none."""
        return None

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """Streams between its processes, in the order of the data."""
        return ()

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Its ROMs in the order in which the kernels read them."""
        return ()

    @abstractmethod
    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """The members of its C++ configuration struct: integers, tuples of integers (lists), names of policy types.

        `layer` is None for kinds that the schedule places.
        """

    def parallelism(self, built: Implementation) -> dict[str, int]:
        """The fields of the implementation that a report shows, by name."""
        return {k: v for k, v in vars(built).items() if k != "spec"}
