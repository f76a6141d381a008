# SPDX-License-Identifier: Apache-2.0
"""Pooling over windows: lowering, exact integers, loops, ROM, C++ configuration. All of an image: `global_pool.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.device.primitives import Cost, adder, control, multiplexer, register
from swm.graph import AveragePool, MaxPool, Node
from swm.layers.base import LayerKind, Obstacle, Offer, Operand, Preference
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import output_format
from swm.layers.geometry import Geometry
from swm.layers.pool.spec import PoolBuilt, PoolLayer, PoolSpec
from swm.layers.products import price
from swm.layers.program import BeatStream, Port, ProcessModel, Program, Rom, Run
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape, ceil_div
from swm.layers.window import taps
from swm.package_data import hls_dir

__all__ = ["Pool"]

_MOST_POSITIONS = 1 << 20  # of an image: rows of outputs are written out one by one where cycles are simulated
_MOST_TAPS = 1 << 12
_MOST_SEEN = 1 << 26  # values of a channel that all windows of a frame see
_MOST_WORDS = 128  # of a beat out of the line buffer
_TRIED = 4  # line buffers priced for an interval: the narrowest beats that are fast enough


class Pool(LayerKind):
    """MaxPool and AveragePool of one or two axes."""

    name: ClassVar[str] = "pool"
    takes: ClassVar[tuple[type[Node], ...]] = (MaxPool, AveragePool)

    @property
    def headers(self) -> tuple[Path, ...]:
        """What is made of windows, and the line buffer before it."""
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in ("pool", "window"))

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A window over an image."""
        if not isinstance(node, MaxPool | AveragePool):
            return None
        (operand,) = operands
        geometry = _geometry(node, operand)
        if isinstance(geometry, Obstacle):
            return geometry
        layer = PoolLayer(
            kind=self.name,
            name=name,
            node=node.name,
            inputs=(operand.tensor,),
            output=node.outputs[0],
            shapes=((operand.channels, operand.positions),),
            m=operand.channels,
            positions=prod(geometry.out),
            grid=geometry.out[: len(operand.grid or ())],
            geometry=geometry,
            mean=isinstance(node, AveragePool),
            bounds=_bounds(node, geometry),
        )
        if not self.spec(layer, 8).counts.all():
            return Obstacle("a window sees nothing but padding", "take less padding")
        return layer

    def spec(self, layer: FloatLayer, bits: int) -> PoolSpec:
        """Shapes and widths."""
        assert isinstance(layer, PoolLayer)
        assert layer.geometry is not None
        ((n, positions),) = layer.shapes
        return PoolSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            geometry=layer.geometry,
            mean=layer.mean,
            bounds=layer.bounds,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Only the output's format is chosen; the greatest value alone keeps that of the input."""
        assert isinstance(spec, PoolSpec)
        frac = spec.reciprocals.frac if spec.mean else 0
        output = output_format(outputs, spec.out_bits, spec.activation, formats[0].frac + frac)
        if not spec.mean and spec.activation == "identity":
            output = formats[0]
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, output, weight_frac=frac)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """The greatest value, or the exact sum by the reciprocal; then the end of every layer."""
        spec = layer.spec
        assert isinstance(spec, PoolSpec)
        fill = 0 if spec.mean else -(1 << (spec.data_bits - 1))
        views = taps(values[0].reshape(-1, *spec.geometry.grid, spec.n), spec.geometry, fill)
        found = next(views).copy()
        for view in views:
            (np.add if spec.mean else np.maximum)(found, view, out=found)
        if spec.mean:
            found *= spec.reciprocals.of(spec.counts)[None, :, :, None]
        out, lost = finish(found.reshape(-1, spec.m), layer)
        return out, {"output": lost}

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Channels and taps side by side."""
        assert isinstance(spec, PoolSpec)
        return _PoolOffer(self, spec, ports)

    def minimal(self, spec: LayerSpec) -> PoolBuilt:
        """A word a beat, one tap at a time."""
        assert isinstance(spec, PoolSpec)
        return PoolBuilt(spec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """The line buffer, a frame a token; what is made of a window, an output position a token."""
        assert isinstance(built, PoolBuilt)
        spec, window, groups = built.spec, built.window, built.groups
        period = window.beats * groups
        writes = (Run(groups - 1, groups, window.beats),)
        program = Program(period, (Port("windows", (Run(0, 1, period),)),), (Port("out0", writes),))
        lane, words = adder(spec.sum_bits, registered=False), built.out_vec
        lane = lane if spec.mean else lane.plus(multiplexer(2, spec.data_bits))
        cost = control().plus(lane.times(built.taps * words), register(spec.sum_bits * words))
        cost = cost.plus(finish_cost(spec, spec.value_bits, words, ports))
        roms: tuple[str, ...] = ()
        if spec.mean:
            cost, roms = cost.plus(spec.reciprocals.cost(spec.sum_bits, words, ports)), ("reciprocals",)
            if spec.reciprocals.constant is None:  # which taps count
                cost = cost.plus(Cost(logic=2.0 * 12 * sum(spec.geometry.kernel)))
        kernel = "average_pool" if spec.mean else "max_pool"
        return (
            ProcessModel("window", "window", window.program("in0", "windows"), window.cost()),
            ProcessModel("pool", kernel, program, cost, roms, repeats=spec.output.positions),
        )

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """What the windows see."""
        assert isinstance(built, PoolBuilt)
        window = built.window
        return (BeatStream("windows", "in_t", window.out_words, window.bits, window.out_beats),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Reciprocals by how many rows and columns of the window count; one where all windows are alike."""
        assert isinstance(built, PoolBuilt)
        spec = built.spec
        if not spec.mean:
            return ()
        table = spec.reciprocals
        if table.constant is not None:
            entries = np.array([table.constant], np.int64)
        else:
            products = np.outer(*(np.arange(size + 1) for size in spec.geometry.kernel)).ravel()
            entries = np.array([table.table[p] if p < len(table.table) else 0 for p in products], np.int64)
        return (Rom("reciprocals", "reciprocal_t", entries.reshape(1, -1, 1)),)

    def parallelism(self, built: Implementation) -> dict[str, int]:
        """Where windows lie side by side, how many, too."""
        assert isinstance(built, PoolBuilt)
        return {**built.beside, **super().parallelism(built)}

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As window.h and pool.h ask."""
        assert isinstance(built, PoolBuilt)
        assert layer is not None
        spec = built.spec
        members = {**built.window.configuration(), "n": spec.n, **finish_configuration(layer)}
        if built.seen:
            members |= {**built.seen.configuration(), "out_vec": built.out_vec}
        members |= {"reciprocal_bits": 0, "reciprocals": 0}
        if spec.mean:
            (rows, columns), table = spec.bounds, spec.reciprocals
            members |= {
                "reciprocal_bits": table.bits,
                "reciprocals": 1 if table.constant is not None else prod(size + 1 for size in spec.geometry.kernel),
                "low_row": rows[0],
                "high_row": rows[1],
                "low_column": columns[0],
                "high_column": columns[1],
            }
        return members


class _PoolOffer(Offer):
    def __init__(self, kind: Pool, spec: PoolSpec, ports: DspPorts) -> None:
        one = PoolBuilt.one_position(spec, max(spec.data_bits, spec.out_bits), _MOST_WORDS)
        # Windows that count differently have no means side by side.
        alike = not spec.mean or spec.reciprocals.constant is not None
        several = PoolBuilt.several_positions(spec) if alike else []
        self._ways, self._beside = ([*_priced(kind, ways, ports)] for ways in (one, several))

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`."""
        fast = [(cost, built) for cycles, cost, built in self._ways if cycles <= interval][:_TRIED]
        if not fast and preference.beside:
            fast = [(cost, built) for cycles, cost, built in self._beside if cycles <= interval][:_TRIED]
        return min(fast, key=lambda one: price(one[0], preference), default=(None, None))[1]


