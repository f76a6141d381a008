# SPDX-License-Identifier: Apache-2.0
"""The circulant layer: widths and loops as the C++ traits have them, ROMs by plain loops, numbers by the matrix."""

import itertools
import subprocess

import numpy as np
import pytest
from hls_tools import HLS, compiler
from hypothesis import given, settings
from hypothesis import strategies as st

from swm.device.board import load_board
from swm.layers import registry
from swm.layers.arithmetic import packed_spectrum
from swm.layers.base import Preference
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.cost import packs_pairs
from swm.layers.circulant.spec import CirculantSpec, forward_shifts
from swm.layers.products import ROM_STORAGE, bank_lanes, powers_of_two, price
from swm.layers.values import FixedLayer, Format, TensorShape
from swm.structure import BlockCirculant

PORTS = load_board("pynq-z2").dsp_ports
KIND = registry.kind("circulant")
BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256)
WEIGHTS = (150.0, 150.0, 600.0, 1.0, 0.25)
WIDEST = 4096
TOKENS = (1, 2, 7)
TRAITS = (
    "spectrum_bits",
    "acc_bits",
    "rounded_bits",
    "inverse_bits",
    "inverse_pass_bits",
    "inverse_turn_bits",
    "value_bits",
)
COUNTS = {
    "rfft_unrolled": "circulant<C>::rfft_iterations",
    "spectral_mac": "circulant<C>::mac_iterations",
    "irfft_unrolled": "circulant<C>::irfft_iterations",
    "rfft_load": "circulant<C>::rfft_load_iterations",
    "rfft_pass": "circulant<C>::rfft_pass_iterations",
    "irfft_collect": "collect_times<C>::iterations",
    "irfft_pass": "circulant<C>::irfft_pass_iterations",
    "irfft_store": "circulant<C>::irfft_store_iterations",
}
CYCLES = {
    "rfft_unrolled": "in_parts",
    "irfft_unrolled": "out_parts",
    "rfft_pass": "pass_ii",
    "irfft_collect": "inverse_ii",
    "irfft_pass": "inverse_ii",
}


def make_spec(m, n, block, bits=12, weight_bits=None, *, positions=1, shifts=None, out_bits=None):
    return CirculantSpec(
        "l",
        (TensorShape(n, bits, positions),),
        TensorShape(m, out_bits or bits, positions),
        block=block,
        weight_bits=weight_bits or bits,
        fft_shifts=forward_shifts(bits, block) if shifts is None else shifts,
    )


def make_layer(spec, weights=None, bias=None, acc_shift=0, out_frac=0):
    arrays = {
        "weights": np.zeros((spec.p, spec.q, spec.words, 2), np.int64) if weights is None else weights,
        "bias": np.zeros(spec.m, np.int64) if bias is None else bias,
    }
    return FixedLayer(
        spec, "n", ("x",), "y", (Format(spec.data_bits, 0),), Format(spec.out_bits, out_frac), arrays, 0, acc_shift
    )


def drawn(rng, block):
    """A random legal implementation."""
    while True:
        bits, weight_bits = (int(rng.choice([4, 8, 12, 16, 17])) for _ in range(2))
        p, q = int(rng.integers(1, 9)), int(rng.integers(1, 9))
        m, n = (int(b * block - rng.integers(block)) for b in (p, q))
        spec = make_spec(m, n, block, bits, weight_bits, out_bits=int(rng.choice([4, 12, 18])))
        vecs = [1 << int(rng.integers(0, 6)) for _ in range(2)]
        built = CirculantBuilt(
            spec,
            *vecs,
            mac_rows=int(rng.integers(1, p + 2)),
            mac_columns=int(rng.integers(1, q + 2)),
            mac_bins=int(rng.choice(powers_of_two(spec.words))),
            products=int(rng.choice([3, 4])),
        )
        widths = [s.width for s in built.streams()] if built.valid else [WIDEST + 1]
        if max(widths) <= WIDEST:
            return built


