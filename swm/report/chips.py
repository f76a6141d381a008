# SPDX-License-Identifier: Apache-2.0
"""Energy of an inference on a chip: operations and memory accesses, counted from the shapes, times what each takes.

What is priced, for a network and for its dense twin alike: each multiplication and addition at its own width; each sum
in a register, where the chip states one; each stored weight, read from a memory as large as the weights of its layer
once in every token that it is multiplied with; each value of a tensor, written once and read once by each layer that
takes it, in a memory as large as the tensor. So every operand is fetched once: the most reuse that there can be. Not
priced: activation tables, comparisons, control, clock tree, wires, leakage, what leaves the chip. A chip takes more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from swm.accelerator.fixed_graph import NetworkShape
from swm.device.chip import access_picojoules, operation_picojoules
from swm.device.listed import ListedTarget
from swm.layers.registry import kind
from swm.layers.values import LayerSpec, TensorShape
from swm.report.numbers import NONE, quantity

__all__ = [
    "CHIP_HEAD",
    "CHIP_NOTE",
    "ChipEnergy",
    "ChipPart",
    "ChipReport",
    "chip_energy",
    "chip_report",
    "chip_rows",
    "chip_to_json",
    "chip_verdict",
]

CHIP_HEAD = ("what", "structured", "uJ", "dense twin", "uJ", "gain")
CHIP_NOTE = (
    "Counts of one inference, times the energies of the chip's file, interpolated in logarithms to each width and size."
    " Every operand is fetched once for each token: the most reuse there can be. Activation tables, comparisons,"
    " control, clock tree, wires and leakage are not in it, so a chip takes more. How far it is off is not known: no"
    " chip of swm's was made, and two sources differ by 2.8 times for one 32-bit multiplication (40 and 45 nm)."
)
_OPERATIONS = ("multiplications", "additions")
_ORDER = (*_OPERATIONS, "sums kept in registers", "weights read", "values written and read")


@dataclass(frozen=True)
class ChipPart:
    """What one sort of operations or accesses takes.

    Attributes:
        name: of the sort.
        unit: what is counted: "operations" or "bits".
        count: in an inference (counted).
        joules: of an inference (modelled).
    """

    name: str
    unit: str
    count: int
    joules: float


@dataclass(frozen=True)
class ChipEnergy:
    """A network on a chip, by its shapes alone."""

    specs: tuple[LayerSpec, ...]
    parts: tuple[ChipPart, ...]

    @property
    def joules(self) -> float:
        """Of an inference."""
        return sum(part.joules for part in self.parts)


@dataclass(frozen=True)
class ChipReport:
    """A network and its dense twin on a chip."""

    chip: ListedTarget
    structured: ChipEnergy
    dense: ChipEnergy

    @property
    def gain(self) -> float:
        """Energy of the dense twin over that of the network."""
        return self.dense.joules / self.structured.joules


def chip_report(network: NetworkShape, chip: ListedTarget) -> ChipReport:
    """Price a network and its dense twin.

    Args:
        network: by its shapes.
        chip: whose additions, multiplications and memories have energies (`ListedTarget.priced`).
    """
    return ChipReport(chip, chip_energy(network, chip), chip_energy(network.left_dense(), chip))


def chip_energy(network: NetworkShape, chip: ListedTarget) -> ChipEnergy:
    """Price a network alone; see `chip_report`."""
    counts: dict[str, int] = {}
    energies: dict[str, float] = {}

    def take(name: str, count: int, picojoules: float) -> None:
        counts[name] = counts.get(name, 0) + count
        energies[name] = energies.get(name, 0.0) + count * picojoules

    def store(shape: TensorShape, times: int) -> None:
        bits = shape.channels * shape.bits * shape.positions
        take("values written and read", times * bits, access_picojoules(chip, bits))

    for layer in network.layers:
        spec, of = layer.spec, kind(layer.spec.kind)
        for work in of.work(spec):
            taken = operation_picojoules(chip, work.what, work.bits)
            assert taken is not None  # a chip without is not priced
            take(f"{work.what}s", work.count, taken)
            register = operation_picojoules(chip, "register", 1)
            if work.what == "addition" and register is not None:
                take("sums kept in registers", work.count * round(work.bits), register)
        if spec.stored_bits:
            take("weights read", spec.stored_bits * of.weight_reads(spec), access_picojoules(chip, spec.stored_bits))
        for shape, tensor in zip(spec.inputs, layer.inputs, strict=True):
            store(shape, 1 + (tensor == network.input and layer is network.layers[0]))  # what arrives is written, too
        store(spec.output, 1)
    parts = (
        ChipPart(name, "operations" if name in _OPERATIONS else "bits", counts[name], 1e-12 * energies[name])
        for name in _ORDER
        if counts.get(name)
    )
    return ChipEnergy(tuple(layer.spec for layer in network.layers), tuple(parts))


def chip_rows(row: ChipReport) -> list[tuple[str, ...]]:
    """Each sort of operation and access, and the sum, as in `CHIP_HEAD`."""
    own, dense = ({part.name: part for part in side.parts} for side in (row.structured, row.dense))
    rows = []
    for name in _ORDER:
        pair = own.get(name), dense.get(name)
        if any(pair):
            gain = NONE if not all(pair) else f"{quantity(dense[name].joules / own[name].joules)} x"
            rows.append((name, *_cells(pair[0]), *_cells(pair[1]), gain))
    total = (f"{quantity(1e6 * side.joules)}" for side in (row.structured, row.dense))
    return [*rows, ("all of these", "", next(total), "", next(total), f"{quantity(row.gain)} x")]


def _cells(part: ChipPart | None) -> tuple[str, str]:
    return (NONE, NONE) if part is None else (f"{part.count:,} {part.unit}", quantity(1e6 * part.joules))


def chip_verdict(row: ChipReport, *, structured: bool) -> str:
    """The energy in a line; `structured`: whether the dense twin is another network."""
    taken = f"{row.chip.name}: {quantity(1e6 * row.structured.joules)} uJ each for operations and memory accesses"
    twin = f"; dense twin {quantity(1e6 * row.dense.joules)} uJ, {quantity(row.gain)} x" if structured else ""
    return f"{taken}{twin}; no area, no clock, no speed"


def chip_to_json(row: ChipReport) -> dict[str, Any]:
    """Plain data."""
    return {
        "chip": row.chip.model_dump(mode="json"),
        "structured": _side(row.structured),
        "dense": _side(row.dense),
        "gain": row.gain,
    }


def _side(side: ChipEnergy) -> dict[str, Any]:
    return {"energy_j": side.joules, "parts": [asdict(part) for part in side.parts]}
