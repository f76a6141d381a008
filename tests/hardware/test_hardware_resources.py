# SPDX-License-Identifier: Apache-2.0
"""Resources of a schedule, by hand for DSPs and weight memories, and in sum."""

import dataclasses

import pytest

from swm.hardware import LayerSchedule, Schedule, estimate, load_board, schedule
from swm.hardware.board import Overhead
from swm.hardware.primitives import bram18
from swm.hardware.resources import mac_work

BOARD = load_board("pynq-z2")


def _plan(layer):
    return Schedule(BOARD, 100.0, (layer,), (layer.in_vec, layer.out_vec))


def _dsp(layer):
    return {p.name: p.hls.dsp for p in estimate(_plan(layer)).layers[0].processes}


def test_dsps_of_a_circulant_layer(make_layer):
    spec = make_layer("x", "circulant", 512, 784, 8)
    layer = LayerSchedule(spec, fft_lanes=3, mac_blocks=6, mac_bins=4, ifft_lanes=2)
    assert _dsp(layer) == {"rfft": 3 * 4, "mac": 6 * 4 * 4, "irfft": 2 * 4}


def test_blocks_below_eight_need_no_twiddle_multipliers(make_layer):
    layer = LayerSchedule(make_layer("x", "circulant", 64, 64, 4), fft_lanes=2, mac_blocks=4, mac_bins=2)
    assert _dsp(layer) == {"rfft": 0, "mac": 32, "irfft": 0}


def test_narrow_weights_need_no_dsps(make_layer):
    spec = make_layer("x", "circulant", 64, 64, 4, bits=6)  # 6 x 8 = 48
    assert _dsp(LayerSchedule(spec, mac_blocks=4, mac_bins=2))["mac"] == 0


def test_port_width_shows(make_layer):
    spec = make_layer("x", "dense", 4, 4, bits=18)
    assert _dsp(LayerSchedule(spec, rows=2, columns=2)) == {"dense": 4}
    wide = make_layer("x", "circulant", 64, 64, 256, bits=18)  # grown spectra would be 26 bits, here unscaled
    assert wide.spectrum_bits == 26
    assert _dsp(LayerSchedule(wide))["mac"] == 8


def test_activation_tables(make_layer):
    plain = make_layer("x", "scale", 64, 64)
    table = dataclasses.replace(plain, activation="tanh")
    a, b = (estimate(_plan(LayerSchedule(s, 4, 4))).hls for s in (plain, table))
    assert (b.dsp - a.dsp, b.bram18 - a.bram18) == (4, 4)


def test_weight_memory(make_layer):
    spec = make_layer("x", "circulant", 512, 784, 8)
    assert mac_work(spec, BOARD, 6, 4).bram18 == bram18(11 * 1 * 98, 6 * 4 * 2 * 12)
    minimal = mac_work(spec, BOARD, 1, 1).bram18
    assert minimal >= 512 * 784 / 8 * 12 / 18432


@pytest.mark.parametrize("level", ["hls", "routed"])
def test_totals_are_the_sum(structured, level):
    result = estimate(schedule(structured, BOARD))
    total = getattr(result, level)
    rows = [getattr(p, level) for layer in result.layers for p in layer.processes]
    assert total.dsp == sum(r.dsp for r in rows)
    assert total.bram18 == sum(r.bram18 for r in rows)
    assert abs(total.lut - sum(r.lut for r in rows)) <= len(rows)
    assert [la.name for la in result.layers] == ["fc1", "fc2", "fc3", ""]


def test_logic_shrinks_after_routing(structured):
    result = estimate(schedule(structured, BOARD))
    assert 0.5 <= result.routed.lut / result.hls.lut <= 0.7
    assert result.routed.ff / result.hls.ff == pytest.approx(0.55, abs=0.01)
    assert "not calibrated" in result.error


def test_known_overhead_counts(structured):
    extra = Overhead(kind="measured", source="a test", lut=4000, ff=5000, bram18=6, dsp=1)
    plan = schedule(structured, BOARD)
    with_shell = dataclasses.replace(plan, board=BOARD.model_copy(update={"overhead": extra}))
    a, b = estimate(plan).routed, estimate(with_shell).routed
    assert (b.dsp - a.dsp, b.bram18 - a.bram18) == (1, 6)
    assert abs(b.lut - a.lut - 4000) <= 1 and abs(b.ff - a.ff - 5000) <= 1
