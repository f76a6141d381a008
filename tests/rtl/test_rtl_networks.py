# SPDX-License-Identifier: Apache-2.0
"""Every module of hls/rtl in small networks: words of the integer engine, cycles of the token simulation."""

import shutil

import pytest
from layers.activations import EXAMPLES
from rtl.many_networks import run_all
from rtl.networks import NAMES, designs
from rtl.sequences import MODULES

from swm.layers.curves import Table
from swm.package_data import hls_dir

LINK = {f"swm_{name}.sv" for name in ("crc32", "frame_link", "link_receive", "link_send", "uart_rx", "uart_tx")}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if shutil.which("verilator") is None:
        pytest.skip("needs verilator (Debian: apt-get install verilator)")
    folder = tmp_path_factory.mktemp("networks")
    results, remarks = run_all([(made, None) for made in designs()], folder)
    return results, remarks, folder


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


def test_stalls_reach_the_inside(found):
    """A design holds frames enough to hide some of them, but not in most networks."""
    longer = [one.runs["stalls"]["cycles"] > one.runs["rate"]["cycles"] for one in found[0]]
    assert sum(longer) >= len(longer) - 1


def test_verilator_has_no_warning(found):
    _, remarks, _ = found
    lines = [line for line in remarks.splitlines() if line.startswith("%Warning")]
    assert not [line for line in lines if "/swm_top.sv" not in line]  # that one joins the networks for this test


def test_every_activation_stands_in_one_of_the_networks():
    used = {layer.spec.activation for made in designs() for layer in made.graph.layers}
    assert used == set(EXAMPLES)
    tables = [layer.curve for made in designs() for layer in made.graph.layers if isinstance(layer.curve, Table)]
    assert {bool(table.rises) for table in tables} == {bool(table.rectified) for table in tables} == {False, True}


def test_every_module_stands_in_one_of_the_networks(found):
    _, _, folder = found
    used = {file.name for file in folder.glob("n*/rtl/*.sv")} - {"swm_top.sv"}
    elsewhere = LINK | MODULES  # in test_host_link.py and test_rtl_sequences.py
    assert used | elsewhere == {file.name for file in (hls_dir() / "rtl").glob("*.sv")}
