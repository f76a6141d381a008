# SPDX-License-Identifier: Apache-2.0
"""All structures of the catalogue: stored and read back, multiplied, projected, fitted, counted, in files."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support import inputs, write_mlp

import swm
from swm import bundled
from swm.cli.convert import convert as convert_command
from swm.errors import OptionError
from swm.graph import Linear
from swm.structure import COARSE_FEW_BITS, N_OF_M, STRUCTURES, TERNARY, CoarseGrain, Dense, FewBits, Hierarchical
from swm.structure.catalogue import structure_named
from swm.structure.detect_sparse import sparse_structure
from swm.structure.few_bits import quantized
from swm.structure.packing import decode, encode, pack, unpack
from swm.structure.ternary import byte_of, pattern_count, pattern_of_byte, rank, unrank

OTHERS = [name for name in STRUCTURES if name != "circulant"]


def size_of(name):
    kind = STRUCTURES[name]
    return 2 if 2 in kind.candidates else kind.candidates[0]


def matrix_of(m, n, seed):
    return np.random.default_rng(seed).normal(size=(m, n)).astype(np.float32)


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=8, deadline=None)
@given(m=st.integers(4, 70), n=st.integers(4, 70), seed=st.integers(0, 99), pick=st.integers(0, 7))
def test_what_is_stored_is_all_there_is(name, m, n, seed, pick):
    kind = STRUCTURES[name]
    size = kind.candidates[pick % len(kind.candidates)]
    if kind.reason_against((m, n), size):
        return
    weight = kind.project(matrix_of(m, n, seed), size)
    assert (weight.shape, weight.size) == ((m, n), size)
    assert {a: x.shape for a, x in weight.arrays.items()} == kind.array_shapes((m, n), size)
    stored = encode(weight)
    back = decode(kind, (m, n), size, stored, dict(weight.code_bits))
    np.testing.assert_array_equal(back.to_dense(), weight.to_dense())
    spare = 8 * sum(map(len, stored.values())) - weight.bits(32)
    assert 0 <= spare < 8 * len(stored)  # each array ends on a byte
    x = matrix_of(3, n, seed + 1).astype(np.float64)
    np.testing.assert_allclose(weight.matmul(x), x @ weight.to_dense().T.astype(np.float64), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", OTHERS)
def test_a_fit_answers_better_than_the_projection_and_counts_less_than_dense(name):
    kind, size = STRUCTURES[name], size_of(name)
    mixing = matrix_of(48, 48, 0)
    x, matrix = matrix_of(400, 48, 1) @ mixing, matrix_of(40, 48, 2)
    y = x @ matrix.T + 3
    weight, bias = kind.fit(matrix, size, lambda: [(x[:200], y[:200]), (x[200:], y[200:])])
    projected = kind.project(matrix, size)
    loss = [np.square(x @ w.to_dense().T + b - y).sum() for w, b in ((weight, bias), (projected, 3))]
    assert loss[0] < loss[1]
    assert weight.bits(32) < 32 * matrix.size
    assert weight.operations.multiplications <= matrix.size + len(matrix)


def test_projections_that_are_exact():
    w = matrix_of(32, 64, 5)
    kept = CoarseGrain.project(w, 4).to_dense()
    norms = np.square(w.reshape(2, 16, 4, 16)).sum(axis=(1, 3))
    assert np.square(kept).sum() == pytest.approx(norms.max(axis=1).sum(), rel=1e-6)
    two = N_OF_M[4].project(w, 2).to_dense()
    assert np.square(two).sum() == pytest.approx(np.sort(np.square(w).reshape(-1, 4))[:, 2:].sum(), rel=1e-6)
    # Two levels, large blocks of 32, small ones of 8: half of each row of small blocks, then half of the large ones.
    small = np.square(w.reshape(4, 8, 8, 8)).sum(axis=(1, 3)).reshape(4, 2, 4)
    best = np.sort(small, axis=-1)[..., 2:].sum(axis=(0, 2))
    assert np.square(Hierarchical.project(w, 4).to_dense()).sum() == pytest.approx(best.max(), rel=1e-6)


@pytest.mark.parametrize(("group", "kept"), [(4, 1), (4, 2), (4, 4), (8, 1), (8, 2), (8, 3), (8, 4), (16, 2)])
def test_ranks_are_bijective(group, kept):
    counts = {(4, 1): 9, (4, 2): 33, (8, 1): 17, (8, 2): 129, (8, 3): 577, (8, 4): 1697, (16, 2): 513}
    patterns = pattern_count(group, kept)
    assert patterns == counts.get((group, kept), patterns)
    for number in range(patterns):
        pattern = unrank(number, group)
        assert np.count_nonzero(pattern) <= kept
        assert rank(pattern) == number


def test_bytes_of_eight_two_cover_its_129_patterns():
    seen = {tuple(pattern_of_byte(byte)) for byte in range(256)}
    assert len(seen) == 129 == pattern_count(8, 2)
    for pattern in map(np.array, seen):
        np.testing.assert_array_equal(pattern_of_byte(byte_of(pattern)), pattern)


@pytest.mark.parametrize("group", [4, 8])
def test_ternary_patterns_are_the_nearest_for_their_scale(group):
    """Against all patterns: methods 11 says that the projection is optimal for a fixed scale."""
    kind, kept = TERNARY[group], 2
    w = matrix_of(6, 2 * group, 9)
    found = kind.project(w, kept)
    every = np.stack([unrank(i, group) for i in range(pattern_count(group, kept))])
    for row, alpha, got in zip(w, found.alpha[:, 0], found.to_dense(), strict=True):
        for part, mine in zip(row.reshape(-1, group), got.reshape(-1, group), strict=True):
            least = np.square(part - alpha * every).sum(axis=1).min()
            assert np.square(part - mine).sum() == pytest.approx(least, rel=1e-4, abs=1e-6)


def test_few_bits_are_the_codes_of_the_papers():
    w = np.array([[-2.0, -0.4, 0.0, 0.6, 9.0]], np.float32)
    np.testing.assert_array_equal(quantized(w, np.array([[1.0]]), 1), [[-1, -1, 1, 1, 1]])
    np.testing.assert_array_equal(quantized(w, np.array([[1.0]]), 2), [[-1, 0, 0, 1, 1]])
    np.testing.assert_array_equal(quantized(w, np.array([[1.0]]), 3), [[-2, 0, 0, 1, 3]])
    one = FewBits.project(w, 1)
    assert one.scales[0, 0] == pytest.approx(np.abs(w).mean())


@given(bits=st.integers(1, 16), values=st.lists(st.integers(0, 1 << 16), max_size=40), signed=st.booleans())
def test_packing_is_undone(bits, values, signed):
    low = -(1 << (bits - 1)) if signed else 0
    given_values = np.array([low + v % (1 << bits) for v in values], np.int64)
    if not signed and given_values.size and given_values.max() < 1 << bits:
        np.testing.assert_array_equal(unpack(pack(given_values, bits), bits, len(values), signed=False), given_values)
    if signed:
        np.testing.assert_array_equal(unpack(pack(given_values, bits), bits, len(values), signed=True), given_values)
    with pytest.raises(OptionError, match="do not fit"):
        pack(np.array([1 << bits]), bits)


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return swm.load(write_mlp(tmp_path_factory.mktemp("m") / "m.onnx", widths=(70, 40, 33, 5)))


@pytest.mark.parametrize("name", OTHERS)
def test_files_hold_it_and_any_runtime_runs_them(graph, tmp_path, name):
    x = inputs(32, 70)
    result = swm.convert(graph, structure=STRUCTURES[name], block=size_of(name), calibration=x)
    assert isinstance(result.graph.linear()[-1].weight, Dense)
    assert type(result.graph.linear()[0].weight) is STRUCTURES[name]
    assert result.report.bits_after < result.report.bits_before
    swm.save(result.graph, tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    y = swm.run(result.graph, x)
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: x})[0], y, rtol=1e-4, atol=1e-4)
    back = swm.load(tmp_path / "m.onnx", simplify=True)
    assert [type(n.weight) for n in back.nodes if isinstance(n, Linear)] == [
        type(n.weight) for n in result.graph.linear()
    ]
    np.testing.assert_array_equal(swm.run(back, x), y)


def test_sizes_and_arrays_that_cannot_be():
    for kind, size in ((CoarseGrain, 1), (Hierarchical, 6), (FewBits, 9), (TERNARY[8], 8), (N_OF_M[4], 4)):
        with pytest.raises(OptionError):
            kind.check_size(size)
    good = CoarseGrain.project(matrix_of(32, 64, 0), 2)
    with pytest.raises(OptionError, match="ascend"):
        CoarseGrain.from_arrays((32, 64), 2, {**good.arrays, "ids": good.ids[:, ::-1]})
    codes = COARSE_FEW_BITS[3].project(matrix_of(32, 64, 0), 2)
    with pytest.raises(OptionError, match="codes of 3 bit"):
        COARSE_FEW_BITS[3].from_arrays((32, 64), 2, {**codes.arrays, "code": codes.code + 4})
    with pytest.raises(OptionError, match="did you mean 'ternary8'"):
        structure_named("ternary9")


@pytest.mark.parametrize("name", ["cgs", "hcgs", "ternary8", "ternary4", "nof4", "nof16"])
def test_it_is_found_in_a_dense_file(name):
    kind = STRUCTURES[name]
    size = {"cgs": 4, "hcgs": 16}.get(name, 2)
    weight = kind.project(matrix_of(64, 256, 3), size)
    found = sparse_structure(weight.to_dense() + np.float32(0))
    assert found is not None
    np.testing.assert_allclose(found.to_dense(), weight.to_dense(), atol=1e-6)
    assert found.bits(32) <= weight.bits(32)
    assert sparse_structure(matrix_of(64, 256, 3)) is None
    assert sparse_structure(np.eye(64, dtype=np.float32)) is None


def test_a_budget_counts_stored_bits():
    graph = swm.load(bundled.model_path())
    images, _ = bundled.calibration()
    result = swm.convert(graph, structure=FewBits, budget="10x", calibration=images[:300])
    assert result.report.bits_before >= 10 * result.report.bits_after
    assert {layer.structure for layer in result.report.layers} == {"few-bit", "dense"}


def test_the_command_names_structures(tmp_path):
    write_mlp(tmp_path / "m.onnx", widths=(70, 40, 5))
    options = ["--structure", "cgs-3bit", "--block", "2"]
    done = CliRunner().invoke(convert_command, [str(tmp_path / "m.onnx"), "-o", str(tmp_path / "k.onnx"), *options])
    assert done.exit_code == 0, done.output
    assert "coarse-grain 3-bit 2" in done.output
    assert "codes and indices at their own" in done.output
    report = swm.check(swm.load(tmp_path / "k.onnx"))
    assert any("hardware holds it dense" in node.structured for node in report.nodes)
