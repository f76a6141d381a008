# SPDX-License-Identifier: Apache-2.0
"""Networks of published systems by their shapes alone: what a schedule needs, without weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.layers.add import AddSpec
from swm.layers.circulant.spec import CirculantSpec, forward_shifts
from swm.layers.dense import DenseSpec
from swm.layers.values import Activation, LayerSpec, TensorShape

__all__ = ["lstm_step", "mlp"]


def mlp(widths: Sequence[int], block: int, bits: int) -> NetworkShape:
    """Products with a Relu between them; the last is dense, as `swm.convert` leaves it. Block 1 is dense throughout."""
    layers = []
    last = len(widths) - 2
    for i, (n, m) in enumerate(pairwise(widths)):
        spec = _product(f"fc{i}", n, m, 1 if i == last else block, bits, "identity" if i == last else "relu")
        layers.append(ShapedLayer(spec, (f"t{i}",), f"t{i + 1}"))
    return NetworkShape(tuple(layers), "t0", f"t{len(layers)}")


def lstm_step(inputs: int, cells: int, projection: int, block: int, bits: int) -> NetworkShape:
    """The matrix products of one LSTM step with projection, and the activations of its gates.

    The state comes in with the inputs. The gates' products with the cell's state are left out, with peepholes: three
    sums stand in their place.

    Args:
        inputs: numbers a step.
        cells: hidden size.
        projection: size of the projected state, which is read back.
        block: block size of all matrices.
        bits: of data and weights.
    """
    state = TensorShape(cells, bits)
    gates: tuple[tuple[str, Activation], ...] = (("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid"))
    layers = [
        ShapedLayer(_product(f"gate_{name}", inputs + projection, cells, block, bits, function), ("x",), name)
        for name, function in gates
    ]
    sums: tuple[tuple[str, tuple[str, str], Activation], ...] = (
        ("fi", ("i", "f"), "identity"),
        ("c", ("g", "fi"), "tanh"),
        ("h", ("o", "c"), "identity"),
    )
    for name, reads, function in sums:
        layers.append(ShapedLayer(AddSpec(f"sum_{name}", (state, state), state, function), reads, name))
    layers.append(ShapedLayer(_product("projection", cells, projection, block, bits, "identity"), ("h",), "y"))
    return NetworkShape(tuple(layers), "x", "y")


def _product(name: str, n: int, m: int, block: int, bits: int, activation: Activation) -> LayerSpec:
    read, written = (TensorShape(n, bits),), TensorShape(m, bits)
    if block == 1:
        return DenseSpec(name, read, written, activation, weight_bits=bits)
    shifts = forward_shifts(bits, block)
    return CirculantSpec(name, read, written, activation, block=block, weight_bits=bits, fft_shifts=shifts)
