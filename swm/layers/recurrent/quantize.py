# SPDX-License-Identifier: Apache-2.0
"""Number formats of a recurrent layer from samples, and its integers."""

from __future__ import annotations

from math import ceil, floor, log2

import numpy as np
from numpy.typing import NDArray

from swm.errors import CalibrationError
from swm.layers.arithmetic import packed_spectrum
from swm.layers.formats import best_format, finest_bias
from swm.layers.functions import Floats
from swm.layers.recurrent.layer import RecurrentLayer, run_float
from swm.layers.recurrent.points import Points, curves
from swm.layers.recurrent.spec import JOIN_GUARD, RecurrentSpec
from swm.layers.values import FixedLayer, Format, Ints
from swm.structure import BlockCirculant, WeightStructure

__all__ = ["quantized"]

_BOUNDED = ("sigmoid", "tanh", "hard_sigmoid")  # within -1 and 1: their binary point is that of the data's bits
_SUM_ROWS = 4096  # steps whose spectral sums are looked at


def quantized(
    spec: RecurrentSpec,
    layer: RecurrentLayer,
    inputs: tuple[NDArray[np.floating], ...],
    formats: tuple[Format, ...],
) -> FixedLayer:
    """The integer layer.

    Args:
        spec: shapes and widths.
        layer: in float.
        inputs: (sequences * steps, n) calibration inputs, (sequences, hidden) of the states that come.
        formats: theirs.

    Raises:
        CalibrationError: states grow beyond what their bits hold beside the gates.
    """
    return _Quantization(spec, layer, inputs, formats).fixed()


