# SPDX-License-Identifier: Apache-2.0
"""Convolutions of random geometry, integers and parallelism, each a network of its own."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from layers.activations import EXAMPLES
from random_networks import ACTIVATIONS, FRAMES, MOST_LANES, WIDEST, integers, power

from swm.accelerator.design import Design, Schedule
from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.placement import place
from swm.accelerator.simulation import simulated
from swm.device.board import load_board
from swm.device.primitives import packs
from swm.layers.beside import Beside, beside
from swm.layers.circulant.spec import forward_shifts
from swm.layers.circulant_conv import CirculantConvBuilt, CirculantConvSpec
from swm.layers.conv import ConvBuilt, ConvSpec
from swm.layers.depthwise import DepthwiseBuilt, DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.registry import kind
from swm.layers.values import FixedLayer, Format, Ints, TensorShape

BLOCKS = (2, 4, 8, 16, 32)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A network and the integers of its frames."""

    graph: FixedGraph
    frames: Ints


def random_geometry(rng):
    """A kernel on a grid of one or two axes; none larger than its padded grid."""
    rank = 1 + int(rng.random() < 0.75)
    while True:
        grid, kernel, strides, dilations, pads = (
            tuple(int(v) for v in rng.integers(low, high, count))
            for low, high, count in ((1, 8, rank), (1, 4, rank), (1, 4, rank), (1, 3, rank), (0, 3, 2 * rank))
        )
        found = Geometry.of(grid, kernel, strides, dilations, pads)
        if found is not None:
            return found


