# SPDX-License-Identifier: Apache-2.0
"""Weights in the order in which the kernels read them: one row of a ROM is what one cycle needs."""

from __future__ import annotations

import numpy as np

from swm.fixed import FixedLayer
from swm.fixed._integer import Ints
from swm.hardware import LayerSchedule

__all__ = ["rom"]


def rom(layer: FixedLayer, plan: LayerSchedule) -> Ints:
    """The weight ROM of one layer, (depth, lanes) int64; block rows, rows and columns padded with zeros.

    circulant: depth (group of block rows, group of words, block column), lanes (block row, word, re/im).
    dense: depth (group of rows, group of columns), lanes (row, column).
    scale: depth (beat), lanes (value).
    """
    if layer.spec.kind == "circulant":
        return _circulant(layer, plan)
    if layer.spec.kind == "dense":
        return _dense(layer, plan)
    beats = -(-layer.spec.n // plan.in_vec)
    return _padded(layer.weights, (beats * plan.in_vec,)).reshape(beats, plan.in_vec)


def _circulant(layer: FixedLayer, plan: LayerSchedule) -> Ints:
    q, words = layer.spec.q, layer.spec.block // 2
    groups, lanes, bins = plan.mac_groups, plan.mac_blocks, plan.mac_bins
    weights = _padded(layer.weights, (groups * lanes, q, words, 2))
    split = weights.reshape(groups, lanes, q, words // bins, bins, 2)
    return split.transpose(0, 3, 2, 1, 4, 5).reshape(groups * (words // bins) * q, lanes * bins * 2)


def _dense(layer: FixedLayer, plan: LayerSchedule) -> Ints:
    groups, columns = -(-layer.spec.m // plan.rows), plan.n_pad // plan.columns
    weights = _padded(layer.weights, (groups * plan.rows, plan.n_pad))
    split = weights.reshape(groups, plan.rows, columns, plan.columns)
    return split.transpose(0, 2, 1, 3).reshape(groups * columns, plan.rows * plan.columns)


def _padded(values: Ints, shape: tuple[int, ...]) -> Ints:
    out = np.zeros(shape, np.int64)
    out[tuple(slice(0, size) for size in values.shape)] = values
    return out
