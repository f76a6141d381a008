# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine against run_integers, word for word and count for count."""

import logging
import platform
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layers.activations import EXAMPLES
from networks import branches, quantized, residual, smooth, tokens

from swm.accelerator.fixed_graph import FixedGraph
from swm.accelerator.integers import flatten_inputs, run_fixed, run_integers
from swm.accelerator.integers_compiled import proven_layers, run_integers_fast
from swm.engine.kernels import CompiledEngine
from swm.kernels import build
from swm.layers.circulant import CirculantSpec
from swm.layers.dense import DenseSpec
from swm.layers.scale import ScaleSpec
from swm.layers.values import FixedLayer, Format, TensorShape

needs_compiler = pytest.mark.skipif(CompiledEngine().missing() is not None, reason="no C++ compiler")
POLICIES = ["identity", "relu", "clip", "leaky_relu", "hard_sigmoid", "tanh", "gelu"]
BLOCKS = [2, 4, 8, 16, 32, 64, 128, 256]


def make_layer(rng, kind, m, n, block, bits, activation, shifts=0, acc_shift=0, out_frac=None, name="l", positions=1):
    shapes = ((TensorShape(n, bits, positions),), TensorShape(m, bits, positions), activation)
    more = {"weight_bits": bits, "parameters": EXAMPLES[activation]}
    if kind == "circulant":
        spec = CirculantSpec(name, *shapes, block=block, fft_shifts=shifts, **more)
        shape = (spec.p, spec.q, block // 2, 2)
    else:
        spec = (DenseSpec if kind == "dense" else ScaleSpec)(name, *shapes, **more)
        shape = (m, n) if kind == "dense" else (n,)
    high = 1 << (bits - 1)
    arrays = {
        "weights": rng.integers(-high, high, size=shape),
        "bias": rng.integers(-1 << (spec.bias_bits - 1), 1 << (spec.bias_bits - 1), size=m),
    }
    formats = Format(bits, bits - 1), Format(bits, bits - 1 if out_frac is None else out_frac)
    return FixedLayer(spec, name, ("?",), name, formats[:1], formats[1], arrays, bits - 2, acc_shift)


def make_graph(*layers):
    """A chain."""
    chained, tensor = [], "x"
    for layer in layers:
        chained.append(replace(layer, inputs=(tensor,), output=f"{layer.spec.name}_y"))
        tensor = chained[-1].output
    bits = layers[0].spec.data_bits
    return FixedGraph("g", tuple(chained), None, None, bits, "x", "y", tensor, {})


def random_inputs(rng, graph, samples):
    high = 1 << (graph.first.spec.data_bits - 1)
    x = rng.integers(-high, high, size=(samples, graph.inputs))
    x[0] = rng.choice([-high, high - 1], size=x.shape[1])
    return x


def assert_same(graph, x, threads=1):
    words, counts = run_integers(graph, x)
    fast_words, fast_counts = run_integers_fast(graph, x, threads=threads)
    assert fast_words.dtype == words.dtype
    np.testing.assert_array_equal(fast_words, words)
    assert fast_counts == counts
    assert list(fast_counts) == list(counts)


@st.composite
def graphs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = draw(st.integers(4, 18))
    n, positions = draw(st.integers(1, 70)), draw(st.sampled_from([1, 1, 3]))
    layers = []
    for index in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["circulant", "dense", "scale"]))
        block = draw(st.sampled_from(BLOCKS)) if kind == "circulant" else 1
        m = n if kind == "scale" else draw(st.integers(1, 70))
        scaled = draw(st.booleans())
        shifts = (block.bit_length() - 1) // 2 if scaled and kind == "circulant" else 0
        acc_shift = draw(st.integers(-3, bits + 8)) if kind == "circulant" else 0
        out_frac = draw(st.sampled_from([-2, 0, 3, 7, 11, 16, 26]))
        activation = draw(st.sampled_from(list(EXAMPLES)))
        name = f"l{index}"
        layers.append(
            make_layer(rng, kind, m, n, block, bits, activation, shifts, acc_shift, out_frac, name, positions)
        )
        n = m
    graph = make_graph(*layers)
    return graph, random_inputs(rng, graph, draw(st.sampled_from([1, 7, 8, 9, 33, 259])))


@needs_compiler
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(graphs(), st.sampled_from([1, 2]))
def test_words_and_counts_of_random_networks(case, threads):
    assert_same(*case, threads)


