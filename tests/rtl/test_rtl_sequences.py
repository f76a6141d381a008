# SPDX-License-Identifier: Apache-2.0
"""Blocks of 32 and more and recurrent layers in RTL: words of the engine, cycles of the token simulation."""

import shutil

import pytest
from rtl.many_networks import run_all
from rtl.sequences import MODULES, gru, lstm, passes, started

from swm.layers.fit import widest_curve

NAMES = ("passes", "lstm", "gru", "started")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if shutil.which("verilator") is None:
        pytest.skip("needs verilator (Debian: apt-get install verilator)")
    folder = tmp_path_factory.mktemp("sequences")
    return *run_all([(made(), None) for made in (passes, lstm, gru, started)], folder), folder


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_words_interval_and_latency_are_those_of_the_design(found, index):
    result = found[0][index]
    assert result.status == 0, result.text  # a frame alone, back to back, with stalls on both sides
    assert "0 words differ" in result.text
    assert all(run["right"] for run in result.runs.values())  # TLAST and the counters of frames
    plan = result.design.schedule
    assert result.interval == plan.interval
    assert abs(result.latency - plan.latency) <= 1
    assert result.runs["stalls"]["output_waits"] > 0


def test_why_yosys_finds_fewer_multipliers_in_an_lstm_than_are_modelled():
    """104 of 112 (docs/rtl.md): tables of one value a step need none, those of unknown numbers might."""
    made = lstm()
    layer = next(layer for layer in made.graph.layers if getattr(layer.spec, "peephole", False))
    placed = next(p for p in made.schedule.layers if p.spec.name == layer.spec.name)
    kinds = zip(layer.spec.activations, layer.spec.activation_parameters, layer.inner, strict=True)
    widest = ((widest_curve(*kind, layer.spec.out_bits), curve) for *kind, curve in kinds)
    flat = [bool(most.rises) and not curve.rises for most, curve in widest]
    modelled = sum(process.cost.dsp for process in placed.processes)
    assert (modelled, modelled - placed.built.out_vec * sum(flat)) == (112, 104)


def test_verilator_has_no_warning(found):
    lines = [line for line in found[1].splitlines() if line.startswith("%Warning")]
    assert not [line for line in lines if "/swm_top.sv" not in line]  # that one joins the networks for this test


def test_every_module_stands_in_one_of_the_networks(found):
    assert {file.name for file in found[2].glob("n*/rtl/*.sv")} >= MODULES
