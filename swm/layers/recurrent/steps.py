# SPDX-License-Identifier: Apache-2.0
"""The steps of a recurrent layer in exact integers (docs/arithmetic.md section 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from swm.layers.arithmetic import EXACT_FLOAT, forward_transform, inverse_transform, spectral_product
from swm.layers.recurrent.points import leaving_shifts, points_of, shifts, start_shifts
from swm.layers.recurrent.spec import RecurrentSpec
from swm.layers.rounding import Ints, round_shift, saturate
from swm.layers.values import FixedLayer

__all__ = ["first_states", "in_turns", "run_steps", "with_cells"]


def run_steps(layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
    """(sequences * steps, n), and where states come (sequences, hidden) of each, as the layer's inputs have them.

    Gives (sequences * tokens that each gives, m) and saturation counts.
    """
    spec = layer.spec
    assert isinstance(spec, RecurrentSpec)
    start = first_states(layer, values[1:])
    return in_turns(spec, values[0], lambda apart: _Steps(layer, apart).run(start))


def first_states(layer: FixedLayer, given: tuple[Ints, ...]) -> tuple[Ints, Ints] | None:
    """(sequences, m) and (sequences, hidden): h and the state as the layer holds them; None where none come."""
    if not given:
        return None
    spec, shift = layer.spec, start_shifts(layer)
    assert isinstance(spec, RecurrentSpec)
    h = saturate(round_shift(given[0], shift["start_shift"]), spec.data_bits)[0]
    of_state = shift["state_shift_c" if spec.cell == "lstm" else "state_shift_h"]
    return h, saturate(round_shift(given[-1], of_state), spec.state_bits)[0]


def in_turns(
    spec: RecurrentSpec, x: Ints, run: Callable[[Ints], tuple[Ints, dict[str, int]]]
) -> tuple[Ints, dict[str, int]]:
    """What `run` makes of (sequences * steps, n), for values whose sequences take turns."""
    turns = spec.sequences
    if turns == 1:
        return run(x)
    apart = x.reshape(-1, spec.steps, turns, x.shape[-1]).swapaxes(1, 2).reshape(x.shape)
    words, lost = run(apart)
    return words.reshape(-1, turns, spec.given, spec.m).swapaxes(1, 2).reshape(words.shape), lost


def with_cells(layer: FixedLayer, outputs: Ints, cells: Ints) -> tuple[Ints, int]:
    """(sequences * tokens, m) and (sequences, hidden) → one token more, in the layer's format; how many saturated."""
    spec, (of_outputs, of_cells) = layer.spec, leaving_shifts(layer)
    assert isinstance(spec, RecurrentSpec)
    tokens = round_shift(outputs, of_outputs).reshape(len(cells), -1, spec.m)
    last = round_shift(cells, of_cells)[:, None]
    words, lost = saturate(np.concatenate([tokens, last], axis=1).reshape(-1, spec.m), spec.out_bits)
    return words, lost


