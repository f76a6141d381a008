# SPDX-License-Identifier: Apache-2.0
"""The fork: one stream to several readers. The schedule places it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from swm.device.board import DspPorts
from swm.device.primitives import control, register
from swm.layers.beats import PlacedKind, every_beat
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import FixedLayer, Implementation, LayerSpec, ceil_div

__all__ = ["Fork", "ForkBuilt", "ForkSpec"]


@dataclass(frozen=True)
class ForkSpec(LayerSpec):
    """A fork by its shapes: one input, and `copies` outputs of the same shape."""

    kind: ClassVar[str] = "fork"

    copies: int = 2


@dataclass(frozen=True)
class ForkBuilt(Implementation):
    """A fork as it is built: the same words a beat on every stream."""


class Fork(PlacedKind):
    """Every beat to every output, when all have room."""

    name: ClassVar[str] = "fork"

    def build(self, spec: LayerSpec, vec: int) -> ForkBuilt:
        """The fork with `vec` words a beat."""
        return ForkBuilt(spec, vec, vec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: a beat an iteration."""
        spec = built.spec
        assert isinstance(spec, ForkSpec)
        beats = ceil_div(spec.n, built.in_vec)
        writes = tuple(Port(f"out{i}", every_beat(beats)) for i in range(spec.copies))
        program = Program(beats, (Port("in0", every_beat(beats)),), writes)
        return (ProcessModel("fork", "fork", program, control().plus(register(built.in_vec * spec.data_bits))),)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As fork.h asks."""
        return {"n": built.spec.n, "bits": built.spec.data_bits, "vec": built.in_vec}