@needs_compiler
@pytest.mark.parametrize("activation", POLICIES)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_with_both_kinds_of_transform(block, activation):
    rng = np.random.default_rng(block)
    for shifts in {0, (block.bit_length() - 1) // 2}:
        for bits, acc_shift in ((4, 2), (12, 11), (18, 17)):
            graph = make_graph(
                make_layer(rng, "circulant", 2 * block + 1, 3 * block - 1, block, bits, activation, shifts, acc_shift)
            )
            assert all(proven_layers(graph, bits))
            assert_same(graph, random_inputs(rng, graph, 19))


@needs_compiler
@pytest.mark.parametrize(("network", "shape"), [(residual, (24,)), (tokens, (6, 12)), (branches, (20,))])
def test_networks_that_are_no_chain(tmp_path, network, shape):
    fixed = quantized(network(tmp_path / "m.onnx"), smooth(60, *shape))
    x = fixed.input.quantize(flatten_inputs(fixed, smooth(300, *shape) * 3))
    assert any(proven_layers(fixed, 12))
    for threads in (1, 2):
        assert_same(fixed, x, threads)


@needs_compiler
def test_results_are_the_same_either_way(tmp_path):
    fixed = quantized(tokens(tmp_path / "m.onnx"), smooth(60, 6, 12))
    plain, compiled = (run_fixed(fixed, smooth(70, 6, 12) * 3, compiled=c) for c in (False, True))
    np.testing.assert_array_equal(compiled.words, plain.words)
    np.testing.assert_array_equal(compiled.values, plain.values)
    assert compiled.saturated == plain.saturated


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="other instruction sets of x86")
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_narrower_vectors(monkeypatch, target):
    """What a machine without AVX-512, or without AVX, compiles."""
    monkeypatch.setattr(build, "_loaded", {})
    monkeypatch.setattr(build, "FLAGS", tuple(f"-march={target}" if f == "-march=native" else f for f in build.FLAGS))
    rng = np.random.default_rng(0)
    layers = [make_layer(rng, "circulant", 17, 13, 16, 12, "tanh", 2, 9, name="a")]
    layers.append(make_layer(rng, "dense", 11, 17, 1, 12, "identity", name="b"))
    graph = make_graph(*layers)
    assert_same(graph, random_inputs(rng, graph, 19))


@needs_compiler
def test_layers_that_cannot_be_proven_run_in_numpy():
    rng = np.random.default_rng(0)
    narrow = make_layer(rng, "circulant", 16, 16, 8, 12, "relu", 0, 9, name="a")
    odd_shifts = make_layer(rng, "circulant", 16, 16, 8, 12, "identity", 3, 9, name="b")  # no specified transform
    wide = make_layer(rng, "circulant", 16, 16, 8, 12, "identity", 0, -24, name="c")  # shifted sums exceed 53 bits
    layers = (narrow, odd_shifts, narrow, wide, narrow)
    graph = make_graph(*(replace(a, spec=replace(a.spec, name=f"n{i}")) for i, a in enumerate(layers)))
    assert proven_layers(graph, 12) == (True, False, True, False, True)
    assert_same(graph, random_inputs(rng, graph, 200), threads=2)


@needs_compiler
def test_inputs_wider_than_the_data_are_taken_as_they_are():
    rng = np.random.default_rng(0)
    graph = make_graph(make_layer(rng, "circulant", 16, 16, 8, 12, "identity", 0, 9))
    for power in (13, 30, 40):
        assert_same(graph, rng.integers(-1 << power, 1 << power, size=(5, 16)))


@needs_compiler
def test_kinds_of_arrays():
    rng = np.random.default_rng(0)
    graph = make_graph(make_layer(rng, "dense", 11, 6, 1, 8, "tanh"))
    x = random_inputs(rng, graph, 10)
    words, _ = run_integers(graph, x)
    for other in (x.astype(np.int16), np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        np.testing.assert_array_equal(run_integers_fast(graph, other)[0], words)
    empty, counts = run_integers_fast(graph, x[:0])
    assert empty.shape == (0, 11)
    assert counts == {"l.output": 0}


def test_without_a_compiler_numpy_runs_and_one_note_is_logged(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(build, "_noted", set())
    monkeypatch.setattr(build, "_loaded", {})
    rng = np.random.default_rng(0)
    graph = make_graph(make_layer(rng, "circulant", 20, 9, 8, 12, "sigmoid", 0, 9))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(graph, random_inputs(rng, graph, 300), threads=2)
    assert len([r for r in caplog.records if "numpy" in r.message]) == 1
