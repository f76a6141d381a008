# SPDX-License-Identifier: Apache-2.0
"""The recurrent kind: lowering, quantization, exact integers, ROM contents, C++ configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.graph import GRU, LSTM, RNN, Gather, Node, Recurrent, Slice
from swm.layers.base import LayerKind, Obstacle, Offer, Operand
from swm.layers.circulant.spec import CirculantSpec, forward_shifts
from swm.layers.circulant.work import spectral_work
from swm.layers.curves import Curve
from swm.layers.finish import describe_curve, policy
from swm.layers.formats import MAX_BITS
from swm.layers.program import BeatStream, ProcessModel, Rom
from swm.layers.recurrent.built import RecurrentBuilt, feedback_of
from swm.layers.recurrent.cost import cell_products, processes
from swm.layers.recurrent.layer import RecurrentLayer, run_float
from swm.layers.recurrent.node import Steps, layer_of, states_obstacle
from swm.layers.recurrent.offer import RecurrentOffer
from swm.layers.recurrent.points import leaving_shifts, points_of, shifts, start_shifts, value_frac
from swm.layers.recurrent.quantize import quantized
from swm.layers.recurrent.spec import STATE_GUARD, RecurrentSpec
from swm.layers.recurrent.steps import run_steps
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape
from swm.layers.weight_memory import stored_in
from swm.layers.work import Work, additions, multiplications
from swm.package_data import hls_dir
from swm.structure import BlockCirculant

__all__ = ["RecurrentKind"]

_GATES = ("gate_f", "gate_g", "gate_h")
_CELLS = {"rnn": 0, "lstm": 1, "gru": 2, "gru_after": 3}  # as recurrent.h numbers them


class RecurrentKind(LayerKind):
    """An LSTM, GRU or RNN in one direction, dense or block-circulant; its states stay on chip."""

    name: ClassVar[str] = "recurrent"
    takes: ClassVar[tuple[type[Node], ...]] = (LSTM, GRU, RNN, Steps, Slice, Gather)  # the last two: the last step
    fuses: ClassVar[bool] = False

    @property
    def headers(self) -> tuple[Path, ...]:
        """The traits and the kernels."""
        names = (
            "recurrent",
            "recurrent_walk",
            "recurrent_forms",
            "recurrent_cell",
            "recurrent_start",
            "recurrent_steps",
            "recurrent_calls",
            "recurrent_append",
        )
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in names)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A recurrent node in one direction with known initial states."""
        if isinstance(node, Recurrent):
            return states_obstacle(node)
        if isinstance(node, Slice | Gather):
            return Obstacle(
                "it takes some of its values", "hardware takes one range along axes behind the samples, of 1 step"
            )
        return layer_of(node, operands[0], name) if isinstance(node, Steps) else None

    def spec(self, layer: FloatLayer, bits: int) -> RecurrentSpec:
        """Shapes and widths."""
        assert isinstance(layer, RecurrentLayer)
        block = layer.weight.block if isinstance(layer.weight, BlockCirculant) else 1
        return RecurrentSpec(
            name=layer.name,
            inputs=tuple(TensorShape(channels, bits, positions) for channels, positions in layer.shapes),
            output=TensorShape(layer.m, min(MAX_BITS, bits + STATE_GUARD) if layer.wide else bits, layer.positions),
            cell=layer.cell,
            hidden=layer.hidden,
            block=block,
            weight_bits=bits,
            fft_shifts=forward_shifts(bits, block) if block > 1 else 0,
            activations=tuple(activation for activation, _ in layer.gates),
            activation_parameters=tuple(parameters for _, parameters in layer.gates),
            peephole=layer.peepholes is not None,
            initial=bool(np.any(layer.initial_c if layer.cell == "lstm" else layer.initial_h)) and layer.cell != "rnn",
            first_bias=bool(np.any(layer.initial_h)),
            start=layer.start,
            clip=layer.bound > 0,
            last=layer.last,
            cells=layer.cells,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Ranges of states and gates come from the steps in float over the inputs."""
        assert isinstance(spec, RecurrentSpec)
        assert isinstance(layer, RecurrentLayer)
        return quantized(spec, layer, inputs, formats)

    def run_float(self, layer: FloatLayer, inputs: tuple[NDArray[np.floating], ...]) -> NDArray[np.floating] | None:
        """The steps in float; the graph may hold sequences in another order."""
        assert isinstance(layer, RecurrentLayer)
        seen = run_float(layer, inputs[0].reshape(-1, layer.steps, layer.n), inputs[1:])
        given = seen.after.reshape(-1, layer.steps, layer.m)[:, -1 if layer.last else 0 :]
        if layer.cells:
            cells = seen.state.reshape(-1, layer.steps, layer.m)[:, -1:] * 2.0**layer.doublings
            given = np.concatenate([given, cells], axis=1)
        return given.reshape(-1, layer.m)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Step by step, all sequences side by side."""
        return run_steps(layer, values)

    def rounded_values(self, spec: LayerSpec, place: str) -> int:
        """Spectral sums, states and outputs of all steps."""
        assert isinstance(spec, RecurrentSpec)
        if place == "sum":
            rows = spec.sums * spec.units + (spec.out_units if spec.phases == 2 else 0)
            return spec.positions * rows * spec.block
        return spec.positions * (spec.hidden if place == "state" else spec.m)

    def rounded_format(self, layer: FixedLayer, place: str) -> Format:
        """That of the sums, the states or the outputs."""
        assert isinstance(layer.spec, RecurrentSpec)
        if place == "sum":
            return Format(layer.spec.rounded_bits, value_frac(layer))
        if place == "state":
            return Format(layer.spec.state_bits, points_of(layer).state)
        return layer.output_format

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, RecurrentSpec)
        return RecurrentOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> RecurrentBuilt:
        """One row and column of blocks, one cell a beat."""
        assert isinstance(spec, RecurrentSpec)
        products = 3 if spec.weight_bits < 18 else 4
        built = RecurrentBuilt(spec, products=products, feedback=feedback_of(spec.block))
        while not built.valid:  # a whole block leaves behind few products
            built = replace(built, out_vec=2 * built.out_vec)
        return built

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """The transform of x (block-circulant), the steps, what puts their last cells behind their outputs."""
        assert isinstance(built, RecurrentBuilt)
        return processes(built, ports)

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """Products of all steps, transforms of x, of what is read back and of what a second phase reads; the cells."""
        assert isinstance(spec, RecurrentSpec)
        steps, weights = spec.positions, sum(spec.weight_count)
        cells = spec.hidden * cell_products(spec) * steps
        of_cells = multiplications(cells, spec.data_bits, spec.state_bits), additions(cells, spec.state_bits)
        if spec.block == 1:
            return (
                multiplications(weights * steps, spec.data_bits, spec.weight_bits),
                additions(weights * steps, spec.accumulator_bits),
                *of_cells,
            )
        shape = TensorShape(spec.most_blocks * spec.block, spec.data_bits)
        matrix = CirculantSpec(
            "", (shape,), shape, block=spec.block, weight_bits=spec.weight_bits, fft_shifts=spec.fft_shifts
        )
        second = (spec.units, spec.out_units) if spec.phases == 2 else (0, 0)
        forward, inverse = spec.in_blocks + spec.out_units + second[0], spec.sums * spec.units + second[1]
        return (*spectral_work(matrix, forward * steps, weights // spec.block * steps, inverse * steps), *of_cells)

    def left_dense(self, spec: LayerSpec) -> LayerSpec:
        """The same layer with plain matrices."""
        assert isinstance(spec, RecurrentSpec)
        return replace(spec, block=1, fft_shifts=0)

    def spare_blocks(self, built: Implementation) -> Implementation | None:
        """Weights in LUTs."""
        return stored_in(built, "lutram")

    def remark(self, built: Implementation) -> str:
        """What a step waits for."""
        assert isinstance(built, RecurrentBuilt)
        if not built.waiting:
            return ""
        spec = built.spec
        loop = (
            f"{sum(built.products_of)} cycles of products, {built.last_beats} of its last cells, and"
            f" {spec.phases * built.feedback} until a state can be read (pipelines of products, transforms and gates)"
        )
        if spec.sequences > 1:
            who = f"{spec.sequences} sequences take turns; the loop of each has {loop}"
        else:
            who = f"one sequence alone is latency bound by its loop: {loop}; more multipliers shorten its products only"
        return f"{spec.name} waits {built.waiting} of {built.period} cycles of a step for its state: {who}"

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """The spectra of x."""
        assert isinstance(built, RecurrentBuilt)
        return built.streams()

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the products (contract of hls/swm/recurrent_steps.h), vectors of the cells."""
        assert isinstance(built, RecurrentBuilt)
        lanes = np.concatenate([_first_phase(layer, built), *_second_phase(layer, built)])
        banks = lanes.reshape(built.rom_depth, -1, built.rom_lanes).transpose(1, 0, 2)
        return (Rom("weights", "weight_t", banks, built.storage), Rom("vectors", "bias_t", _vectors(layer, built)))

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As recurrent.h asks."""
        assert isinstance(built, RecurrentBuilt)
        assert layer is not None
        spec, points = built.spec, points_of(layer)
        policies = [
            policy(name, curve, f"{spec.name}_{place}")
            for name, curve, place in zip(spec.activations, layer.inner, _GATES, strict=False)
        ]
        return {
            "cell": _CELLS[spec.cell],
            "n": spec.n,
            "hidden": spec.hidden,
            "m": spec.m,
            "k": spec.block,
            "steps": spec.steps,
            "sequences": spec.sequences,
            "last": int(spec.last),
            "start": int(spec.start),
            "in_bits": spec.data_bits,
            "weight_bits": spec.weight_bits,
            "bias_bits": spec.bias_bits,
            "state_bits": spec.state_bits,
            "fft_shifts": spec.fft_shifts,
            "acc_shift": layer.acc_shift + points.join,
            "acc_shift_b": points.shift_b if spec.projected else layer.acc_shift + points.join,
            "join_shift": points.join,
            "in_vec": built.in_vec,
            "out_vec": built.out_vec,
            "mac_rows": built.mac_rows,
            "mac_columns": built.mac_columns,
            "products": built.products,
            "rom_banks": built.rom_banks,
            "rom_lanes": built.rom_lanes,
            "feedback": built.feedback,
            "first_bias": int(spec.first_bias),
            "initial": int(spec.initial),
            "peephole": int(spec.peephole),
            "clip": int(spec.clip),
            "clip_low": points.bound & ((1 << 30) - 1),
            "clip_high": points.bound >> 30,
            **(_appended(layer) if spec.cells else {}),
            **(start_shifts(layer) if spec.start else {}),
            **shifts(layer),
            **dict(zip(_GATES, [*policies, *["identity"] * (3 - len(policies))], strict=True)),
        }

    def inner_activations(self, layer: FixedLayer) -> tuple[tuple[str, str, Curve | None], ...]:
        """Those of the places f, g, h."""
        spec, points = layer.spec, points_of(layer)
        assert isinstance(spec, RecurrentSpec)
        value = value_frac(layer)
        fracs = ((value, points.gate_f), (value, points.gate_g), (points.state, points.gate_h))
        each = zip(_GATES, spec.activations, spec.activation_parameters, layer.inner, fracs, strict=False)
        return tuple(
            (f"{spec.name}_{place}", describe_curve(name, parameters, curve, *frac), curve)
            for place, name, parameters, curve, frac in each
        )


def _appended(layer: FixedLayer) -> dict[str, int]:
    """What recurrent_append.h asks besides."""
    output, cells = leaving_shifts(layer)
    return {"out_bits": layer.spec.out_bits, "output_shift": output, "cell_shift": cells}


def _split(layer: FixedLayer, name: str, rows: int, columns: int) -> Ints:
    """(rows, columns, k) of an array of weights."""
    assert isinstance(layer.spec, RecurrentSpec)
    return layer.arrays[name].reshape(rows, columns, layer.spec.block)


def _columns(built: RecurrentBuilt, *parts: Ints) -> Ints:
    """Parts of the columns one after the other, each padded to whole groups."""
    side, padded = built.mac_columns, []
    for part in parts:
        whole = np.zeros((len(part), -(-part.shape[1] // side) * side, part.shape[2]), np.int64)
        whole[:, : part.shape[1]] = part
        padded.append(whole)
    return np.concatenate(padded, axis=1)


def _words(built: RecurrentBuilt, rows: Ints) -> Ints:
    """(groups, rows side by side, columns, k) → words of the ROM, (address, lane)."""
    groups, side, _, k = rows.shape
    split = rows.reshape(groups, side, -1, built.mac_columns, k).transpose(0, 2, 1, 3, 4)
    return split.reshape(-1, side * built.mac_columns * k)


def _first_phase(layer: FixedLayer, built: RecurrentBuilt) -> Ints:
    spec = built.spec
    weights = _split(layer, "weights", spec.units * spec.gates, spec.in_blocks + spec.out_units)
    rows = _columns(built, weights[:, : spec.in_blocks], weights[:, spec.in_blocks :])
    units = np.zeros((built.groups[0] * built.units_side, spec.gates, *rows.shape[1:]), np.int64)
    units[: spec.units] = rows.reshape(spec.units, spec.gates, *rows.shape[1:])
    return _words(built, units.reshape(-1, built.mac_rows, *rows.shape[1:]))


def _second_phase(layer: FixedLayer, built: RecurrentBuilt) -> tuple[Ints, ...]:
    spec = built.spec
    if spec.phases == 1:
        return ()
    weights = _split(layer, "second", spec.out_units, spec.second_blocks)
    cut = spec.in_blocks if spec.second_reads_input else 0
    rows = _columns(built, *([weights[:, :cut]] if cut else []), weights[:, cut:])
    padded = np.zeros((built.groups[1] * built.mac_rows, *rows.shape[1:]), np.int64)
    padded[: spec.out_units] = rows
    return (_words(built, padded.reshape(-1, built.mac_rows, *rows.shape[1:])),)


def _vectors(layer: FixedLayer, built: RecurrentBuilt) -> Ints:
    """[bank][beat][lane]: the sets of values of a cell, out_vec of each, padded with zeros."""
    spec = built.spec
    names = ("bias", *["first_bias"] * spec.first_bias, *["peepholes"] * spec.peephole, *["initial"] * spec.initial)
    sets = np.concatenate([layer.arrays[name].reshape(-1, spec.hidden) for name in names])
    padded = np.zeros((len(sets), built.cell_beats * built.out_vec), np.int64)
    padded[:, : spec.hidden] = sets
    banks = padded.reshape(built.vector_banks, -1, built.cell_beats, built.out_vec)
    return banks.transpose(0, 2, 1, 3).reshape(built.vector_banks, built.cell_beats, -1)