def draw(seed, *, spec_type, block=0, bits=None, groups=1, geometry=None):
    """A layer of one kind, of many values, few saturated. Channels are whole blocks where a geometry is given."""
    rng = np.random.default_rng(seed)
    whole, geometry, activation = geometry, geometry or random_geometry(rng), ACTIVATIONS[seed % len(ACTIVATIONS)]
    in_bits, weight_bits, out_bits = (int(rng.integers(4, 19)) for _ in range(3)) if bits is None else (bits,) * 3
    n, m = (int(rng.integers(1, max(9, 2 * block))) for _ in range(2))
    m = n if spec_type is DepthwiseSpec else m
    if groups > 1 or whole:
        n, m = ((1 + v % 3) * max(block, 2) * groups for v in (n, m))
    form = Format(in_bits, in_bits - 3)
    shapes = (TensorShape(n, in_bits, prod(geometry.grid)),), TensorShape(m, out_bits, prod(geometry.out))
    more = {"parameters": EXAMPLES[activation], "geometry": geometry, "weight_bits": weight_bits}
    more |= {"groups": groups} if groups > 1 else {}
    acc_shift = 0
    if spec_type is CirculantConvSpec:
        shifts = forward_shifts(in_bits, block)
        spec = CirculantConvSpec("l0", *shapes, activation, block=block, fft_shifts=shifts, **more)
        summed = spec.summed
        weights = integers(rng, weight_bits, (summed.p * groups, summed.q, block // 2, 2))
        acc_shift = max(0, summed.accumulator_bits - summed.rounded_bits - int(rng.integers(0, 6)))
        bias_bits, value_bits = summed.bias_bits, summed.value_bits
    else:
        spec = spec_type("l0", *shapes, activation, **more)
        weights = integers(rng, weight_bits, (m, spec.geometry.taps if spec_type is DepthwiseSpec else spec.patch))
        bias_bits, value_bits = spec.bias_bits, spec.accumulator_bits + 1
    arrays = {"weights": weights, "bias": integers(rng, bias_bits, m) >> int(rng.integers(0, 5))}
    frames = integers(rng, in_bits, (FRAMES, n * prod(geometry.grid)))
    frames[0], frames[1] = -(1 << (in_bits - 1)), (1 << (in_bits - 1)) - 1
    found = []
    for shift in range(-2, value_bits, 3):
        out = Format(out_bits, min(out_bits - 2, 10))
        frac = out.frac + shift - form.frac + acc_shift
        layer = FixedLayer(spec, "l0", ("x",), "t", (form,), out, arrays, frac, acc_shift)
        words, counts = kind(spec.kind).run(layer, (frames.reshape(-1, n),))
        found.append((counts["output"] / words.size < 0.25, min(len(np.unique(words)), 12), shift, layer))
    layer = max(found, key=lambda f: f[:3])[3]
    return Drawn(FixedGraph("random", (layer,), None, None, in_bits, "x", "y", "t", {}), frames)


def random_built(rng, spec, ports):
    """One of the legal ways to build a layer, with few multipliers; None where the draw is none."""
    v, storage = power(rng, 8), str(rng.choice(["bram", "lutram"]))
    side = spec.geometry.side_by_side()
    taps = side[int(rng.integers(len(side)))]
    if isinstance(spec, DepthwiseSpec):
        return DepthwiseBuilt(spec, v, v, *taps, int(rng.random() < 0.3), storage)
    if isinstance(spec, ConvSpec):
        packed = int(packs(spec.weight_bits, spec.data_bits, ports) and rng.random() < 0.6)
        rows, beat = int(rng.integers(1, spec.m + 3)), v * taps[0] * taps[1]
        fabric = int(rng.integers(rows + 1)) if rng.random() < 0.3 else 0
        columns = beat * power(rng, 4)
        built = ConvBuilt(spec, v, power(rng, 8), *taps, rows, columns, fabric, packed, storage)
        if spec.groups > 1 and spec.n // spec.groups % v:
            return None
        right = built.product.valid and not (packed and fabric % 2) and rows * columns <= 2 * MOST_LANES
        return built if right else None
    if spec.groups == 1 and spec.n % spec.block == spec.m % spec.block == 0:
        several = Beside.choices(spec.geometry, spec.n, spec.m, max(spec.data_bits, spec.out_bits))
        spec = beside(spec, int(rng.choice(several))) if several else spec
        side = spec.over_tokens.geometry.side_by_side()
        taps = side[int(rng.integers(len(side)))]
    read, summed = spec.over_tokens.read, spec.over_tokens.summed
    packed = int(packs(spec.weight_bits, read.spectrum_bits, ports) and rng.random() < 0.6)
    v, out = (power(rng, min(16, 4 * spec.block) if read.unrolled else 16) for _ in range(2))
    lanes = CirculantConvBuilt(spec, v, out, *taps).product.mac_lanes
    rows, columns = int(rng.integers(1, 2 * summed.p + 1)), int(rng.integers(1, 2 * summed.q // lanes + 2)) * lanes
    built = CirculantConvBuilt(
        spec,
        v,
        out,
        *taps,
        rows,
        columns,
        power(rng, read.words),
        4 if packed or spec.weight_bits == 18 else 3,
        int(rng.integers(rows + 1)) if rng.random() < 0.3 else 0,
        packed,
        storage,
    )
    if spec.groups > 1 and read.q // spec.groups % built.front.fft_lanes:
        return None
    wide = max(s.width for s in (*built.front.streams(), *built.product.streams()))
    odd = packed and (rows % 2 or built.fabric_rows % 2)
    return built if built.product.valid and built.product.lanes <= MOST_LANES and wide <= WIDEST and not odd else None


def random_design(rng, graph, backend):
    """A design of a random legal implementation."""
    board = load_board(str(rng.choice(["pynq-z2", "zcu104"])))
    (spec,) = graph.specs
    draws = iter(lambda: random_built(rng, spec, board.dsp_ports), 0)
    built = next(one for one in draws if one is not None)
    placed = simulated(place(graph.shape, [built], (power(rng, 4), power(rng, 4)), board.dsp_ports), 100.0)
    layers, edges = placed.placement.layers, placed.placement.edges
    return Design(graph, Schedule(board, 100.0, backend, layers, edges, placed.interval, placed.latency))


def drawings():
    """Plain, depthwise and block-circulant ones, every block size, some in groups; narrow ones, which pack, last."""
    found = [draw(seed, spec_type=ConvSpec, groups=1 + max(0, seed - 4)) for seed in range(7)]
    found += [draw(20 + seed, spec_type=DepthwiseSpec) for seed in range(4)]
    found += [draw(40 + i, spec_type=CirculantConvSpec, block=block) for i, block in enumerate(BLOCKS)]
    grouped = ((4, 2), (8, 3), (16, 2), (32, 2))
    found += [draw(45 + i, spec_type=CirculantConvSpec, block=b, groups=g) for i, (b, g) in enumerate(grouped)]
    several = (
        ((3, 6), (2, 3), (1, 1), (1, 1), (1, 1, 0, 1)),
        ((4, 8), (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
        ((2, 6), (1, 2), (1, 1), (1, 3), (0, 2, 0, 1)),
    )
    found += [
        draw(54 + i, spec_type=CirculantConvSpec, block=b, geometry=Geometry.of(*g), bits=6 + 5 * i)
        for i, (b, g) in enumerate(zip((4, 8, 32), several, strict=True))
    ]
    found += [draw(60, spec_type=ConvSpec, bits=4), draw(61, spec_type=CirculantConvSpec, block=4, bits=4)]
    return found
