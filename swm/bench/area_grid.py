# SPDX-License-Identifier: Apache-2.0
"""The layers that `swm bench area` maps: products, layers that take a beat an iteration; and all the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from swm.accelerator.design import Design
from swm.bench.area_attention import attention_cases
from swm.bench.area_designs import BITS, BOARDS, CYCLONE, HELD_OUT, SEEN, Case, bound, graph_of, placed
from swm.bench.area_images import image_cases, plain_cases
from swm.bench.area_steps import step_cases
from swm.device import load_board
from swm.device.primitives import packs
from swm.layers.add import AddSpec
from swm.layers.beats import BeatKind
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.spec import forward_shifts
from swm.layers.concat import ConcatSpec
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.functions import Activation
from swm.layers.layernorm import LayerNormSpec
from swm.layers.prelu import PReluSpec
from swm.layers.registry import kind
from swm.layers.roots import roots
from swm.layers.scale import ScaleSpec
from swm.layers.values import FixedLayer, Format, Implementation, LayerSpec, TensorShape

__all__ = ["BLOCKS", "cases", "odd_cases"]

CHANNELS = 32
"""Of a layer that takes a beat an iteration."""
SIZE = 96
"""Channels of a layer of products."""
DENSE = ((1, 1), (4, 4), (4, 4), (2, 12))
"""How layers of products are built, of every block size: as small as can be, and with several lanes of all sorts."""
IN_LUTS = 2
"""Rows of the third of them that multiply in LUTs."""
BLOCKS: dict[int, tuple[tuple[int, int, int], ...]] = {
    2: ((1, 1, 1), (4, 2, 1), (2, 3, 1)),
    4: ((1, 1, 1), (3, 2, 2), (2, 5, 2)),
    8: ((1, 1, 2), (3, 2, 4), (1, 9, 4)),
    16: ((1, 1, 2), (2, 1, 8)),
}
"""By block size: rows, columns and words side by side."""
ODD = {1: 3, 2: 2, 4: 2, 8: 2}
"""By block size the way with columns that are no power of two, whose sums have summands that wait."""
CURVES: dict[int, tuple[Activation, ...]] = {1: ("relu", "sigmoid", "leaky_relu"), 4: ("clip", "tanh", "hard_sigmoid")}
"""Activations by words a beat."""
WIDTHS = (1, 4, 2, 8)
"""Words a beat of neighbours, which width converters join."""
_EXAMPLES: dict[str, tuple[float, ...]] = {"leaky_relu": (0.01,), "hard_sigmoid": (0.2, 0.5), "clip": (0.0, 0.5)}


def cases(quick: bool, fitted: str = "xc7") -> Iterator[Case]:
    """All of a family, and of UltraScale+ some beside 7-series parts; quick: dense and block 8, built small."""
    _, widths, _ = SEEN[fitted][0]
    for way in (0,) if quick else (0, 1):
        for block in (1, 8) if quick else (1, *BLOCKS):
            yield from (_product(fitted, block, bits, way) for bits in widths)
    if quick:
        return
    yield from (_product(fitted, 1, bits, 2) for bits in widths)
    for vec, curves in CURVES.items():
        for bits in widths:
            yield Case(f"beats of {vec}, {bits} bits", fitted, bits, 0, bound(_beats, fitted, bits, vec, curves))
    yield from (Case(f"widths, {bits} bits", fitted, bits, 0, bound(_widths, fitted, bits)) for bits in widths)
    if fitted == CYCLONE:  # where yosys takes minutes for a layer
        yield from plain_cases(fitted)
        return
    if fitted == "xc7":
        yield from (_product("xcup", block, HELD_OUT, 1) for block in (1, *BLOCKS))
        yield from odd_cases()
    yield from image_cases(fitted)
    yield from step_cases(fitted)
    if fitted == "xc7":  # not mapped for others yet
        yield from attention_cases()


def odd_cases() -> Iterator[Case]:
    """Columns that are no power of two, on 7-series and UltraScale+ parts: not mapped for others yet."""
    for block, way in ODD.items():
        yield from (_product("xc7", block, bits, way) for bits in BITS)
        yield _product("xcup", block, HELD_OUT, way)


def _product(family: str, block: int, bits: int, way: int) -> Case:
    lanes = DENSE[way] if block == 1 else BLOCKS[block][way]
    luts = f", {IN_LUTS} rows in LUTs" if block == 1 and way == 2 else ""
    name = f"{'dense' if block == 1 else f'block {block}'}, {' x '.join(map(str, lanes))}{luts}, {bits} bits"
    return Case(name, family, bits, block, bound(_matrix, family, block, bits, way))


def _matrix(family: str, block: int, bits: int, way: int) -> Design:
    """One layer of products."""
    shape, board = TensorShape(SIZE, bits), load_board(BOARDS[family])
    activation: Activation = "identity" if way else "relu"
    built: Implementation
    if block == 1:
        dense = DenseSpec("l", (shape,), shape, activation, bits)
        pairs = way == 1 and packs(bits, bits, board.dsp_ports)
        rows, columns = DENSE[way]
        built = DenseBuilt(dense, rows=rows, columns=columns, packed=int(pairs), fabric_rows=IN_LUTS * (way == 2))
    else:
        spec = CirculantSpec("l", (shape,), shape, activation, block, bits, forward_shifts(bits, block))
        rows, columns, words = BLOCKS[block][way]
        vec = min(block, 4) if way == 1 else 1
        in_luts = way == 0 and block >= 8  # larger ROMs would be most of a row
        lanes = {"mac_rows": rows, "mac_columns": columns, "mac_bins": words, "in_vec": vec, "out_vec": vec}
        built = CirculantBuilt(spec, storage="lutram" if in_luts else "bram", **lanes)
    assert built.valid
    return placed(graph_of(bits, _layer(built.spec, ("x",), "y")), (built,), 1, board)


def _beats(family: str, bits: int, vec: int, curves: tuple[Activation, ...]) -> Design:
    """Activations, slopes, a normalisation, and joins of what a fork gave two readers."""
    shape = TensorShape(CHANNELS, bits)
    ends = (shape,), shape
    specs: list[tuple[LayerSpec, tuple[str, ...]]] = []
    here = "x"
    for curve in curves:
        specs.append((ScaleSpec("", *ends, curve, bits, parameters=_EXAMPLES.get(curve, ())), (here,)))
        here = f"t{len(specs) - 1}"
    forked = here
    for spec in (PReluSpec("", *ends, weight_bits=bits), LayerNormSpec("", *ends, weight_bits=bits)):
        specs.append((spec, (here,)))
        here = f"t{len(specs) - 1}"
    specs.append((AddSpec("", (shape, shape), shape, "relu"), (here, forked)))
    specs.append((ConcatSpec("", (shape, shape), TensorShape(2 * CHANNELS, bits)), (f"t{len(specs) - 1}", here)))
    layers = [_layer(replace(spec, name=f"l{i}"), tensors, f"t{i}") for i, (spec, tensors) in enumerate(specs)]
    graph = graph_of(bits, *layers)
    return placed(graph, tuple(_build(spec, vec) for spec in graph.specs), vec, load_board(BOARDS[family]))


def _widths(family: str, bits: int) -> Design:
    """Layers of nothing but a gain, which neighbours of other beats follow."""
    shape, layers = TensorShape(CHANNELS, bits), []
    for i in range(len(WIDTHS)):
        spec = ScaleSpec(f"l{i}", (shape,), shape, weight_bits=bits)
        layers.append(_layer(spec, ("x" if i == 0 else f"t{i - 1}",), f"t{i}"))
    graph = graph_of(bits, *layers)
    return placed(graph, tuple(map(_build, graph.specs, WIDTHS)), 1, load_board(BOARDS[family]))


def _build(spec: LayerSpec, vec: int) -> Implementation:
    made = kind(spec.kind)
    assert isinstance(made, BeatKind)
    return made.build(spec, vec)


def _layer(spec: LayerSpec, inputs: tuple[str, ...], output: str) -> FixedLayer:
    """Random integer parameters, at binary points that calibration might give."""
    bits, rng = spec.data_bits, np.random.default_rng(0)
    form, out, shift = Format(bits, bits - 1), Format(bits, bits - 3), 0
    shape: tuple[int, ...] = (spec.n,)
    more: dict[str, Any] = {}
    match spec:
        case CirculantSpec():
            shape, shift = (spec.p, spec.q, spec.words, 2), bits - 3
        case DenseSpec():
            shape = (spec.m, spec.n)
        case LayerNormSpec():
            table = roots(min(bits + 2, 18))
            more = {"epsilon": np.array([100]), "roots": np.stack([table.starts, table.rises], 1)}
            shift = -1
        case AddSpec() | ConcatSpec():
            return FixedLayer(spec, spec.name, inputs, output, (form,) * len(inputs), out)
    high = 1 << (bits - 2)
    arrays = {"weights": rng.integers(-high, high, shape), "bias": rng.integers(-high, high, spec.m), **more}
    return FixedLayer(spec, spec.name, inputs, output, (form,), out, arrays, bits - 1, shift)
