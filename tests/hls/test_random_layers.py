# SPDX-License-Identifier: Apache-2.0
"""Many random layers in one C++ file against the integer engine, bit for bit, in both flavours."""

import subprocess

import numpy as np
import pytest
from hls_tools import HLS, STAND_INS, UNDEFINED, VITIS, WARNINGS, compiler
from swm.emit._rom import rom
from swm.engine._fixed import run_layer
from swm.fixed import FixedLayer, Format
from swm.fixed.spec import LayerSpec, clog2
from swm.hardware import LayerSchedule

BITS = (4, 8, 12, 16, 18)
ACTIVATIONS = ("identity", "relu", "sigmoid", "tanh")
SAMPLES = 5


def integers(rng, bits, shape):
    """Random integers, the ends of the range among them."""
    high = (1 << (bits - 1)) - 1
    values = rng.integers(-high - 1, high + 1, shape)
    return np.where(rng.random(shape) < 0.2, rng.choice([-high - 1, high], shape), values)


def power_of_two(rng, top):
    return 1 << int(rng.integers(top.bit_length()))


def draw(rng, index, kind, block):
    """One layer, its schedule and its inputs."""
    bits, weight_bits, out_bits = (int(rng.choice(BITS)) for _ in range(3))
    activation = ACTIVATIONS[index % 4]
    p, q = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    m, n = (int(b * block - rng.integers(block)) for b in (p, q))  # rarely multiples of the block
    shifts = int(rng.choice([0, clog2(block) // 2]))
    if kind != "circulant":
        m, n = int(rng.integers(1, 40)), int(rng.integers(1, 60))
    m = n if kind == "scale" else m
    spec = LayerSpec(
        f"l{index}", kind, m, n, block, bits, weight_bits, out_bits, activation, 0, shifts if kind == "circulant" else 0
    )
    width = spec.inverse_bits if kind == "circulant" else spec.accumulator_bits
    spec = LayerSpec(**{**vars(spec), "bias_bits": width})
    shape = {"circulant": (spec.p, spec.q, block // 2, 2), "dense": (m, n), "scale": (n,)}[kind]
    acc_shift = 0
    if kind == "circulant":  # from sums that all but fill the rounded word to sums that saturate
        acc_shift = max(0, spec.accumulator_bits - spec.rounded_bits - int(rng.integers(0, 6)))
    value_frac = int(rng.integers(2, 22))
    if activation in ("identity", "relu"):
        spread = max(width - out_bits, 0)
        out_frac = value_frac - int(rng.integers(max(spread - 8, -3), spread + 3))
    else:
        value_frac = int(rng.integers(max(2, width - 8), width + 2))  # so that values lie around [-8, 8)
        out_frac = out_bits - int(rng.integers(1, 4))
    layer = FixedLayer(
        spec, "", integers(rng, weight_bits, shape), integers(rng, width, m) >> int(rng.integers(0, 4)),
        Format(bits, 0), value_frac + acc_shift, acc_shift, Format(out_bits, out_frac),
    )  # fmt: skip
    assert layer.value_frac == value_frac
    if kind == "circulant":
        blocks = int(rng.integers(1, spec.p + 2))
        lanes = int(rng.choice([d for d in range(1, blocks + 1) if blocks % d == 0]))
        plan = LayerSchedule(
            spec, in_vec=power_of_two(rng, min(block, 32)), out_vec=power_of_two(rng, min(block, 32)),
            fft_lanes=int(rng.integers(1, spec.q + 2)), mac_blocks=blocks,
            mac_bins=power_of_two(rng, min(block // 2, 16)), ifft_lanes=lanes,
        )  # fmt: skip
    elif kind == "dense":
        out_vec = power_of_two(rng, 8)
        rows = out_vec * int(rng.integers(1, 4))
        plan = LayerSchedule(spec, power_of_two(rng, 16), out_vec, rows=rows, columns=power_of_two(rng, 16))
    else:
        vec = power_of_two(rng, 16)
        plan = LayerSchedule(spec, vec, vec)
    low = -(1 << (bits - 1))
    x = integers(rng, bits, (SAMPLES, n))
    x[0], x[1] = low, -low - 1
    x[2] = np.where(np.arange(n) % 2, low, -low - 1)
    return layer, plan, x


def draw_lively(rng, index, kind, block):
    """A layer whose outputs are more than the two ends of their range, or equal bits would say little."""
    for _ in range(100):
        layer, plan, x = draw(rng, index, kind, block)
        if len(np.unique(run_layer(layer, x)[0])) > 3:
            return layer, plan, x
    raise AssertionError("the draw gives constant outputs only")


def test_power_of_two_reaches_both_ends():
    rng = np.random.default_rng(0)
    for top in (1, 2, 8, 32):
        assert {power_of_two(rng, top) for _ in range(400)} == {1 << e for e in range(clog2(top) + 1)}


def source(cases):
    """The C++ file: one configuration a layer, and a main that runs them in turn."""
    lines = ['#include "random_layers.h"', "namespace {"]
    for index, (layer, plan, _) in enumerate(cases):
        s = layer.spec
        fields = {
            "id": index, "m": s.m, "n": s.n, "k": s.block, "in_bits": s.data_bits, "weight_bits": s.weight_bits,
            "bias_bits": s.bias_bits, "out_bits": s.out_bits, "fft_shifts": s.fft_shifts, "acc_shift": layer.acc_shift,
            "out_shift": layer.value_frac - layer.output.frac, "act_shift": layer.value_frac - 12,
            "out_frac": layer.output.frac, "in_vec": plan.in_vec, "out_vec": plan.out_vec, "fft_lanes": plan.fft_lanes,
            "mac_blocks": plan.mac_blocks, "mac_bins": plan.mac_bins, "ifft_lanes": plan.ifft_lanes, "rows": plan.rows,
            "columns": plan.columns,
        }  # fmt: skip
        values = ", ".join(f"{key} = {value}" for key, value in fields.items())
        name = "tanh_" if s.activation == "tanh" else s.activation
        lines.append(f"struct l{index} {{ static constexpr int {values}; typedef swm::{name} activation; }};")
    calls = (f"  check::{layer.spec.kind}<l{index}>();" for index, (layer, _, _) in enumerate(cases))
    return "\n".join([*lines, "}", "int main() {", *calls, "  return check::failures() != 0;", "}\n"])


def stdin(cases):
    parts = []
    for layer, plan, x in cases:
        surplus = -layer.spec.m % plan.out_vec
        parts += [rom(layer, plan).reshape(-1), layer.bias, np.zeros(surplus, np.int64), [len(x)], x.reshape(-1)]
    return " ".join(str(int(v)) for part in parts for v in part)


@pytest.fixture(scope="module")
def cases():
    rng = np.random.default_rng(20261121)
    kinds = [("circulant", 1 << e) for e in range(1, 9) for _ in range(4)] + [("dense", 1)] * 10 + [("scale", 1)] * 6
    return [draw_lively(rng, index, *kind) for index, kind in enumerate(kinds)]


def test_the_configurations_cover_what_matters(cases):
    specs = [layer.spec for layer, _, _ in cases]
    assert {s.block for s in specs} == {1, 2, 4, 8, 16, 32, 64, 128, 256}
    assert {s.data_bits for s in specs} == {s.weight_bits for s in specs} == {s.out_bits for s in specs} == set(BITS)
    assert {s.activation for s in specs} == set(ACTIVATIONS)
    circulant = [(layer.spec, plan) for layer, plan, _ in cases if layer.spec.kind == "circulant"]
    assert {s.fft_shifts for s, _ in circulant} >= {0, 1, 2, 3, 4}
    assert any(s.q % plan.fft_lanes for s, plan in circulant)
    assert any(s.p % plan.mac_blocks for s, plan in circulant)
    assert any(1 < plan.ifft_lanes < plan.mac_blocks or 1 == plan.ifft_lanes < plan.mac_blocks for _, plan in circulant)
    assert any(plan.in_vec > s.block // 4 for s, plan in circulant if s.block > 4)
    assert any(s.m % s.block and s.n % s.block for s, _ in circulant)
    places = [place for layer, _, x in cases for place, count in run_layer(layer, x)[1].items() if count]
    assert {"sum", "output"} <= set(places)


@pytest.mark.parametrize("flavour", ["generic", "vitis"])
def test_random_layers_equal_the_integer_engine(tmp_path, cases, flavour):
    (tmp_path / "layers.cpp").write_text(source(cases))
    flags = [*WARNINGS, "-I", str(HLS), "-I", str(HLS / "tests")]
    flags += UNDEFINED if flavour == "generic" else [*VITIS, *STAND_INS]
    binary = tmp_path / "layers"
    command = [compiler("g++"), *flags, str(tmp_path / "layers.cpp"), "-o", str(binary)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:4000]
    result = subprocess.run([binary], input=stdin(cases), capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, (result.stdout[-500:] + result.stderr)[:4000]
    lines = result.stdout.splitlines()
    assert len(lines) == len(cases)
    for line, (layer, plan, x) in zip(lines, cases, strict=True):
        numbers = np.array(line.split(), np.int64)
        expected, _ = run_layer(layer, x)
        np.testing.assert_array_equal(numbers[:-3].reshape(expected.shape), expected, err_msg=str((layer.spec, plan)))
        iterations = [process.iterations for process in plan.processes]
        assert list(numbers[-3:]) == iterations + [0] * (3 - len(iterations)), (layer.spec, plan)