class _Quantization:
    """One layer under way."""

    def __init__(
        self,
        spec: RecurrentSpec,
        layer: RecurrentLayer,
        inputs: tuple[NDArray[np.floating], ...],
        formats: tuple[Format, ...],
    ) -> None:
        assert layer.weight is not None and layer.recurrent is not None
        x, self.start = np.asarray(inputs[0], np.float64), inputs[1:]
        self.spec, self.layer, self.inputs, self.formats = spec, layer, formats[0], formats
        self.w, self.r = layer.weight, layer.recurrent
        self.seen = run_float(layer, x.reshape(-1, layer.steps, layer.n), self.start)
        bits = spec.data_bits
        bounded = not spec.projected and (spec.activations[-1] in _BOUNDED)
        outputs = np.concatenate([self.seen.after, *self.start[:1]])
        self.out = best_format(outputs, bits, bits - 1 if bounded else 40)
        self.bias = self._biases(layer.state_bias)
        moved = layer.state_bias + layer.initial_h.astype(np.float64) @ self.r.to_dense().astype(np.float64).T
        self.first_bias = self._biases(moved) if spec.first_bias else self.bias
        if spec.cell == "gru":
            self.first_bias[2] = self.bias[2]
        self.frac, self.join = self._products_frac()
        self.rounded = self._rounded(
            x[:: max(1, len(x) // _SUM_ROWS)], self.seen.before[:: max(1, len(x) // _SUM_ROWS)]
        )

    def fixed(self) -> FixedLayer:
        """All integers."""
        spec, arrays = self.spec, self._weights()
        points = self._points()
        biases = Format(spec.bias_bits, self.rounded)
        arrays["bias"] = biases.quantize(self.bias).reshape(-1)
        if spec.first_bias:
            arrays["first_bias"] = biases.quantize(self.first_bias).reshape(-1)
        if spec.peephole and self.layer.peepholes is not None:
            arrays["peepholes"] = Format(spec.weight_bits, points.peephole).quantize(self.layer.peepholes).reshape(-1)
        if spec.initial:
            start = self.layer.initial_c if spec.cell == "lstm" else self.layer.initial_h
            arrays["initial"] = Format(spec.state_bits, points.state).quantize(start)
        arrays["points"] = points.array()
        if self.layer.doublings:
            arrays["doublings"] = np.array([self.layer.doublings], np.int64)
        layer, weight_frac = self.layer, self.frac - self.join - self.inputs.frac
        made = FixedLayer(
            spec,
            layer.node,
            layer.inputs,
            layer.output,
            self.formats,
            self._given(points.state),
            arrays,
            weight_frac,
            self.frac - self.join - self.rounded,
        )
        object.__setattr__(made, "inner", curves(made))
        return made

    def _given(self, state: int) -> Format:
        """The format of what leaves: the outputs', or where the last cells follow them one for both, of more bits."""
        if not self.spec.cells:
            return self.out
        cells = self.seen.state[self.spec.steps - 1 :: self.spec.steps] * 2.0**self.layer.doublings
        values = np.concatenate([self.seen.after.reshape(-1), cells.reshape(-1)])
        return best_format(values, self.spec.out_bits, most_frac=max(self.out.frac, state - self.layer.doublings))

    def _biases(self, state_bias: NDArray[np.floating]) -> Floats:
        """(biases, hidden): those of W and R added, but for what a reset stands between."""
        spec, size = self.spec, self.spec.hidden
        w, r = self.layer.input_bias.astype(np.float64), state_bias.astype(np.float64)
        both = (w + r).reshape(-1, size)
        if spec.cell != "gru_after":
            return both
        return np.stack([both[0], both[1], r[2 * size :], w[2 * size :]])

    def _values(self, weight: WeightStructure) -> Floats:
        """(rows of blocks, block columns, k): values, or spectra, as they are stored."""
        if isinstance(weight, BlockCirculant) and self.spec.block > 1:
            packed = packed_spectrum(weight.columns)
            return packed.reshape(*packed.shape[:2], -1)
        return weight.to_dense().astype(np.float64)[:, :, None]

    def _products_frac(self) -> tuple[int, int]:
        """Fractional bits of an exact sum, and by how much a sum over x moves left to have them."""
        bits = self.spec.weight_bits
        of_x = self.inputs.frac + best_format(self._values(self.w), bits).frac
        of_h = self.out.frac + best_format(self._values(self.r), bits).frac
        frac = min(of_h, of_x + JOIN_GUARD)
        frac = frac if self.spec.block > 1 else min(frac, self._finest())
        return frac, max(0, frac - of_x)

    def _finest(self) -> int:
        return min(finest_bias(b, self.spec.bias_bits) for b in (self.bias, self.first_bias))

    def _rounded(self, x: Floats, h: Floats) -> int:
        """Fractional bits of a sum that left the products."""
        if self.spec.block == 1:
            return self.frac
        assert isinstance(self.w, BlockCirculant) and isinstance(self.r, BlockCirculant)
        of_x, of_h = self.w.spectral_product(x), self.r.spectral_product(h)
        sums = [of_x + of_h] + ([of_x, of_h] if self.spec.cell == "gru_after" else [])
        return self._sums_frac(np.stack(sums), min(self.frac, self._finest()))

    def _sums_frac(self, sums: NDArray[np.complexfloating], most: int) -> int:
        parts = np.stack([sums.real, sums.imag]).reshape(-1) / 2.0**self.spec.fft_shifts
        return best_format(parts, self.spec.rounded_bits, most_frac=most).frac

    def _weights(self) -> dict[str, Ints]:
        """Rows unit by unit, gate by gate; columns of x, then of h."""
        spec, bits = self.spec, self.spec.weight_bits
        of_x = Format(bits, self.frac - self.join - self.inputs.frac).quantize(self._values(self.w))
        of_h = Format(bits, self.frac - self.out.frac).quantize(self._values(self.r))
        both = np.concatenate([of_x, of_h], axis=1)
        gates = both.reshape(-1, spec.units, *both.shape[1:])  # gate, unit, column, part
        arrays = {"weights": gates[: spec.gates].transpose(1, 0, 2, 3).reshape(-1, *both.shape[1:])}
        if spec.cell == "gru":
            arrays["second"] = gates[2]
        elif spec.projected and self.layer.projection is not None:
            arrays["second"] = Format(bits, self._projection_frac()).quantize(self._values(self.layer.projection))
        return arrays

    def _projection_frac(self) -> int:
        assert self.layer.projection is not None
        return best_format(self._values(self.layer.projection), self.spec.weight_bits).frac

    def _points(self) -> Points:
        spec, seen, bits = self.spec, self.seen, self.spec.data_bits
        gates = [self._gate_frac(place) for place in range(len(spec.activations))]
        if spec.cell == "rnn":
            gates = [self.out.frac]
        f, g, h = (*gates, 0, 0)[:3]
        states = np.concatenate([seen.state, *self.start[-1:]])
        state = _holding(states, spec.state_bits, spec.cell == "lstm") if spec.cell != "rnn" else 0
        if spec.cell != "rnn" and state + 24 < g:
            raise CalibrationError(
                f"layer {self.layer.node!r}: its state reaches {float(np.abs(seen.state).max()):.3g}, beside gates of"
                f" at most 1; more than {spec.state_bits} bits hold"
            )
        middle = weight_b = shift_b = 0
        if spec.projected:
            middle, weight_b = best_format(seen.middle, bits, bits - 1).frac, self._projection_frac()
            projection = self.layer.projection
            if spec.block > 1:
                assert isinstance(projection, BlockCirculant)
                rows = seen.middle[:: max(1, len(seen.middle) // _SUM_ROWS)]
                shift_b = middle + weight_b - self._sums_frac(projection.spectral_product(rows), middle + weight_b)
        peepholes = self.layer.peepholes
        bound = self.layer.bound * 2.0**self.rounded
        return Points(
            gate_f=f,
            gate_g=g,
            gate_h=h,
            state=state,
            peephole=0 if peepholes is None else best_format(peepholes, spec.weight_bits).frac,
            inner=_holding(seen.inner, spec.state_bits, True) if spec.cell == "gru_after" else 0,
            middle=middle,
            weight_b=weight_b,
            shift_b=shift_b,
            join=self.join,
            output=self.out.frac,
            bound=min(floor(bound + 0.5), (1 << 60) - 1),
        )

    def _gate_frac(self, place: int) -> int:
        bits = self.spec.data_bits
        if self.spec.activations[place] in _BOUNDED:
            return bits - 1
        return best_format(self.seen.gates[place], bits, bits - 1).frac


def _holding(values: Floats, bits: int, headroom: bool) -> int:
    """Fractional bits that hold the largest value, and twice as much where it may grow."""
    largest = float(np.abs(values).max(initial=0.0)) * (2.0 if headroom else 1.0)
    return min(bits - 1, bits - 1 - ceil(log2(largest))) if largest > 0 else bits - 1
