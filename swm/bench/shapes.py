# SPDX-License-Identifier: Apache-2.0
"""Networks of published systems by their shapes alone: what a schedule needs, without weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.layers.circulant.spec import CirculantSpec, forward_shifts
from swm.layers.dense import DenseSpec
from swm.layers.recurrent import RecurrentSpec
from swm.layers.values import Activation, LayerSpec, TensorShape

__all__ = ["LSTM_STEPS", "lstm", "mlp"]

LSTM_STEPS = 4
"""Of a sequence; the cycles of a step do not depend on it."""


def mlp(widths: Sequence[int], block: int, bits: int) -> NetworkShape:
    """Products with a Relu between them; the last is dense, as `swm.convert` leaves it. Block 1 is dense throughout."""
    layers = []
    last = len(widths) - 2
    for i, (n, m) in enumerate(pairwise(widths)):
        spec = _product(f"fc{i}", n, m, 1 if i == last else block, bits, "identity" if i == last else "relu")
        layers.append(ShapedLayer(spec, (f"t{i}",), f"t{i + 1}"))
    return NetworkShape(tuple(layers), "t0", f"t{len(layers)}")


def lstm(inputs: int, cells: int, projection: int, block: int, bits: int, *, sequences: int = 1) -> NetworkShape:
    """A whole LSTM layer with peepholes and projection, as the Google LSTM has them; frames of `LSTM_STEPS` steps.

    Args:
        inputs: numbers a step.
        cells: hidden size.
        projection: size of the projected state, which is read back.
        block: block size of all matrices; 1 is dense.
        bits: of data and weights.
        sequences: that take turns in its loop.
    """
    positions = LSTM_STEPS * sequences
    spec = RecurrentSpec(
        name="lstm",
        inputs=(TensorShape(inputs, bits, positions),),
        output=TensorShape(projection, bits, positions),
        cell="lstm",
        hidden=cells,
        block=block,
        weight_bits=bits,
        fft_shifts=forward_shifts(bits, block) if block > 1 else 0,
        peephole=True,
        sequences=sequences,
    )
    return NetworkShape((ShapedLayer(spec, ("x",), "y"),), "x", "y")


def _product(name: str, n: int, m: int, block: int, bits: int, activation: Activation) -> LayerSpec:
    read, written = (TensorShape(n, bits),), TensorShape(m, bits)
    if block == 1:
        return DenseSpec(name, read, written, activation, weight_bits=bits)
    shifts = forward_shifts(bits, block)
    return CirculantSpec(name, read, written, activation, block=block, weight_bits=bits, fft_shifts=shifts)
