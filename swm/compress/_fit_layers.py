# SPDX-License-Identifier: Apache-2.0
"""A Linear or Conv node with block-circulant weights, fitted by any method to what a stream says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress._methods import Chunks, Method, Problem
from swm.compress._stream import Stream, rows
from swm.graph import Conv, Linear
from swm.structure import BlockCirculant, CirculantKernel, Dense, default_transforms, fit_dense
from swm.structure._kernel import pixel_spectra, windows
from swm.structure._spectral import block_spectra

__all__ = ["fit_conv", "fit_linear", "refit_linear"]

ROW_BYTES = 1 << 26  # of the spectra of the patches of a convolution held at a time
LINEAR_VALUES = 1 << 23  # of the inputs of a product whose spectra are held at a time


def fit_linear(node: Linear, block: int, method: Method, stream: Stream | None) -> Linear:
    """The node with a block-circulant matrix."""
    matrix = node.weight.to_dense()
    step = max(1, LINEAR_VALUES // max(matrix.shape))

    def chunks() -> Iterator[tuple[NDArray[np.complexfloating], NDArray[Any]]]:
        assert stream is not None  # given as None then
        for (x,), (y,) in stream.chunks(node.inputs, node.outputs):
            for start in range(0, len(rows(x)), step):
                part = slice(start, start + step)
                yield block_spectra(rows(x)[part], block), rows(y)[part]

    solution = method.fit(Problem((matrix,), block, None if stream is None else chunks))
    weight = BlockCirculant(solution.columns[0], matrix.shape)
    return replace(node, weight=weight, bias=node.bias if solution.bias is None else solution.bias)


def refit_linear(node: Linear, stream: Stream) -> Linear:
    """The node with its dense matrix refitted to what the converted network before it gives."""
    pairs = [(rows(x), rows(y)) for (x,), (y,) in stream.chunks(node.inputs, node.outputs)]
    x, y = (np.concatenate(side) for side in zip(*pairs, strict=True))
    fit = fit_dense(x, y, node.weight.to_dense())
    return replace(node, weight=Dense(fit.columns.astype(np.float32)), bias=fit.bias.astype(np.float32))


def fit_conv(node: Conv, block: int, method: Method, stream: Stream | None) -> Conv:
    """The node with a kernel of circulant blocks; all pixels of all samples count."""
    m = node.weight.shape[0]
    tensor = node.weight.to_dense().reshape(m, node.channels, -1)
    matrices = tuple(np.ascontiguousarray(tensor[:, :, i]) for i in range(tensor.shape[2]))
    solution = method.fit(Problem(matrices, block, None if stream is None else _patches(node, block, stream)))
    kernel = CirculantKernel(np.stack(solution.columns), (m, node.channels), node.kernel)
    return replace(node, weight=kernel, bias=node.bias if solution.bias is None else solution.bias)


def _patches(node: Conv, block: int, stream: Stream) -> Chunks:
    """Spectra of the patches: one transform a pixel, then windows of the spectra."""

    def chunks() -> Iterator[tuple[NDArray[np.complexfloating], NDArray[Any]]]:
        for (x,), (y,) in stream.chunks(node.inputs, node.outputs):
            blocks = int(np.prod(node.kernel)) * -(-node.channels // block)
            sample = int(np.prod(y.shape[2:])) * blocks * (block // 2 + 1) * 8
            step = max(1, ROW_BYTES // sample)
            for start in range(0, len(x), step):
                spectra = pixel_spectra(x[start : start + step], block, node.pads, default_transforms())
                views = windows(spectra, node.kernel, node.strides, node.dilations)
                stacked = np.stack(views, axis=-2)  # (bins, batch, spatial..., positions, q)
                targets = np.moveaxis(y[start : start + step], 1, -1).reshape(-1, y.shape[1])
                yield stacked.reshape(len(stacked), len(targets), blocks), targets

    return chunks