def _priced(kind: Pool, ways: Iterable[PoolBuilt], ports: DspPorts) -> Iterator[tuple[int, Cost, PoolBuilt]]:
    """Cycles a frame and cost of each."""
    for built in ways:
        processes = kind.processes(built, ports)
        cycles = max(p.program.cycles * p.tokens(built.spec) for p in processes)
        yield cycles, processes[0].cost.plus(processes[1].cost), built


def _geometry(node: MaxPool | AveragePool, operand: Operand) -> Geometry | Obstacle:
    grid = operand.grid
    if grid is None or not 1 <= len(grid) <= 2 or len(node.kernel) != len(grid):
        return Obstacle("its input is no image of one or two axes", "export with static shapes but for the batch")
    pads = _same(node, grid) if node.auto_pad else node.pads
    geometry = Geometry.of(grid, node.kernel, node.strides, node.dilations, pads, node.ceil)
    if geometry is None:
        reason = f"its window {node.kernel} is larger than the padded input {grid}"
        return Obstacle(reason, "export the model again")
    most = max(prod(geometry.grid), prod(geometry.out))
    if most > _MOST_POSITIONS or geometry.taps > _MOST_TAPS or most * geometry.taps > _MOST_SEEN:
        reason = f"its image has {most:,} positions, its window {geometry.taps:,}"
        return Obstacle(
            reason, f"hardware takes at most {_MOST_POSITIONS:,} and {_MOST_TAPS:,}, {_MOST_SEEN:,} together"
        )
    return geometry


def _same(node: MaxPool | AveragePool, grid: tuple[int, ...]) -> tuple[int, ...]:
    """Padding of "SAME_UPPER" and "SAME_LOWER": as many outputs as strides begin on the grid."""
    before, behind = [], []
    for n, k, s, d in zip(grid, node.kernel, node.strides, node.dilations, strict=True):
        total = max(0, (ceil_div(n, s) - 1) * s + (k - 1) * d + 1 - n)
        half = total // 2
        before.append(total - half if node.auto_pad == "SAME_LOWER" else half)
        behind.append(total - before[-1])
    return (*before, *behind)


def _bounds(node: MaxPool | AveragePool, geometry: Geometry) -> tuple[tuple[int, int], tuple[int, int]]:
    """The positions that count: those of the grid, or of the padded grid, but none that only `ceil` sees."""
    g, rank = geometry, len(node.kernel)
    if not isinstance(node, AveragePool) or not node.include_pad:
        return (0, g.grid[0]), (0, g.grid[1])
    pads = node.pads if not node.auto_pad else _same(node, g.grid[:rank])
    ends = (*pads[rank:], 0)[:2]
    return (-g.pads[0], g.grid[0] + ends[0]), (-g.pads[1], g.grid[1] + ends[1])
