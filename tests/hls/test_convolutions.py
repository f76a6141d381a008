# SPDX-License-Identifier: Apache-2.0
"""Random convolutions, emitted for both back ends: every word and every loop as the Python side says."""

import shutil

import numpy as np
import pytest
from convolution_networks import BLOCKS, drawings, random_design
from hls_tools import STAND_INS, UNDEFINED, UNOPTIMIZED, VITIS, compiler
from test_random_networks import build, check, of_arrays

from swm.accelerator.backend import VITIS as STREAMS

COUNT = 25


@pytest.fixture(scope="module")
def drawn():
    rng, found = np.random.default_rng(3), drawings()
    assert len(found) == COUNT
    return found, [random_design(rng, d.graph, STREAMS) for d in found]


@pytest.fixture(scope="module")
def streaming(drawn, tmp_path_factory):
    cxx = shutil.which("clang++") or compiler("g++")
    flags = [*UNOPTIMIZED, *VITIS, "-DSWM_SIM_BOUNDED", *STAND_INS]
    return build(tmp_path_factory.mktemp("vitis"), cxx, *drawn, flags)


@pytest.fixture(scope="module")
def arrays(drawn, tmp_path_factory):
    found, designs = drawn
    generic = [of_arrays(made) for made in designs]
    return build(tmp_path_factory.mktemp("generic"), compiler("g++"), found, generic, UNDEFINED)


def test_the_networks_hold_what_they_should(drawn):
    specs = [d.graph.specs[0] for d in drawn[0]]
    builts = [made.schedule.layers[i].built for made in drawn[1] for i in range(len(made.schedule.layers))]
    builts = [b for b in builts if hasattr(b, "window")]
    geometries = [spec.geometry for spec in specs]
    assert {spec.kind for spec in specs} == {"conv", "depthwise", "circulant_conv"}
    assert {getattr(spec, "block", 0) for spec in specs} >= set(BLOCKS)
    grouped = [(s.kind, getattr(s, "block", 0) > 16) for s in specs if getattr(s, "groups", 1) > 1]
    assert set(grouped) == {("conv", False), ("circulant_conv", False), ("circulant_conv", True)}
    for axes in ("strides", "dilations", "pads"):
        assert any(max(getattr(g, axes)) > 1 for g in geometries)
    assert any(g.grid[1] == 1 < g.grid[0] for g in geometries)  # a sequence
    assert any(len(np.unique(d.graph.layers[0].arrays["weights"])) > 8 for d in drawn[0])
    beside = [(b.spec.kind, getattr(b.spec, "block", 0) > 16) for b in builts if b.window.out_words > b.window.words]
    assert set(beside) == {("conv", False), ("depthwise", False), ("circulant_conv", False), ("circulant_conv", True)}
    several = [
        (b.spec.block, b.spec.seen.outputs)
        for b in builts
        if b.spec.kind == "circulant_conv" and b.spec.seen.columns > 1
    ]
    assert {block for block, _ in several} == {4, 8, 32}  # positions of a token
    assert max(outputs for _, outputs in several) > 1
    blocks = [b for b in builts if b.spec.kind == "circulant_conv" and b.tap_rows * b.tap_columns > 1]
    assert any(b.front.fft_lanes > 1 for b in blocks)  # taps and blocks in a beat
    assert any(b.spec.groups > 1 for b in blocks)
    assert any(getattr(b, "packed", 0) for b in builts)
    assert any(getattr(b, "fabric", 0) or getattr(b, "fabric_rows", 0) for b in builts)
    bits = {shape.bits for spec in specs for shape in (*spec.inputs, spec.output)}
    assert min(bits) == 4
    assert len(bits) > 8


@pytest.mark.parametrize("index", range(COUNT))
def test_streams_of_the_designs_depths_carry_the_right_words(drawn, streaming, tmp_path, index):
    check(tmp_path, drawn[0][index], drawn[1][index], streaming[index])


@pytest.mark.parametrize("index", range(COUNT))
def test_calls_over_arrays_give_the_right_words(drawn, arrays, tmp_path, index):
    check(tmp_path, drawn[0][index], of_arrays(drawn[1][index]), arrays[index])
