# SPDX-License-Identifier: Apache-2.0
"""What every kind of hardware layer answers.

A kind is one file: `swm/layers/<kind>.py` (this side), `hls/swm/<kind>.h` (its kernel) and `templates/layers/<kind>.j2`
(its instance). `swm/layers/registry.py` is the only list of kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.graph import Node
from swm.layers.curves import Curve
from swm.layers.program import BeatStream, LoadedMemory, ProcessModel, Rom
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec
from swm.layers.work import Work, additions, multiplications
from swm.package_data import hls_dir, templates_dir

__all__ = ["LayerKind", "Obstacle", "Offer", "Operand", "Preference"]

_ANY_PORTS = DspPorts(wide=25, narrow=18, kind="counted", source="no count of products depends on them")


@dataclass(frozen=True)
class Preference:
    """What the search asks offers to spare.

    Attributes:
        weights: of DSP, BRAM18, URAM, LUT and FF.
        fabric: fraction of the multiplications of a layer that are built of LUTs.
        wide: whether that holds for multipliers of any width, or only for those of narrow weights.
        beside: whether layers over images may compute several positions of a row at once.
    """

    weights: tuple[float, ...]
    fabric: float = 0.0
    wide: bool = False
    beside: bool = False


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
    """An input of a graph node as the lowering knows it.

    Attributes:
        tensor: of the layers; it passes token after token.
        channels: words of a token.
        positions: tokens a frame.
        grid: sizes of the axes along which the positions lie, row-major; None where they are no image.
    """

    tensor: str
    channels: int
    positions: int
    grid: tuple[int, ...] | None = None


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
    joins: ClassVar[bool] = False  # whether it adds streams: where residual paths end
    rescales: ClassVar[bool] = False  # whether what leaves may have other bits than what comes

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

    def resized(self, spec: LayerSpec, inputs: tuple[int, ...], output: int) -> LayerSpec | None:
        """The same layer with so many bits of data on each stream; None where it has as many on all, the default."""
        if not self.rescales:
            return None
        shapes = tuple(replace(shape, bits=bits) for shape, bits in zip(spec.inputs, inputs, strict=True))
        return replace(spec, inputs=shapes, output=replace(spec.output, bits=output))

    def divided_exactly(self, spec: LayerSpec) -> LayerSpec:
        """The same layer with exact divisions, where it has any that are not."""
        return spec

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

    def run_float(self, layer: FloatLayer, inputs: tuple[NDArray[np.floating], ...]) -> NDArray[np.floating] | None:
        """(rows, m) outputs for (rows, channels) of every input, where the float graph may not have them.

        None, the default: the layer writes a tensor of the graph, which the float engine computes.
        """
        return None

    @abstractmethod
    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact integers: (rows, channels) of every input → (rows, m), and saturation counts by place."""

    def rounded_values(self, spec: LayerSpec, place: str) -> int:
        """How many values a frame are rounded, and may saturate, at a place that `run` counts."""
        del place
        return spec.output.channels * spec.output.positions

    def rounded_format(self, layer: FixedLayer, place: str) -> Format:
        """The format that they are rounded to."""
        del place
        return layer.output_format

    @abstractmethod
    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Everything the layer can be built as on a device with these DSP blocks."""

    @abstractmethod
    def minimal(self, spec: LayerSpec) -> Implementation:
        """One lane everywhere, one word a beat: what the generic back end builds."""

    @abstractmethod
    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Its processes in the order of the data."""

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """Operations a frame, for energies of chips: every product is added to a sum.

        What tables, comparisons and control do is not counted.
        """
        products = sum(p.products * p.tokens(spec) for p in self.processes(self.minimal(spec), _ANY_PORTS))
        if not products:
            return ()
        weight_bits = spec.stored_bits // spec.stored_words if spec.stored_words else spec.data_bits
        sum_bits = getattr(spec, "accumulator_bits", spec.data_bits + weight_bits)
        return multiplications(products, spec.data_bits, weight_bits), additions(products, sum_bits)

    def weight_reads(self, spec: LayerSpec) -> int:
        """How often each stored weight is read a frame: once in every token of the process that multiplies."""
        if not spec.stored_words:
            return 0
        found = (p for p in self.processes(self.minimal(spec), _ANY_PORTS) if "weights" in p.roms)
        return max((p.tokens(spec) for p in found), default=spec.tokens)

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

    def remark(self, built: Implementation) -> str:
        """What a reader of the report should know of how it is built; empty for nothing."""
        del built
        return ""

    def inner_activations(self, layer: FixedLayer) -> tuple[tuple[str, str, Curve | None], ...]:
        """Activations inside the layer: name of the C++ struct, what it is in words, its integers."""
        del layer
        return ()

    def parallelism(self, built: Implementation) -> dict[str, int]:
        """The fields of the implementation that a report shows, by name."""
        return {k: v for k, v in vars(built).items() if k != "spec"}
