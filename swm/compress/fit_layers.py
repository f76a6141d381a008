# SPDX-License-Identifier: Apache-2.0
"""A Linear or Conv node with block-circulant weights, fitted by any method to pairs of activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.compress.activation_pairs import ActivationPairs, Pairs, rows
from swm.compress.methods import Chunks, Method, Problem
from swm.graph import Conv, Linear
from swm.progress import Note, quiet
from swm.structure import BlockCirculant, BlockCirculantConv, Dense, WeightStructure, default_transforms, fit_dense
from swm.structure.circulant_conv import pixel_spectra, windows
from swm.structure.spectral import block_spectra

__all__ = ["fit_conv", "fit_linear", "fit_own", "patch_spectra", "pixels", "refit"]

Array = NDArray[Any]

ROW_BYTES = 1 << 26  # of the spectra of the patches of a convolution held at a time
REFIT_BYTES = 1 << 28  # of patches and answers that a dense convolution is refitted to
LINEAR_VALUES = 1 << 23  # of the inputs of a product whose spectra are held at a time


def fit_linear(node: Linear, block: int, method: Method, pairs: Pairs | None) -> Linear:
    """The node with a block-circulant matrix."""
    matrix = node.weight.to_dense()
    step = max(1, LINEAR_VALUES // max(matrix.shape))

    def chunks() -> Iterator[tuple[NDArray[np.complexfloating], NDArray[Any]]]:
        assert pairs is not None  # given as None then
        for (x,), (y,) in pairs.chunks(node.inputs, node.outputs):
            for start in range(0, len(rows(x)), step):
                part = slice(start, start + step)
                yield block_spectra(rows(x)[part], block), rows(y)[part]

    given = None if pairs is None else chunks
    solution = method.fit(Problem((matrix,), block, given, _rectified(node, pairs), _note(pairs)))
    weight = BlockCirculant(solution.columns[0], matrix.shape)
    return replace(node, weight=weight, bias=node.bias if solution.bias is None else solution.bias)


def fit_own(
    node: Linear | Conv, structure: type[WeightStructure], size: int, method: Method, pairs: Pairs | None
) -> Linear | Conv:
    """The node with a matrix of any structure, which fits itself; of a convolution that over patches."""
    matrix = node.weight.to_dense()
    if pairs is None or not method.needs_calibration:
        return replace(node, weight=structure.project(matrix, size))

    def calibration() -> Iterator[tuple[Array, Array]]:
        if isinstance(node, Conv):
            yield from ((x[:, 0], y[:, 0]) for x, y in pixels(node, pairs))
            return
        for (x,), (y,) in pairs.chunks(node.inputs, node.outputs):
            yield rows(x), rows(y)

    weight, bias = structure.fit(matrix, size, calibration)
    return replace(node, weight=weight, bias=bias)


def refit(node: Linear | Conv, pairs: ActivationPairs) -> Linear | Conv:
    """The node with its dense weights refitted to what the converted network before it gives."""
    pairs.note("refit of what stays dense")
    if isinstance(node, Linear):
        answers = ((rows(x), rows(y)) for (x,), (y,) in pairs.chunks(node.inputs, node.outputs))
        matrix, bias = _refitted(answers, node.weight.to_dense())
        return replace(node, weight=Dense(matrix), bias=bias)
    pieces = list(pixels(node, pairs))
    each = len(node.weight.to_dense()) // node.group
    starts = node.weight.to_dense().reshape(node.group, each, -1)
    found = [_refitted([(x[:, g], y[:, g]) for x, y in pieces], start) for g, start in enumerate(starts)]
    matrix, bias = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return replace(node, weight=Dense(matrix), bias=bias)


def _refitted(answers: Iterable[tuple[Array, Array]], start: Array) -> tuple[Array, Array]:
    x, y = (np.concatenate(side) for side in zip(*answers, strict=True))
    fit = fit_dense(x, y, start)
    return fit.columns.astype(np.float32), fit.bias.astype(np.float32)


def pixels(node: Conv, pairs: Pairs) -> Iterator[tuple[Array, Array]]:
    """Patches (rows, groups, inputs of a group) and targets (rows, groups, outputs), thinned out to fit in memory."""
    rank, groups = len(node.kernel), node.group
    samples = max(1, *(len(a) for a in pairs.feeds.values() if a.ndim), 1)
    for (x,), (y,) in pairs.chunks(node.inputs, node.outputs):
        widths = [(0, 0), (0, 0), *((node.pads[i], node.pads[rank + i]) for i in range(rank))]
        padded = np.moveaxis(np.pad(x, widths), 1, -1)[None]  # as `windows` takes spectra, with one bin
        views = windows(padded, node.kernel, node.strides, node.dilations)
        pixels = views[0].size // x.shape[1]
        row_bytes = 4 * (x.shape[1] * len(views) + y.shape[1])
        thin = slice(None, None, max(1, -(-pixels * row_bytes * samples // (REFIT_BYTES * len(x)))))
        patches = np.stack([v.reshape(pixels, -1)[thin] for v in views], axis=-1)
        wanted = np.moveaxis(y, 1, -1).reshape(pixels, -1)[thin]
        yield patches.reshape(len(wanted), groups, -1), wanted.reshape(len(wanted), groups, -1)


def fit_conv(node: Conv, block: int, method: Method, pairs: Pairs | None) -> Conv:
    """The node with a kernel of circulant blocks; all pixels of all samples count, of groups as `pixels` thins them."""
    m, groups = node.weight.shape[0], node.group
    tensors = node.weight.to_dense().reshape(groups, m // groups, node.channels, -1)
    if pairs is None:
        chunks: list[Chunks | None] = [None] * groups
    else:
        chunks = [_patches(node, block, pairs)] if groups == 1 else _group_patches(node, block, pairs)
    found = []
    for tensor, of_group in zip(tensors, chunks, strict=True):
        matrices = tuple(np.ascontiguousarray(tensor[:, :, i]) for i in range(tensor.shape[2]))
        found.append(method.fit(Problem(matrices, block, of_group, _rectified(node, pairs), _note(pairs))))
    columns = np.concatenate([np.stack(solution.columns) for solution in found], axis=1)
    bias = [solution.bias for solution in found if solution.bias is not None]
    kernel = BlockCirculantConv(columns, (m, node.channels), node.kernel)
    return replace(node, weight=kernel, bias=np.concatenate(bias) if bias else node.bias)


def _rectified(node: Linear | Conv, pairs: Pairs | None) -> bool:
    return pairs is not None and pairs.rectified(node.outputs[0])


def _note(pairs: Pairs | None) -> Note:
    return quiet if pairs is None else pairs.note


def patch_spectra(x: Array, channels: int, block: int) -> NDArray[np.complexfloating]:
    """Patches (rows, channels * taps) → spectra (bins, rows, taps * q), the blocks of a tap side by side."""
    shaped = x.reshape(len(x), channels, -1)
    return np.concatenate([block_spectra(shaped[:, :, i], block) for i in range(shaped.shape[2])], axis=2)


def _group_patches(node: Conv, block: int, pairs: Pairs) -> list[Chunks | None]:
    """Spectra and targets of each group, from rows that are gathered once."""
    pieces = list(pixels(node, pairs))

    def of(group: int) -> Chunks:
        return lambda: ((patch_spectra(x[:, group], node.channels, block), y[:, group]) for x, y in pieces)

    return [of(group) for group in range(node.group)]


def _patches(node: Conv, block: int, pairs: Pairs) -> Chunks:
    """Spectra of the patches: one transform per pixel, then windows of the spectra."""

    def chunks() -> Iterator[tuple[NDArray[np.complexfloating], NDArray[Any]]]:
        for (x,), (y,) in pairs.chunks(node.inputs, node.outputs):
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
