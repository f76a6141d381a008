# SPDX-License-Identifier: Apache-2.0
"""The dense layer: loops against the C++ traits, ROMs against plain loops, numbers exactly, offers against a grid."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_circulant_layer import WEIGHTS, WIDEST, cpp_values, members_of

from swm.device.board import load_board
from swm.device.primitives import packs
from swm.layers import registry
from swm.layers.base import Preference
from swm.layers.dense import DenseBuilt, DenseSpec
from swm.layers.products import ROM_STORAGE, bank_lanes, powers_of_two, price
from swm.layers.values import FixedLayer, Format, TensorShape

PORTS = load_board("pynq-z2").dsp_ports
KIND = registry.kind("dense")


def make_spec(m, n, bits=12, weight_bits=None, *, positions=1, out_bits=None, activation="identity"):
    out = TensorShape(m, out_bits or bits, positions)
    return DenseSpec("l", (TensorShape(n, bits, positions),), out, activation, weight_bits=weight_bits or bits)


def make_layer(spec, weights=None, bias=None, out_frac=0):
    arrays = {
        "weights": np.zeros((spec.m, spec.n), np.int64) if weights is None else weights,
        "bias": np.zeros(spec.m, np.int64) if bias is None else bias,
    }
    formats = (Format(spec.data_bits, 0),)
    return FixedLayer(spec, "n", ("x",), "y", formats, Format(spec.out_bits, out_frac), arrays)


def drawn(rng):
    while True:
        bits, weight_bits, out_bits = (int(rng.choice([4, 8, 12, 18])) for _ in range(3))
        m, n = (int(rng.integers(1, 70)) for _ in range(2))
        vecs = [1 << int(rng.integers(0, 5)) for _ in range(2)]
        columns = 1 << int(rng.integers(0, 7))
        built = DenseBuilt(
            make_spec(m, n, bits, weight_bits, out_bits=out_bits), *vecs, int(rng.integers(1, m + 3)), columns
        )
        if built.valid:
            return built


def test_widths_and_loops_are_those_of_the_traits(tmp_path):
    rng = np.random.default_rng(3)
    cases = [KIND.minimal(make_spec(1, 1)), KIND.minimal(make_spec(10, 512)), *(drawn(rng) for _ in range(80))]
    names = ("acc_bits", "value_bits", "rom_depth", "in_beats", "out_beats", "bias_words")
    expressions = [f"dense_layer<C>::{name}" for name in names]
    expressions += [f"dense_layer<C>::iterations({tokens})" for tokens in (1, 2, 9)]
    rows, expected = [], []
    for built in cases:
        spec = built.spec
        (process,) = KIND.processes(built, PORTS)
        want = [spec.accumulator_bits, spec.value_bits, built.rom_depth, built.loads, built.out_beats]
        want += [built.out_beats * built.out_vec, *(process.program.iterations(t) for t in (1, 2, 9))]
        rows.append((members_of(KIND.configuration(make_layer(spec), built)), expressions))
        expected.append(want)
    found = cpp_values(tmp_path, ['#include "swm/dense.h"'], rows)
    for built, have, want in zip(cases, found, expected, strict=True):
        assert have == want, built


def test_rom_order():
    rng = np.random.default_rng(4)
    for _ in range(30):
        built = drawn(rng)
        spec, pe, simd = built.spec, built.rows, built.columns
        weights, bias = rng.integers(1, 1000, (spec.m, spec.n)), rng.integers(1, 1000, spec.m)
        layer = make_layer(spec, weights, bias)
        rom, offsets = KIND.roms(layer, built)
        lanes = KIND.configuration(layer, built)["rom_lanes"]
        address = 0
        for g, f in itertools.product(range(-(-spec.m // pe)), range(-(-spec.n // simd))):
            for o, c in itertools.product(range(pe), range(simd)):
                i, j, lane = g * pe + o, f * simd + c, o * simd + c
                want = weights[i, j] if i < spec.m and j < spec.n else 0
                assert rom.values[lane // lanes, address, lane % lanes] == want
            address += 1
        assert rom.values.shape[1] == address == built.rom_depth
        assert rom.values.shape[0] * rom.values.shape[2] == pe * simd
        assert offsets.values.tolist() == [*bias.tolist(), *[0] * (built.out_beats * built.out_vec - spec.m)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(4, 18), st.integers(-3, 4), st.integers(0, 1000))
def test_words_are_exact(m, n, bits, out_frac, seed):
    rng = np.random.default_rng(seed)
    high = 1 << (bits - 1)
    weights, x = rng.integers(-high, high, (m, n)), rng.integers(-high, high, (5, n))
    bias = rng.integers(-(1 << 20), 1 << 20, m)
    spec = make_spec(m, n, bits, activation="relu")
    words, lost = KIND.run(make_layer(spec, weights, bias, out_frac=min(0, out_frac)), (x,))
    saturated = 0
    for row, got in zip(x.tolist(), words.tolist(), strict=True):
        for i, word in enumerate(got):
            total = max(0, sum(int(w) * v for w, v in zip(weights[i], row, strict=True)) + int(bias[i]))
            shift = -min(0, out_frac)
            rounded = (total + (1 << shift >> 1)) >> shift
            saturated += rounded > high - 1
            assert word == min(rounded, high - 1)
    assert lost == {"output": saturated}


def cost_of(built):
    (process,) = KIND.processes(built, PORTS)
    return price(process.cost, Preference(WEIGHTS))


def cycles_of(built):
    (process,) = KIND.processes(built, PORTS)
    return process.program.cycles * built.spec.positions


@pytest.mark.parametrize(("m", "n", "bits"), [(10, 33, 12), (5, 16, 6), (16, 8, 18), (1, 40, 8)])
def test_offers_are_the_cheapest_of_a_grid(m, n, bits):
    spec = make_spec(m, n, bits)
    offer = KIND.offer(spec, PORTS)
    pairs = (0, 1) if packs(spec.weight_bits, spec.data_bits, PORTS) else (0,)
    grid = []
    for v, out, rows, columns, packed, storage in itertools.product(
        powers_of_two(64), powers_of_two(16), range(1, m + 3), powers_of_two(64), pairs, ROM_STORAGE
    ):
        built = DenseBuilt(spec, v, out, rows, columns, 0, packed, storage)
        if built.valid:
            grid.append((cycles_of(built), cost_of(built)))
    fastest = min(c for c, _ in grid)
    for interval in sorted({fastest, fastest + 1, 2 * fastest, 5 * fastest, 30 * fastest, m * n}):
        built = offer.cheapest(interval, Preference(WEIGHTS))
        assert built is not None
        assert built.valid
        assert cycles_of(built) <= interval
        assert cost_of(built) <= min(cost for cycles, cost in grid if cycles <= interval) * (1 + 1e-9), interval


@settings(max_examples=80, deadline=None)
@example(65, 1, 18, 1, 0.0625, 0.0, False)  # a beat of 128 biases of 36 bits
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.sampled_from([4, 6, 8, 12, 16, 18]),
    st.integers(1, 4),
    st.floats(0.0005, 1.0),
    st.floats(0.0, 1.0),
    st.booleans(),
)
def test_every_offer_is_legal_and_fast_enough(m, n, bits, positions, share, fabric, wide):
    spec = make_spec(m, n, bits, positions=positions)
    slow = cycles_of(KIND.minimal(spec))
    assert KIND.minimal(spec).valid
    interval = max(1, int(slow * share))
    offer = KIND.offer(spec, PORTS)
    assert offer.cheapest(slow, Preference(WEIGHTS)) is not None
    built = offer.cheapest(interval, Preference(WEIGHTS, fabric, wide))
    if built is None:
        return
    assert built.valid
    assert cycles_of(built) <= interval
    assert 0 <= built.fabric_rows <= built.rows
    assert not built.packed or (built.rows % 2 == 0 and built.fabric_rows % 2 == 0)
    words = [built.in_vec * bits, built.out_vec * spec.bias_bits]
    words.append(bank_lanes(built.rows * built.columns, bits) * bits)
    assert max(words) <= WIDEST
