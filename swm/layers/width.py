# SPDX-License-Identifier: Apache-2.0
"""The width converter: beats of V words become beats of V'. The schedule places it between neighbours that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from swm.device.board import DspPorts
from swm.device.primitives import control, multiplexer, register
from swm.layers.beats import PlacedKind, every_beat
from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.values import FixedLayer, Implementation, LayerSpec, ceil_div

__all__ = ["Width", "WidthBuilt", "WidthSpec"]


@dataclass(frozen=True)
class WidthSpec(LayerSpec):
    """A width converter by its shapes; the words a beat on both sides stand in the implementation."""

    kind: ClassVar[str] = "width"


@dataclass(frozen=True)
class WidthBuilt(Implementation):
    """A width converter as it is built: V and V', powers of two."""


class Width(PlacedKind):
    """Widening writes a beat that is full or ends its token; narrowing shifts a beat out in parts."""

    name: ClassVar[str] = "width"

    def build(self, spec: LayerSpec, vec: int) -> WidthBuilt:
        """Equal beats on both sides, which nobody needs; the schedule makes those that differ."""
        return WidthBuilt(spec, vec, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat of the narrow side an iteration."""
        spec, narrow, wide = built.spec, min(built.in_vec, built.out_vec), max(built.in_vec, built.out_vec)
        period, parts = ceil_div(spec.n, narrow), wide // narrow
        if built.in_vec <= built.out_vec:
            whole, rest = divmod(period, parts)
            runs = ((Run(parts - 1, parts, whole),) if whole else ()) + ((Run(period - 1, 1, 1),) if rest else ())
            program = Program(period, (Port("in0", every_beat(period)),), (Port("out0", runs),))
        else:
            reads = (Run(0, parts, ceil_div(period, parts)),)
            program = Program(period, (Port("in0", reads),), (Port("out0", every_beat(period)),))
        bits = wide * spec.data_bits
        cost = control().plus(register(bits), multiplexer(2, bits))  # load, or shift
        return (ProcessModel("width", "width", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As width.h asks."""
        return {
            "n": built.spec.n,
            "bits": built.spec.data_bits,
            "in_vec": built.in_vec,
            "out_vec": built.out_vec,
        }
