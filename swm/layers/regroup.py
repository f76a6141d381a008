# SPDX-License-Identifier: Apache-2.0
"""Tokens grouped anew: of one position or of several, each a padded beat. The schedule places it between neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from swm.device.board import DspPorts
from swm.device.primitives import control, multiplexer, register
from swm.layers.beats import PlacedKind, every_beat
from swm.layers.program import Port, ProcessModel, Program, Run
from swm.layers.values import FixedLayer, Implementation, LayerSpec

__all__ = ["Regroup", "RegroupBuilt", "RegroupSpec"]


@dataclass(frozen=True)
class RegroupSpec(LayerSpec):
    """The same values in tokens of two sizes, one a multiple of the other."""

    kind: ClassVar[str] = "regroup"

    @property
    def tokens(self) -> int:
        """The longer ones are counted."""
        return min(self.positions, self.output.positions)

    @property
    def split(self) -> bool:
        """Whether the longer ones come in."""
        return self.n > self.m

    @property
    def parts(self) -> int:
        """Shorter tokens of a longer one."""
        return max(self.n, self.m) // min(self.n, self.m)


@dataclass(frozen=True)
class RegroupBuilt(Implementation):
    """As it is built: V and V', powers of two that hold a token each."""


class Regroup(PlacedKind):
    """A beat of the shorter tokens an iteration."""

    name: ClassVar[str] = "regroup"

    def build(self, spec: LayerSpec, vec: int) -> RegroupBuilt:
        """Equal beats on both sides; the schedule makes those that differ."""
        return RegroupBuilt(spec, vec, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process, which shifts a longer token in or out."""
        spec = built.spec
        assert isinstance(spec, RegroupSpec)
        parts, split = spec.parts, spec.split
        often = every_beat(parts)
        reads, writes = ((Run(0, 1, 1),), often) if split else (often, (Run(parts - 1, 1, 1),))
        program = Program(parts, (Port("in0", reads),), (Port("out0", writes),))
        bits = max(spec.n, spec.m) * spec.data_bits
        cost = control().plus(register(bits), multiplexer(2 if split else 1, bits))
        return (ProcessModel("regroup", "regroup", program, cost),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As regroup.h asks."""
        spec = built.spec
        assert isinstance(spec, RegroupSpec)
        return {
            "n": min(spec.n, spec.m),
            "parts": spec.parts,
            "split": int(spec.split),
            "bits": spec.data_bits,
            "in_vec": built.in_vec,
            "out_vec": built.out_vec,
        }
