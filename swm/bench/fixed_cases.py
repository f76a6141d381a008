# SPDX-License-Identifier: Apache-2.0
"""Networks of the benchmark of integer engines: the bundled one's shape, and a layer of each kind; random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from swm.accelerator.fixed_graph import FixedGraph
from swm.layers.add import AddSpec
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant.spec import forward_shifts
from swm.layers.circulant_conv import CirculantConvSpec
from swm.layers.concat import ConcatSpec
from swm.layers.conv import ConvSpec
from swm.layers.dense import DenseSpec
from swm.layers.depthwise import DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.layernorm import LayerNormSpec
from swm.layers.pool import PoolSpec
from swm.layers.prelu import PReluSpec
from swm.layers.roots import roots
from swm.layers.scale import ScaleSpec
from swm.layers.values import FixedLayer, Format, LayerSpec, TensorShape

__all__ = ["BITS", "SIZES", "Case", "cases", "network"]

BITS, BLOCK = 12, 8
SIZES = (784, 512, 512, 10)
_IN, _OUT = Format(BITS, BITS - 1), Format(BITS, BITS - 3)
_WHOLE = Geometry.of((14, 14), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1))
_LENET = Geometry.of((14, 14), (5, 5), (1, 1), (1, 1), (0, 0, 0, 0))


@dataclass(frozen=True)
class Case:
    """A network and what of it is counted.

    Attributes:
        name: as a row shows it.
        graph: the network.
        block: block size; 1 where there is none.
        counted: dense-equivalent multiply-accumulates a sample; where a layer has none, the values it writes.
        flops: real operations of the products, transforms aside; 0 where there are none.
        samples: of a run of the compiled engine.
    """

    name: str
    graph: FixedGraph
    block: int
    counted: int
    flops: int
    samples: int


def network() -> FixedGraph:
    """Random weights in the shapes of the bundled network: two circulant layers with ReLU and a dense one."""
    rng = np.random.default_rng(0)
    layers = []
    for index, (n, m) in enumerate(pairwise(SIZES)):
        last = index == len(SIZES) - 2
        spec = _dense(n, m) if last else _circulant(n, m, BLOCK, "relu")
        tensors = "x" if index == 0 else f"t{index - 1}", "y" if last else f"t{index}"
        layer = _layer(rng, replace(spec, name=f"l{index}"))
        layers.append(replace(layer, inputs=tensors[:1], output=tensors[1]))
    return _graph(*layers)


def cases() -> tuple[Case, ...]:
    """The bundled network's shape first, then each kind alone."""
    assert _WHOLE is not None
    assert _LENET is not None
    whole, lenet = _WHOLE, _LENET
    joined = TensorShape(256, BITS, 16)
    small = _shapes(6, lenet), _out(16, lenet)
    wide = _shapes(32, whole), _out(32, whole)
    specs: dict[str, LayerSpec] = {
        "dense 512 x 512": _dense(512, 512),
        "circulant 512 x 512, block 8": _circulant(512, 512, 8),
        "circulant 512 x 512, block 64": _circulant(512, 512, 64),
        "conv 5 x 5, 6 to 16 on 14 x 14": ConvSpec("l", *small, "relu", geometry=lenet, weight_bits=BITS),
        "conv 3 x 3, 32 to 32 on 14 x 14": ConvSpec("l", *wide, geometry=whole, weight_bits=BITS),
        "circulant conv 3 x 3, 32 to 32 on 14 x 14, block 8": CirculantConvSpec(
            "l", *wide, geometry=whole, block=8, weight_bits=BITS
        ),
        "depthwise 3 x 3, 32 on 14 x 14": DepthwiseSpec("l", *wide, geometry=whole, weight_bits=BITS),
        "max pooling 3 x 3, 32 on 14 x 14": PoolSpec("l", *wide, geometry=whole),
        "scale with tanh, 16 x 256": ScaleSpec("l", (joined,), joined, "tanh", weight_bits=BITS),
        "PReLU, 16 x 256": PReluSpec("l", (joined,), joined, weight_bits=BITS),
        "layer normalisation, 16 x 256": LayerNormSpec("l", (joined,), joined, weight_bits=BITS),
        "add, 16 x 256": AddSpec("l", (joined, joined), joined, "relu"),
        "concat, 16 x (256 + 256)": ConcatSpec("l", (joined, joined), TensorShape(512, BITS, 16)),
    }
    rng = np.random.default_rng(0)
    graph = network()
    macs, flops = sum(n * m for n, m in pairwise(SIZES)), sum(map(_flops, graph.specs))
    found = [Case("mlp 784-512-512-10, 12 bits", graph, BLOCK, macs, flops, 16384)]
    for name, spec in specs.items():
        made = _graph(_layer(rng, spec))
        values = spec.output.channels * spec.output.positions
        samples = max(64, min(8192, (1 << 20) // values))  # some megabytes: what memory costs is no engine's merit
        found.append(Case(name, made, getattr(spec, "block", 1), spec.dense_macs or values, _flops(spec), samples))
    return tuple(found)


def _dense(n: int, m: int) -> DenseSpec:
    return DenseSpec("l", (TensorShape(n, BITS),), TensorShape(m, BITS), weight_bits=BITS)


def _circulant(n: int, m: int, block: int, activation: Any = "identity") -> CirculantSpec:
    ends = (TensorShape(n, BITS),), TensorShape(m, BITS)
    return CirculantSpec("l", *ends, activation, block=block, weight_bits=BITS, fft_shifts=forward_shifts(BITS, block))


def _shapes(channels: int, geometry: Geometry) -> tuple[TensorShape]:
    return (TensorShape(channels, BITS, geometry.grid[0] * geometry.grid[1]),)


def _out(channels: int, geometry: Geometry) -> TensorShape:
    return TensorShape(channels, BITS, geometry.out[0] * geometry.out[1])


def _layer(rng: np.random.Generator, spec: LayerSpec) -> FixedLayer:
    """Random integer parameters; several inputs read one tensor."""
    inputs, shift, frac = ("x",) * len(spec.inputs), 0, BITS - 1
    shape: tuple[int, ...] = (spec.n,)
    more: dict[str, Any] = {}
    match spec:
        case CirculantSpec() | CirculantConvSpec():
            summed = spec.summed if isinstance(spec, CirculantConvSpec) else spec
            shape, shift = (summed.p, summed.q, summed.words, 2), 9
        case DenseSpec():
            shape = (spec.m, spec.n)
        case ConvSpec():
            shape = (spec.m, spec.patch)
        case DepthwiseSpec():
            shape = (spec.m, spec.geometry.taps)
        case LayerNormSpec():
            table = roots(BITS + 4)
            more = {"epsilon": np.array([100]), "roots": np.stack([table.starts, table.rises], 1)}
            shift = _IN.frac - BITS - 2
        case AddSpec() | ConcatSpec() | PoolSpec():
            return FixedLayer(spec, spec.name, inputs, "y", (_IN,) * len(inputs), _OUT)
    weights, bias = rng.integers(-1 << 9, 1 << 9, size=shape), rng.integers(-1 << 10, 1 << 10, size=spec.m)
    arrays = {"weights": weights, "bias": bias, **more}
    return FixedLayer(spec, spec.name, inputs, "y", (_IN,), _OUT, arrays, frac, shift)


def _graph(*layers: FixedLayer) -> FixedGraph:
    return FixedGraph("bench", layers, None, None, BITS, "x", "y", "y", {})


def _flops(spec: LayerSpec) -> int:
    """Of the products alone: transforms at k = 8 have hardly a multiplication."""
    match spec:
        case CirculantConvSpec():
            return 8 * spec.summed.words * spec.summed.p * spec.summed.q * spec.output.positions
        case CirculantSpec():
            return 8 * spec.words * spec.p * spec.q * spec.positions
        case _:
            return 2 * spec.dense_macs