class _Steps:
    """One run: integers of the layer, values of all sequences side by side."""

    def __init__(self, layer: FixedLayer, x: Ints) -> None:
        spec = layer.spec
        assert isinstance(spec, RecurrentSpec)
        self.layer, self.spec, self.points, self.shift = layer, spec, points_of(layer), shifts(layer)
        self.steps = spec.steps
        self.sequences = len(x) // self.steps
        self.lost: Counter[str] = Counter()
        self.curves = layer.inner
        self.bits = spec.data_bits
        first = (spec.units * spec.gates, spec.in_blocks + spec.out_units, spec.block)
        self.weights = layer.arrays["weights"].reshape(first)
        rows = forward(spec, x, spec.in_blocks)
        self.stored = rows.reshape(self.sequences, self.steps, spec.in_blocks, spec.block)
        self.acc_shift = layer.acc_shift + self.points.join
        sums = product(spec, rows, self.weights[:, : spec.in_blocks]) << self.points.join
        self.from_input = sums.reshape(self.sequences, self.steps, spec.units, spec.gates, spec.block)
        self.second = layer.arrays["second"] if spec.phases == 2 else None

    def run(self, start: tuple[Ints, Ints] | None) -> tuple[Ints, dict[str, int]]:
        """All steps, from states that come or from those of the layer."""
        spec, arrays = self.spec, self.layer.arrays
        initial = arrays["initial"] if spec.initial else np.zeros(spec.hidden, np.int64)
        known = np.zeros((self.sequences, spec.m), np.int64), np.broadcast_to(initial, (self.sequences, spec.hidden))
        h, state = known if start is None else start
        found = []
        step = {"rnn": self._rnn, "lstm": self._lstm, "gru": self._gru, "gru_after": self._gru}[spec.cell]
        for t in range(self.steps):
            self.bias = arrays["first_bias" if spec.first_bias and t == 0 else "bias"].reshape(spec.biases, spec.hidden)
            h, state = step(t, h, state)
            found.append(h)
        out = found[-1] if spec.last else np.stack(found, axis=1).reshape(-1, spec.m)
        if spec.cells:
            out, lost = with_cells(self.layer, out, state)
            self.lost["output"] += lost
        counts = {"sum": self.lost["sum"]} if spec.block > 1 else {}
        if spec.cell != "rnn":
            counts["state"] = self.lost["state"]
        return out, {**counts, "output": self.lost["output"]}

    def _saturated(self, values: Ints, bits: int, place: str) -> Ints:
        words, lost = saturate(values, bits)
        self.lost[place] += lost
        return words

    def _values(self, sums: Ints, shift: int) -> Ints:
        """(sequences, rows, k) sums → (sequences, rows * k) values."""
        spec = self.spec
        if spec.block == 1:
            return sums[..., 0]
        rounded = self._saturated(round_shift(sums, shift), spec.rounded_bits, "sum")
        parts = rounded.reshape(*sums.shape[:-1], spec.block // 2, 2)
        values = inverse_transform(parts[..., 0], parts[..., 1], spec.fft_shifts)
        return values.reshape(len(sums), -1)

    def _gate_sums(self, t: int, h: Ints) -> list[Ints]:
        """Sums of the gates with their biases, (sequences, hidden) each; those over x and over h apart where split."""
        spec = self.spec
        from_input = self.from_input[:, t]
        sums = product(spec, forward(spec, h, spec.out_units), self.weights[:, spec.in_blocks :])
        from_state = sums.reshape(from_input.shape)
        rows = [from_input[:, :, g] + from_state[:, :, g] for g in range(spec.gates)]
        if spec.cell == "gru_after":
            rows[2] = from_state[:, :, 2]
            rows.append(from_input[:, :, 2])
        values = (self._values(row, self.acc_shift)[:, : spec.hidden] for row in rows)
        return [value + bias for value, bias in zip(values, self.bias, strict=False)]

    def _activated(self, place: int, values: Ints) -> Ints:
        curve = self.curves[place]
        if curve is not None:
            return saturate(curve.apply(values), self.bits)[0]
        passed = np.maximum(values, 0) if self.spec.activations[place] == "relu" else values
        return saturate(round_shift(passed, self.shift[f"{'fgh'[place]}_shift"]), self.bits)[0]

    def _gate(self, place: int, values: Ints) -> Ints:
        bound = self.points.bound
        return self._activated(place, np.clip(values, -bound, bound) if self.spec.clip else values)

    def _result(self, product_: Ints, place: str = "output") -> Ints:
        return self._saturated(round_shift(product_, self.shift["out_shift"]), self.bits, place)

    def _rnn(self, t: int, h: Ints, state: Ints) -> tuple[Ints, Ints]:
        return self._gate(0, self._gate_sums(t, h)[0]), state

    def _lstm(self, t: int, h: Ints, c: Ints) -> tuple[Ints, Ints]:
        i, o, f, g = self._gate_sums(t, h)
        shift = self.shift
        kept = (self._gate(0, f + self._peephole(2, c)) * c) << shift["kept_shift"]
        fresh = (self._gate(0, i + self._peephole(0, c)) * self._gate(1, g)) << shift["new_shift"]
        c = self._saturated(round_shift(kept + fresh, shift["state_shift"]), self.spec.state_bits, "state")
        gated = self._gate(0, o + self._peephole(1, c)) * self._activated(2, c)
        if not self.spec.projected:
            return self._result(gated), c
        return self._projected(self._result(gated)), c

    def _peephole(self, place: int, c: Ints) -> Ints | int:
        if not self.spec.peephole:
            return 0
        weights = self.layer.arrays["peepholes"].reshape(3, -1)[place]
        return saturate(round_shift(weights * c, self.shift["peephole_shift"]), self.spec.value_bits)[0]

    def _projected(self, middle: Ints) -> Ints:
        spec = self.spec
        assert self.second is not None
        weights = self.second.reshape(spec.out_units, spec.units, spec.block)
        sums = product(spec, forward(spec, middle, spec.units), weights)
        values = self._values(sums, self.points.shift_b)[:, : spec.m]
        return self._saturated(round_shift(values, self.shift["project_shift"]), self.bits, "output")

    def _gru(self, t: int, h: Ints, s: Ints) -> tuple[Ints, Ints]:
        z, r, *rest = self._gate_sums(t, h)
        z, r = self._gate(0, z), self._gate(0, r)
        if self.spec.cell == "gru_after":
            inner = saturate(round_shift(rest[0], self.shift["inner_shift"]), self.spec.state_bits)[0]
            n = self._gate(1, rest[1] + round_shift(r * inner, self.shift["reset_shift"]))
        else:
            n = self._gate(1, self._candidate(t, saturate(round_shift(r * s, self.shift["reset_shift"]), self.bits)[0]))
        fresh, old = n << self.shift["new_shift"], s << self.shift["kept_shift"]
        blended = (fresh << self.shift["unit_shift"]) + z * (old - fresh)
        s = self._saturated(round_shift(blended, self.shift["state_shift"]), self.spec.state_bits, "state")
        return self._result(s), s

    def _candidate(self, t: int, middle: Ints) -> Ints:
        spec = self.spec
        assert self.second is not None
        weights = self.second.reshape(spec.units, spec.in_blocks + spec.units, spec.block)
        sums = product(spec, self.stored[:, t], weights[:, : spec.in_blocks]) << self.points.join
        sums = sums + product(spec, forward(spec, middle, spec.units), weights[:, spec.in_blocks :])
        return self._values(sums, self.acc_shift)[:, : spec.hidden] + self.bias[2]


def forward(spec: RecurrentSpec, values: Ints, blocks: int) -> Ints:
    """(rows, n) → (rows, blocks, k): values, or packed half spectra, padded."""
    padded = np.zeros((len(values), blocks * spec.block), np.int64)
    padded[:, : values.shape[1]] = values
    stored: Ints = padded.reshape(len(values), blocks, spec.block)
    if spec.block == 1:
        return stored
    re, im = forward_transform(stored, spec.fft_shifts)
    return np.stack([re, im], axis=-1).reshape(stored.shape)


def product(spec: RecurrentSpec, stored: Ints, weights: Ints) -> Ints:
    """(rows, q, k) and (p, q, k) → exact sums (rows, p, k)."""
    bits = spec.accumulator_bits
    if spec.block > 1:
        parts = stored.reshape(*stored.shape[:-1], -1, 2)
        packed = weights.reshape(*weights.shape[:-1], -1, 2)
        re, im = spectral_product(parts[..., 0], parts[..., 1], packed, bits)
        return np.stack([re, im], axis=-1).reshape(len(stored), len(weights), spec.block)
    number = np.float64 if bits <= EXACT_FLOAT.bit_length() - 1 else np.int64
    sums = stored[..., 0].astype(number) @ weights[..., 0].T.astype(number)
    return sums.astype(np.int64)[..., None]