def cpp_values(tmp_path, sources, rows):
    """Compile a program that prints rows of integer expressions."""
    program, binary = tmp_path / "traits.cpp", tmp_path / "traits"
    lines = [*sources, "#include <cstdio>", "using namespace swm;"]
    lines += [f"struct c{i} {{ static constexpr int {members}; }};" for i, (members, _) in enumerate(rows)]
    lines.append("int main() {")
    for i, (_, expressions) in enumerate(rows):
        lines += [f'  printf("%d ", int({e.replace("<C>", f"<c{i}>")}));' for e in expressions]
        lines.append('  printf("\\n");')
    program.write_text("\n".join([*lines, "}\n"]))
    command = [compiler("g++"), "-std=c++14", "-O0", "-I", str(HLS), str(program), "-o", str(binary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    text = subprocess.run([str(binary)], capture_output=True, text=True, check=True).stdout
    return [[int(word) for word in line.split()] for line in text.splitlines()]


def members_of(configuration):
    return ", ".join(f"{k} = {v}" for k, v in {"tick": 0, **configuration}.items() if isinstance(v, int))


def test_widths_and_loops_are_those_of_the_traits(tmp_path):
    rng = np.random.default_rng(7)
    cases = [KIND.minimal(make_spec(3, 5, k)) for k in BLOCKS] + [drawn(rng, k) for k in BLOCKS for _ in range(12)]
    rows, expected = [], []
    for built in cases:
        spec = built.spec
        expressions = [f"circulant<C>::{name}" for name in TRAITS]
        want = [
            spec.spectrum_bits,
            spec.accumulator_bits,
            spec.rounded_bits,
            spec.inverse_bits,
            spec.inverse_pass_bits,
            spec.inverse_turn_bits,
            spec.value_bits,
        ]
        streams = {s.name: s for s in built.streams()}
        expressions += ["circulant<C>::x_beat", "circulant<C>::a_beat", "circulant<C>::mac_loads"]
        want += [streams["spectra"].words, streams["sums"].words, streams["spectra"].beats]
        expressions += ["circulant<C>::rom_depth", "circulant<C>::bias_words"]
        want += [built.rom_depth, built.out_beats * built.out_vec]
        for process in KIND.processes(built, PORTS):
            expressions += [f"{COUNTS[process.kernel]}({tokens})" for tokens in TOKENS]
            want += [process.program.iterations(tokens) for tokens in TOKENS]
            cycles = CYCLES.get(process.kernel)
            expressions.append("1" if cycles is None else f"circulant<C>::{cycles}")
            want.append(process.program.ii)
        rows.append((members_of(KIND.configuration(make_layer(spec), built)), expressions))
        expected.append(want)
    found = cpp_values(tmp_path, ['#include "swm/irfft_passes.h"'], rows)
    for built, have, want, (_, expressions) in zip(cases, found, expected, rows, strict=True):
        wrong = {e: (h, w) for e, h, w in zip(expressions, have, want, strict=True) if h != w}
        assert not wrong, (built, wrong)


@pytest.mark.parametrize("block", BLOCKS)
def test_processes_meet_on_their_streams(block):
    """What one process writes a token, the next reads; beats in and out cover the tensors."""
    rng = np.random.default_rng(block)
    for _ in range(10):
        built = drawn(rng, block)
        streams = {s.name: s.beats for s in built.streams()}
        streams |= {"in0": -(-built.spec.n // built.in_vec), "out0": -(-built.spec.m // built.out_vec)}
        touched = {}
        for process in KIND.processes(built, PORTS):
            for port in (*process.program.reads, *process.program.writes):
                beats = port.total or sum(r.count for r in port.steady) * port.beats
                touched.setdefault(port.stream, []).append(beats)
        assert {name: set(counts) for name, counts in touched.items()} == {n: {b} for n, b in streams.items()}, built


def position_of(word, block):
    """Place of a word in the order of units (spectral_mac.h): 2u is word u, 2u + 1 is word k/2 - u; 1 is k/4."""
    if block <= 16:
        return word
    quarter = block // 4
    if word <= quarter:
        return 1 if word == quarter else 2 * word
    return 2 * (block // 2 - word) + 1


@pytest.mark.parametrize("block", BLOCKS)
def test_rom_order(block):
    rng = np.random.default_rng(block + 1)
    for _ in range(5):
        built = drawn(rng, block)
        spec = built.spec
        weights = rng.integers(1, 1000, (spec.p, spec.q, spec.words, 2))
        bias = rng.integers(1, 1000, spec.m)
        layer = make_layer(spec, weights, bias)
        rom, offsets = KIND.roms(layer, built)
        members = KIND.configuration(layer, built)
        po, qp, pf = built.mac_rows, built.mac_columns, built.mac_bins
        assert rom.values.shape == (members["rom_banks"], built.rom_depth, members["rom_lanes"])
        assert members["rom_lanes"] * spec.weight_bits <= WIDEST
        natural = {position_of(word, block): word for word in range(spec.words)}
        assert len(natural) == spec.words
        address = 0
        for g, f, c in itertools.product(
            range(-(-spec.p // po)), range(spec.words // pf), range(-(-spec.q // qp))
        ):  # rows outermost, columns innermost
            for o, column, b, part in itertools.product(range(po), range(qp), range(pf), range(2)):
                lane = ((o * qp + column) * pf + b) * 2 + part
                i, j = g * po + o, c * qp + column
                want = weights[i, j, natural[f * pf + b], part] if i < spec.p and j < spec.q else 0
                assert rom.values[lane // members["rom_lanes"], address, lane % members["rom_lanes"]] == want
            address += 1
        assert address == built.rom_depth
        assert offsets.values.tolist() == [*bias.tolist(), *[0] * (built.out_beats * built.out_vec - spec.m)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BLOCKS), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10_000))
def test_exact_where_no_rotation_rounds(block, p, q, seed):
    """First columns and inputs on every (k/4)-th place turn by quarters only: the words are those of the matrix."""
    rng = np.random.default_rng(seed)
    step = max(1, block // 4)
    m, n = p * block - int(rng.integers(block)), q * block - int(rng.integers(block))
    columns = np.zeros((p, q, block), np.int64)
    columns[..., ::step] = rng.integers(-3, 4, columns[..., ::step].shape)
    x = np.zeros((4, n), np.int64)
    lattice = np.arange(n) % block % step == 0
    x[:, lattice] = rng.integers(-8, 9, (4, int(lattice.sum())))
    spec = make_spec(m, n, block, 14, 12, shifts=0, out_bits=18)
    spectra = packed_spectrum(columns.astype(np.float64))
    assert np.abs(spectra - np.rint(spectra)).max() < 1e-9
    bias = rng.integers(-50, 50, m)
    words, lost = KIND.run(make_layer(spec, np.rint(spectra).astype(np.int64), bias), (x,))
    matrix = np.zeros((p * block, q * block), np.int64)
    for i, j, r, c in itertools.product(range(p), range(q), range(block), range(block)):
        matrix[i * block + r, j * block + c] = columns[i, j, (r - c) % block]
    assert words.tolist() == (x @ matrix[:m, :n].T + bias).tolist()
    assert lost == {"sum": 0, "output": 0}


@pytest.mark.parametrize("block", BLOCKS)
def test_follows_the_matrix_with_any_weights(block):
    rng = np.random.default_rng(block)
    p, q = 2, 3
    m, n = p * block - 1, q * block - 1
    columns = rng.integers(-20, 21, (p, q, block)).astype(np.float64)
    x = rng.integers(-30, 31, (20, n))
    spec = make_spec(m, n, block, 16, 17, shifts=0, out_bits=18)
    frac = 4  # a spectrum is rounded to sixteenths
    weights = np.rint(packed_spectrum(columns) * 2**frac).astype(np.int64)
    layer = FixedLayer(
        spec,
        "n",
        ("x",),
        "y",
        (Format(16, 0),),
        Format(18, 0),
        {"weights": weights, "bias": np.zeros(m, np.int64)},
        frac,
        frac,
    )
    words, lost = KIND.run(layer, (x,))
    want = x @ BlockCirculant(columns.astype(np.float32), (m, n)).to_dense().astype(np.float64).T
    assert lost == {"sum": 0, "output": 0}
    assert np.sqrt(np.mean((words - want) ** 2)) < 0.02 * want.std()


def cost_of(built):
    return sum(price(p.cost, Preference(WEIGHTS)) for p in KIND.processes(built, PORTS))


def cycles_of(built):
    return max(p.program.cycles for p in KIND.processes(built, PORTS)) * built.spec.positions


def every(spec, most_vec=32):
    """A grid of legal implementations."""
    forms = [(3, 0)] + ([(4, 1)] if packs_pairs(spec, PORTS) else [])
    grid = itertools.product(
        powers_of_two(min(most_vec, max(spec.block, 8))),
        powers_of_two(min(most_vec, max(spec.block, 8))),
        range(1, spec.p + 2),
        range(1, spec.q + 2),
        powers_of_two(spec.words),
        forms,
        ROM_STORAGE,
    )
    for v, out, rows, columns, bins, (products, packed), storage in grid:
        built = CirculantBuilt(spec, v, out, rows, columns, bins, products, 0, packed, storage)
        if built.valid and not (packed and rows % 2) and max(s.width for s in built.streams()) <= WIDEST:
            yield built


@pytest.mark.parametrize(("block", "m", "n", "bits"), [(2, 8, 6, 12), (4, 9, 13, 6), (8, 24, 17, 12), (32, 64, 90, 12)])
def test_offers_are_the_cheapest_of_a_grid(block, m, n, bits):
    spec = make_spec(m, n, block, bits)
    offer = KIND.offer(spec, PORTS)
    grid = [(cycles_of(b), cost_of(b)) for b in every(spec)]
    fastest = min(c for c, _ in grid)
    for interval in sorted({fastest, fastest + 1, 2 * fastest, 3 * fastest, 10 * fastest, 40 * fastest}):
        built = offer.cheapest(interval, Preference(WEIGHTS))
        assert built is not None
        assert built.valid
        assert cycles_of(built) <= interval
        least = min(cost for cycles, cost in grid if cycles <= interval)
        # beats wider than need be save a few registers here, and cost more in converters, which no offer sees
        assert cost_of(built) <= least * 1.01, (interval, built)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(BLOCKS),
    st.integers(1, 700),
    st.integers(1, 700),
    st.sampled_from([4, 6, 8, 12, 16, 18]),
    st.integers(1, 3),
    st.floats(0.001, 1.0),
    st.floats(0.0, 1.0),
    st.booleans(),
)
def test_every_offer_is_legal_and_fast_enough(block, m, n, bits, positions, share, fabric, wide):
    spec = make_spec(m, n, block, bits, positions=positions)
    slow = cycles_of(KIND.minimal(spec))
    assert KIND.minimal(spec).valid
    offer = KIND.offer(spec, PORTS)
    assert offer.cheapest(slow, Preference(WEIGHTS)) is not None
    interval = max(1, int(slow * share))
    built = offer.cheapest(interval, Preference(WEIGHTS, fabric, wide))
    if built is None:
        return
    assert built.valid
    assert cycles_of(built) <= interval
    assert built.products == 4 or spec.weight_bits <= 17
    assert 0 <= built.fabric_rows <= built.mac_rows
    assert not built.packed or (built.mac_rows % 2 == 0 and built.fabric_rows % 2 == 0 and built.products == 4)
    words = [s.width for s in KIND.streams(built)] + [built.in_vec * bits, built.out_vec * bits]
    words.append(bank_lanes(built.lanes * 2, spec.weight_bits) * spec.weight_bits)
    words.append(built.out_vec * spec.bias_bits)
    assert max(words) <= WIDEST


def test_offers_say_none_when_nothing_is_that_fast():
    spec = make_spec(512, 784, 8)
    offer = KIND.offer(spec, PORTS)
    assert offer.cheapest(3, Preference(WEIGHTS)) is None
    counts = [i for i in range(4, 200) if offer.cheapest(i, Preference(WEIGHTS)) is not None]
    assert counts == list(range(counts[0], 200))


def test_slower_is_never_dearer():
    spec = make_spec(96, 64, 8)
    offer = KIND.offer(spec, PORTS)
    chosen = [offer.cheapest(interval, Preference(WEIGHTS)) for interval in range(8, 600)]
    costs = [cost_of(b) for b in chosen if b is not None]
    assert len(costs) > 500
    worse = [(a, b) for a, b in itertools.pairwise(costs) if b > a * (1 + 1e-9)]
    assert not worse
