# SPDX-License-Identifier: Apache-2.0
"""What all convolutions share in lowering: where the kernel lies, and which of them are a plain matrix."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from swm.graph import Conv, Linear
from swm.layers.base import Obstacle, Operand
from swm.layers.geometry import Geometry
from swm.structure import BlockCirculant, BlockCirculantConv, ConvStructure, Dense

__all__ = ["as_matrix", "geometry_of", "tap_major"]

_MOST_POSITIONS = 1 << 20  # of a grid: rows of outputs are written out one by one where cycles are simulated


def geometry_of(node: Conv, operand: Operand) -> Geometry | Obstacle:
    """Where the kernel of a convolution lies on its input."""
    if operand.grid is None or not 1 <= len(operand.grid) <= 2:
        return Obstacle("its input is no image of one or two axes", "export with static shapes but for the batch")
    geometry = Geometry.of(operand.grid, node.kernel, node.strides, node.dilations, node.pads)
    if geometry is None:
        return Obstacle(
            f"its kernel {node.kernel} is larger than the padded input {operand.grid}", "export the model again"
        )
    most = max(prod(geometry.grid), prod(geometry.out))
    if most > _MOST_POSITIONS:
        return Obstacle(f"its image has {most:,} positions", f"hardware takes at most {_MOST_POSITIONS:,}")
    return geometry


def tap_major(matrix: np.ndarray, channels: int) -> np.ndarray:
    """(M, channels * taps), columns as ONNX has them → (M, taps * channels), all channels of a tap together."""
    taps = matrix.shape[1] // channels
    return matrix.reshape(len(matrix), channels, taps).swapaxes(1, 2).reshape(len(matrix), -1)


def as_matrix(node: Conv, operand: Operand) -> tuple[Linear, Operand] | None:
    """A convolution that multiplies each position alone, or the whole image once, as a product with a plain matrix.

    Returns:
        The product and its input; None where several positions make one output, or one makes several.
    """
    if operand.grid is None or node.group != 1 or any(node.pads) or operand.channels != node.channels:
        return None
    alone = prod(node.kernel) == 1 and prod(node.strides) == 1
    whole = node.kernel == operand.grid and prod(node.dilations) == 1
    if not (alone or whole):
        return None
    weight, k = node.weight, node.weight.size
    if isinstance(weight, BlockCirculantConv):
        positions, p, q, _ = weight.columns.shape
        if positions > 1 and node.channels % k:
            return None  # blocks of one tap end inside a block of the image
        rows = weight.columns.transpose(1, 0, 2, 3).reshape(p, positions * q, k)
        weight = BlockCirculant(rows, (weight.shape[0], weight.shape[1]))
    elif isinstance(weight, ConvStructure):
        return None
    else:
        weight = Dense(tap_major(weight.to_dense(), node.channels))
    linear = Linear(name=node.name, inputs=node.inputs, outputs=node.outputs, weight=weight, bias=node.bias)
    read = operand if alone else replace(operand, channels=operand.channels * operand.positions, positions=1, grid=None)
    return linear, read
