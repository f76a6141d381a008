# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine on convolutions and on layers of a value or two an output, against each kind's own `run`."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from layers.activations import EXAMPLES
from test_integers_compiled import make_graph, make_layer, needs_compiler, random_inputs

from swm.accelerator.compiled_beats import compiled_beats
from swm.accelerator.compiled_layers import compiled, compiled_groups, proven
from swm.accelerator.integers import run_integers, run_layer, sample_parts
from swm.accelerator.integers_compiled import run_integers_fast
from swm.layers.add import AddSpec
from swm.layers.circulant_conv import CirculantConvSpec
from swm.layers.concat import ConcatSpec
from swm.layers.conv import ConvSpec
from swm.layers.depthwise import DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.global_pool import GlobalPoolSpec
from swm.layers.hadamard import HadamardSpec
from swm.layers.layernorm import LayerNormSpec
from swm.layers.pool import PoolSpec
from swm.layers.prelu import PReluSpec
from swm.layers.roots import roots
from swm.layers.values import FixedLayer, Format, TensorShape

pytestmark = needs_compiler
GEOMETRIES = [
    Geometry.of((7, 6), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    Geometry.of((8, 5), (3, 2), (2, 1), (1, 2), (0, 1, 2, 0)),
    Geometry.of((11,), (4,), (3,), (2,), (2, 3)),
]


def convolution(rng, kind, n, m, geometry, bits, activation, block=4, shifts=0, name="c", groups=1):
    """A layer of random weights."""
    positions, out = prod(geometry.grid), prod(geometry.out)
    ends = ((TensorShape(n, bits, positions),), TensorShape(m, bits, out), activation)
    more = {"geometry": geometry, "weight_bits": bits, "parameters": EXAMPLES[activation]}
    more |= {"groups": groups} if kind != "depthwise" else {}
    if kind == "circulant_conv":
        spec = CirculantConvSpec(name, *ends, block=block, fft_shifts=shifts, **more)
        shape, bias_bits = (spec.summed.p * groups, spec.summed.q, block // 2, 2), spec.summed.bias_bits
    else:
        spec = (ConvSpec if kind == "conv" else DepthwiseSpec)(name, *ends, **more)
        shape, bias_bits = (m, spec.patch if kind == "conv" else geometry.taps), spec.bias_bits
    high = 1 << (bits - 1)
    arrays = {
        "weights": rng.integers(-high, high, size=shape),
        "bias": rng.integers(-1 << (bias_bits - 2), 1 << (bias_bits - 2), size=m),
    }
    formats = Format(bits, bits - 1), Format(bits, bits - 2)
    acc_shift = bits - 1 if kind == "circulant_conv" else 0
    return FixedLayer(spec, name, ("x",), f"{name}_y", formats[:1], formats[1], arrays, bits - 2, acc_shift)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(
    ("kind", "n", "m", "block", "shifts", "groups"),
    [
        ("conv", 3, 11, 1, 0, 1),
        ("conv", 6, 9, 1, 0, 3),
        ("depthwise", 5, 5, 1, 0, 1),
        ("circulant_conv", 7, 9, 2, 0, 1),
        ("circulant_conv", 6, 13, 8, 1, 1),
        ("circulant_conv", 40, 33, 32, 0, 1),
        ("circulant_conv", 32, 16, 8, 0, 2),
    ],
)
def test_convolutions(geometry, kind, n, m, block, shifts, groups):
    rng, lost = np.random.default_rng(0), 0
    for bits, activation in ((4, "relu"), (12, "tanh"), (18, "identity")):
        layer = convolution(rng, kind, n, m, geometry, bits, activation, block, shifts, groups=groups)
        made = compiled(layer) or compiled_groups(layer)
        assert proven(layer, bits)
        for frames in (1, 3):
            x = rng.integers(-1 << (bits - 1), 1 << (bits - 1), size=(frames * prod(geometry.grid), n))
            words, counts = run_layer(layer, (x,))
            fast, fast_counts = made.convolve(x)
            np.testing.assert_array_equal(fast, words)
            assert fast_counts == counts
            lost += sum(counts.values())
    assert lost, "nothing saturated"


def test_a_network_of_both_in_parts():
    """Two convolutions and a dense layer over all positions, more samples than one part holds, two threads."""
    rng = np.random.default_rng(1)
    first = convolution(rng, "conv", 2, 8, Geometry.of((16, 16), (5, 5), (1, 1), (1, 1), (2, 2, 2, 2)), 8, "relu")
    second = convolution(
        rng, "circulant_conv", 8, 12, Geometry.of((16, 16), (3, 3), (4, 4), (1, 1), (0,) * 4), 8, "relu"
    )
    last = make_layer(rng, "dense", 5, 4 * 4 * 12, 1, 8, "identity", name="last")
    graph = make_graph(first, replace(second, spec=replace(second.spec, name="d")), last)
    x = random_inputs(rng, graph, 70)
    assert len(sample_parts(graph, 70)) > 1
    words, counts = run_integers(graph, x)
    fast, fast_counts = run_integers_fast(graph, x, threads=2)
    np.testing.assert_array_equal(fast, words)
    assert fast_counts == counts


def beats(rng, kind, bits, activation):
    """A layer of a kind that takes a value or two an output, and its inputs."""
    n, rows, high = 37, 23, 1 << (bits - 1)
    shape, out = TensorShape(n, bits), Format(bits, bits - 3)
    fine, coarse = Format(bits, bits - 1), Format(bits, bits - 4)
    values = tuple(rng.integers(-high, high, size=(rows, n)) for _ in range(2))
    more = {"parameters": EXAMPLES[activation]}
    weights = rng.integers(-high, high, size=n)
    if kind == "add":
        layer = FixedLayer(
            AddSpec("l", (shape, shape), shape, activation, **more), "l", ("a", "b"), "y", (fine, coarse), out
        )
    elif kind in ("hadamard", "gate"):
        tokens, of_b = TensorShape(n, bits, rows), TensorShape(n, bits, 1 if kind == "gate" else rows)
        spec = HadamardSpec("l", (tokens, of_b), tokens, activation, **more)
        shift = fine.frac - fine.frac - coarse.frac
        layer = FixedLayer(spec, "l", ("a", "b"), "y", (fine, coarse), out, acc_shift=shift)
        values = (np.concatenate(values), values[1][:2] if kind == "gate" else np.concatenate(values[::-1]))
    elif kind == "concat":
        spec = ConcatSpec("l", (shape, shape), TensorShape(2 * n, bits))
        layer = FixedLayer(spec, "l", ("a", "b"), "y", (fine, coarse), out)
    elif kind == "prelu":
        spec = PReluSpec("l", (shape,), shape, weight_bits=bits)
        layer = FixedLayer(spec, "l", ("a",), "y", (fine,), out, {"weights": weights}, bits - 2)
    else:
        spec = LayerNormSpec("l", (shape,), shape, activation, weight_bits=bits, **more)
        frac = bits + 2
        table = roots(min(frac + 2, 18))
        arrays = {
            "weights": weights,
            "bias": rng.integers(-1 << 20, 1 << 20, size=n),
            "epsilon": np.array([int(rng.integers(1, 5000))]),
            "roots": np.stack([table.starts, table.rises], 1),
        }
        layer = FixedLayer(spec, "l", ("a",), "y", (fine,), out, arrays, bits - 2, fine.frac - frac)
    return layer, values[: len(layer.inputs)]


@pytest.mark.parametrize("bits", [4, 12, 18])
@pytest.mark.parametrize("kind", ["add", "hadamard", "gate", "concat", "prelu", "layernorm"])
def test_layers_of_a_value_or_two_an_output(kind, bits):
    rng = np.random.default_rng(bits)
    activations = ("identity",) if kind in ("concat", "prelu") else EXAMPLES
    for activation in activations:
        layer, values = beats(rng, kind, bits, activation)
        words, counts = run_layer(layer, values)
        fast, fast_counts = compiled_beats(layer).run(values)
        np.testing.assert_array_equal(fast, words, err_msg=f"{kind} {activation}")
        assert fast_counts == counts
    if kind == "layernorm":  # a constant token: only epsilon is left
        constant = np.full_like(values[0], 3)
        np.testing.assert_array_equal(compiled_beats(layer).run((constant,))[0], run_layer(layer, (constant,))[0])


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("mean", [False, True])
def test_pooling(geometry, mean):
    rng, n, bits = np.random.default_rng(3), 5, 8
    positions, form = prod(geometry.grid), Format(bits, bits - 1)
    ends = (TensorShape(n, bits, positions),), TensorShape(n, bits, prod(geometry.out))
    bounds = tuple((0, size) for size in geometry.grid)
    local = PoolSpec("l", *ends, geometry=geometry, mean=mean, bounds=bounds)
    whole = GlobalPoolSpec("l", ends[0], TensorShape(n, bits), mode="mean" if mean else "max")
    x = rng.integers(-128, 128, size=(3 * positions, n))
    for spec in (local, whole):
        frac = spec.reciprocals.frac if mean else 0
        layer = FixedLayer(spec, "l", ("x",), "y", (form,), Format(bits, bits - 1), weight_frac=frac)
        words, counts = run_layer(layer, (x,))
        fast, fast_counts = compiled_beats(layer).run((x,))
        np.testing.assert_array_equal(fast, words)
        assert fast_counts == counts


def test_a_join_of_paths_runs_compiled():
    rng = np.random.default_rng(2)
    first = make_layer(rng, "dense", 37, 20, 1, 12, "relu", name="a")
    joined, _ = beats(rng, "add", 12, "relu")
    graph = make_graph(first, joined)
    graph = replace(graph, layers=(graph.layers[0], replace(graph.layers[1], inputs=("a_y", "a_y"))))
    x = random_inputs(rng, graph, 300)
    words, counts = run_integers(graph, x)
    fast, fast_counts = run_integers_fast(graph, x, threads=2)
    np.testing.assert_array_equal(fast, words)
    assert fast_counts == counts
