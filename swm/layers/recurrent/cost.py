# SPDX-License-Identifier: Apache-2.0
"""Processes of a recurrent layer with what each takes of the device (modelled from the shapes of the kernels)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from math import ceil
from typing import ClassVar

from swm.device.board import DspPorts
from swm.device.memories import memory
from swm.device.primitives import Cost, adder, control, multiplexer, multiplier, register
from swm.layers.circulant import CirculantBuilt, CirculantSpec
from swm.layers.circulant.cost import product_parts, transform_cost
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.dense.cost import parts as dense_parts
from swm.layers.finish import finish_cost
from swm.layers.products import Parts, weight_rom_cost
from swm.layers.program import ProcessModel
from swm.layers.recurrent.built import RecurrentBuilt
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.values import LayerSpec, TensorShape

__all__ = ["cell_cost", "cell_products", "input_cost", "processes", "product_cost"]

_USUAL_FILL = 14  # of the products' pipeline: the longest that other processes have


def processes(built: RecurrentBuilt, ports: DspPorts) -> tuple[ProcessModel, ...]:
    """The transform of x, where blocks are circulant, the steps, and what appends their last cells."""
    spec = built.spec
    parts = product_cost(built, ports)
    cost = parts.total(built.mac_rows, 0, built.storage).plus(cell_cost(spec, built.out_vec, built.cell_beats, ports))
    steps = ProcessModel(
        "steps",
        "recurrent_started" if spec.start else "recurrent_steps",
        built.program(),
        cost._replace(dsp=ceil(cost.dsp)),
        ("weights", "vectors"),
        products=(_useful(spec) + spec.hidden * cell_products(spec)) * spec.positions // spec.turns,
        repeats=spec.turns,
        late=max(0, built.feedback - _USUAL_FILL),
    )
    found = [steps]
    if spec.block > 1:
        front = input_cost(spec, built.in_vec, ports)
        found.insert(0, ProcessModel("rfft", "recurrent_input", built.input_program(), front, repeats=spec.positions))
    if spec.cells:
        lane = adder(spec.state_bits, registered=False).times(2).plus(multiplexer(2, spec.out_bits))
        lane = lane.plus(Cost(logic=2 * spec.out_bits), register(spec.out_bits))
        appended = control(1).plus(lane.times(built.out_vec))
        found.append(ProcessModel("append", "recurrent_append", built.append_program(), appended))
    return tuple(found)


@dataclass(frozen=True)
class _Unrolled(CirculantSpec):
    """A matrix whose blocks are transformed at once, whatever their size."""

    kind: ClassVar[str] = "part of a recurrent layer"  # or projects would be read back with this in a layer's place

    @property
    def unrolled(self) -> bool:
        return True


@lru_cache(maxsize=65536)
def product_cost(built: RecurrentBuilt, ports: DspPorts) -> Parts:
    """Multipliers, sums, memories of inputs and states, weights: as of one matrix of all rows and columns."""
    spec, rows, columns = built.spec, built.mac_rows, built.mac_columns
    shape, k = TensorShape(spec.most_blocks * spec.block, spec.data_bits), spec.block
    out = TensorShape(spec.units * spec.gates * k, spec.data_bits)
    if k > 1:
        matrix = _Unrolled("", (shape,), out, block=k, weight_bits=spec.weight_bits, fft_shifts=spec.fft_shifts)
        parts = product_parts(CirculantBuilt(matrix, 1, 1, rows, columns, k // 2, built.products), ports)
    else:
        parts = dense_parts(
            DenseBuilt(DenseSpec("", (shape,), out, weight_bits=spec.weight_bits), 1, 1, rows, columns), ports
        )
    word = k * spec.word_bits
    in_groups, states = built.in_groups, built.column_groups[0] - built.in_groups
    held = memory(2 * spec.sequences * states, word, banks=columns)
    if k == 1:
        held = held.plus(memory(2 * in_groups, word, banks=columns))
    if spec.phases == 2:
        held = held.plus(memory(-(-spec.units // columns), word, banks=columns))
    lanes = built.weight_lanes
    rom = partial(weight_rom_cost, built.rom_depth, lanes, spec.weight_bits)
    return Parts(parts.base.plus(held, control(2)), parts.dsp_row, parts.fabric_row, rom)


@lru_cache(maxsize=4096)
def input_cost(spec: RecurrentSpec, in_vec: int, ports: DspPorts) -> Cost:
    """The transform of x."""
    lanes = max(1, in_vec // spec.block)
    collect = register(spec.block * spec.data_bits) if in_vec < spec.block else Cost()
    words = register(lanes * spec.block * spec.word_bits)
    return control(1).plus(collect, transform_cost(spec.block, spec.word_bits, ports).times(lanes), words)


@lru_cache(maxsize=4096)
def cell_cost(spec: RecurrentSpec, vec: int, beats: int, ports: DspPorts) -> Cost:
    """Behind the products: transforms, gates and states of `vec` cells a cycle."""
    lanes, k, bits, state = max(1, vec // spec.block), spec.block, spec.data_bits, spec.state_bits
    total = control(1)
    if k > 1:
        rounding = adder(spec.accumulator_bits).times(4).plus(Cost(logic=2 * spec.rounded_bits)).times(k // 2)
        back = transform_cost(k, spec.sum_bits, ports).plus(rounding)
        total = total.plus(back.times(lanes * spec.sums), transform_cost(k, spec.word_bits, ports).times(lanes))
    gates = {"rnn": (0,), "lstm": (0, 0, 0, 1, 2), "gru": (0, 0, 1), "gru_after": (0, 0, 1)}[spec.cell]
    for place in gates:
        gate = LayerSpec(
            "", (), TensorShape(1, bits), spec.activations[place], parameters=spec.activation_parameters[place]
        )
        total = total.plus(finish_cost(gate, spec.value_bits if place < 2 else state, vec, ports))
    wide, plain = multiplier(bits, state, ports), multiplier(bits, bits, ports)
    if spec.cell == "lstm":
        total = total.plus(wide.plus(plain.times(2), adder(2 * state)).times(vec))
        if spec.peephole:
            total = total.plus(multiplier(spec.weight_bits, state, ports).plus(adder(spec.value_bits)).times(3 * vec))
    elif spec.cell != "rnn":
        total = total.plus(wide.times(2).plus(adder(2 * state).times(2)).times(vec))
    sets = spec.biases * (1 + spec.first_bias) + 3 * spec.peephole + spec.initial
    vectors = memory(beats, vec * sets * spec.bias_bits, writes=0)
    states = memory(spec.sequences * beats, vec * state) if spec.cell != "rnn" else Cost()
    updates = memory(beats, vec * bits) if spec.cell == "gru" else Cost()
    return total.plus(vectors, states, updates)


def _useful(spec: RecurrentSpec) -> int:
    """Multiplications of weights a token, padding left out."""
    block = 1 if spec.block == 1 else 2 + 3 * (spec.block // 2 - 1)
    return sum(spec.weight_count) // spec.block * block


def cell_products(spec: RecurrentSpec) -> int:
    """Multiplications of a cell a step, activations left out."""
    return {"rnn": 0, "lstm": 3 + 3 * spec.peephole, "gru": 2, "gru_after": 2}[spec.cell]
