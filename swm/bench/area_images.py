# SPDX-License-Identifier: Apache-2.0
"""Layers over images that `swm bench area` maps: kernels, pooling, other sizes and orders, built in two ways each."""

from __future__ import annotations

from collections.abc import Iterator

from swm.accelerator.design import Design
from swm.bench.area_designs import BITS, BOARDS, FEWER_BITS, SEEN, Case, Chain, bound
from swm.device import load_board
from swm.device.primitives import packs
from swm.layers.convolution import tap_major
from swm.layers.depth_to_space import DepthToSpaceLayer
from swm.layers.geometry import Geometry
from swm.layers.global_pool import GlobalPoolLayer
from swm.layers.pad import Margins, PadLayer
from swm.layers.pool.spec import PoolLayer
from swm.layers.reorder import ReorderLayer
from swm.layers.upsample import UpsampleLayer
from swm.structure import BlockCirculantConv, Dense

__all__ = ["image_cases", "plain_cases"]

BLOCKS = (4, 8)
"""Block size of a circulant kernel, by way."""


def image_cases(fitted: str) -> Iterator[Case]:
    """All of them for a family."""
    for family, widths, ways in SEEN[fitted]:
        for way in ways:
            lanes = ("taps one by one", "taps side by side")[way]
            for bits in widths:
                yield Case(f"image, {lanes}, {bits} bits", family, bits, 0, bound(_image, family, bits, way))
            for bits in widths:
                name = f"orders, beats of {(1, 4)[way]}, {bits} bits"
                yield Case(name, family, bits, 0, bound(_orders, family, bits, way))
            for bits in widths:
                name, block = f"kernel of blocks of {BLOCKS[way]}, {bits} bits", BLOCKS[way]
                yield Case(name, family, bits, block, bound(_circulant, family, bits, way))


def plain_cases(family: str) -> Iterator[Case]:
    """A few of them for another family."""
    for bits in FEWER_BITS:
        yield Case(f"image, taps one by one, {bits} bits", family, bits, 0, bound(_image, family, bits, 0))


def _kernel(grid: tuple[int, ...], size: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> Geometry:
    found = Geometry.of(grid, (size, size), (stride, stride), (dilation, dilation), (pad,) * 4)
    assert found is not None
    return found


def _image(family: str, bits: int, way: int) -> Design:
    """A convolution, the greatest of windows, a kernel a channel, means of windows that count alike and do not."""
    pairs = way == 1 and packs(bits, bits, load_board(BOARDS[family]).dsp_ports)
    chain = Chain(bits, 4, (14, 14))
    first = _kernel(chain.grid, 3, pad=1)
    plain = {"in_vec": 1, "out_vec": 1} if way == 0 else {"in_vec": 2, "out_vec": 2}
    lanes = {} if way == 0 else {**plain, "tap_columns": 3, "rows": 4, "columns": 6, "packed": int(pairs)}
    weight = Dense(tap_major(chain.numbers(8, 4, 3, 3).reshape(8, -1), 4))
    chain.add("conv", 8, first.out, lanes, weight=weight, bias=chain.numbers(8), geometry=first, activation="relu")
    pool = _kernel(chain.grid, 2, stride=2)
    lanes = plain if way == 0 else {**plain, "tap_rows": 2, "tap_columns": 2}
    chain.add("pool", 8, pool.out, lanes, PoolLayer, geometry=pool)
    each = _kernel(chain.grid, 3, pad=1)
    weight = Dense(tap_major(chain.numbers(8, 1, 3, 3).reshape(8, -1), 1))
    lanes = plain if way == 0 else {**plain, "tap_rows": 3, "fabric": int(bits == BITS[0])}
    chain.add("depthwise", 8, each.out, lanes, weight=weight, bias=chain.numbers(8), geometry=each)
    mean = _kernel(chain.grid, 3)
    lanes = plain if way == 0 else {**plain, "tap_rows": 3, "tap_columns": 3}
    bounds = ((0, chain.grid[0]), (0, chain.grid[1]))
    chain.add("pool", 8, mean.out, lanes, PoolLayer, geometry=mean, mean=True, bounds=bounds)
    edge = _kernel(chain.grid, 3, stride=2, pad=1)
    lanes = plain if way == 0 else {**plain, "tap_columns": 3}
    bounds = ((0, chain.grid[0]), (0, chain.grid[1]))  # what is padded does not count
    chain.add("pool", 8, edge.out, lanes, PoolLayer, geometry=edge, mean=True, bounds=bounds)
    return chain.design(family)


def _orders(family: str, bits: int, way: int) -> Design:
    """Kinds that move numbers: repeated, padded, laid out, reversed, reordered; then one value of all positions."""
    vec = (1, 4)[way]
    lanes, chain = {"in_vec": vec, "out_vec": vec}, Chain(bits, 16, (6, 6))
    factors = ((2, 2), (2, 1))[way]
    grid = tuple(n * f for n, f in zip(chain.grid, factors, strict=True))
    chain.add("upsample", 16, grid, lanes, UpsampleLayer, rows_columns=(6, 6), factors=factors)
    margins = Margins((grid[0], grid[1]), (1, 1), (1, -1 if way else 1))
    chain.add("pad", 16, margins.out, lanes, PadLayer, margins=margins, value=0.25)
    grid = tuple(2 * n for n in chain.grid)
    rows, columns = margins.out
    chain.add("depth_to_space", 4, grid, lanes, DepthToSpaceLayer, rows_columns=(rows, columns), side=2)
    chain.add("reverse", 4, grid, lanes)
    mode = ("mean", "max")[way]
    positions = grid[0] * grid[1]
    chain.add("reorder", positions, (4,), lanes, ReorderLayer)
    chain.add("global_pool", positions, (1,), lanes, GlobalPoolLayer, mode=mode)
    return chain.design(family)


def _circulant(family: str, bits: int, way: int) -> Design:
    """A kernel of circulant blocks: the line buffer holds spectra."""
    block, chain = BLOCKS[way], Chain(bits, 8 * (1 + way), (10, 10))
    geometry, m = _kernel(chain.grid, 3, pad=1), 8
    weight = BlockCirculantConv.from_dense(chain.numbers(m, chain.channels, 3, 3), block=block)
    lanes = {} if way == 0 else {"in_vec": 4, "out_vec": 4, "mac_bins": 2, "mac_columns": 2}
    chain.add(
        "circulant_conv", m, geometry.out, lanes, weight=weight, bias=chain.numbers(m), geometry=geometry,
        activation="relu",
    )  # fmt: skip
    return chain.design(family)
