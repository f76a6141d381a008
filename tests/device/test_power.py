# SPDX-License-Identifier: Apache-2.0
"""The power formula against published report_power rows, and its arithmetic."""

import csv

import pytest

from swm.device import Usage, energy, load_board, power
from swm.device.power import dynamic_watts
from swm.errors import OptionError

DYNAMIC_RANGE = (0.6, 1.6)  # of reports that the coefficients were read from; unseen ones: swm/report/bands.json
SEVEN, MPSOC = load_board("pynq-z2").power.dynamic, load_board("zcu104").power.dynamic


# repository, coefficients, MHz, DSP, BRAM36, LUT, FF, dynamic W without I/O, clock manager and processor
# (clocks + logic + signals + BRAM + DSP of Vivado's report_power). The coefficients were read from reports that
# include these: this checks the formula and the stated range, not the model on unseen designs.
PUBLISHED = [
    ("seanlipps/ECE226_CoDesign", MPSOC, 200, 467, 12, 7722, 4864, 0.576),
    ("mzybest/MDC-NTT", SEVEN, 100, 596, 10, 65261, 21221, 2.374),
    ("NotCleo/TPU-Cores", SEVEN, 100, 133, 96, 4184, 4567, 0.277),
    ("I-am-VarunM/ZCU104_src_power", MPSOC, 100, 513, 192, 95719, 79687, 1.338),
]


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda r: r[0].split("/")[1])
def test_published_designs(row):
    _, coefficients, mhz, dsp, bram, lut, ff, reported = row
    modelled = dynamic_watts(coefficients, mhz, dsp=dsp, bram36=bram, lut=lut, ff=ff)
    low, high = DYNAMIC_RANGE
    assert low * modelled <= reported <= high * modelled


def test_a_design_that_the_20_nm_coefficients_were_not_read_from():
    """Routed N3 fabric of user-namema/FPGA-Mambahsi on XCKU060, 100 MHz, simulated activity: all but its I/O, in W."""
    modelled = dynamic_watts(
        load_board("adm-pcie-ku3").power.dynamic, 100, dsp=2192, bram36=692, lut=155_003, ff=171_958
    )
    reported = 0.471 + 0.824 + 1.265 + 2.011 + 0.863
    assert modelled == pytest.approx(4.93, abs=0.01)
    assert DYNAMIC_RANGE[0] * modelled <= reported <= DYNAMIC_RANGE[1] * modelled


def test_published_rows_are_those_of_the_table(shared):
    with (shared / "facts" / "vivado_power_reports.csv").open() as file:
        table = list(csv.DictReader(file))
    for repo, _, mhz, dsp, bram, lut, ff, reported in PUBLISHED:
        rows = [r for r in table if r["repo"] == repo and r["lut_n"] == str(lut)]
        assert len(rows) == 1
        r = rows[0]
        assert (float(r["dsp_n"]), float(r["bram_tiles"]), float(r["ff_n"])) == (dsp, bram, ff)
        parts = ("clocks_w", "logic_w", "signals_w", "bram_w", "dsp_w")
        assert sum(float(r[p]) for p in parts) == pytest.approx(reported)
        assert f"={1000 / mhz:.1f}" in r["clocks_ns"]


def test_formula_by_hand():
    board = load_board("pynq-z2")
    watts = power(board, 100, Usage(dsp=100, bram18=100, lut=10_000, ff=10_000))
    assert watts.dynamic == pytest.approx(100e-6 * (100 * 6 + 50 * 19 + 10_000 * 0.25 + 10_000 * 0.066))
    assert watts.total == pytest.approx(0.140 + 1.50 + watts.dynamic)


def test_activity_scales_the_dynamic_part():
    board, used = load_board("arty-a7-100t"), Usage(10, 10, 1000, 1000)
    assert power(board, 100, used, 0.25).dynamic == pytest.approx(2 * power(board, 100, used).dynamic)
    assert power(board, 100, used).processor == 0
    with pytest.raises(OptionError, match="activity"):
        power(board, 100, used, 1.5)


def test_energy_is_power_over_rate():
    board = load_board("zcu104")
    watts = power(board, 200, Usage(1, 1, 1, 1))
    joules = energy(watts, 200e6 / 145)
    assert joules.total == pytest.approx(watts.total * 145 / 200e6)
    assert joules.static == pytest.approx(watts.static * 145 / 200e6)
    for rate in (0, -1, float("nan")):
        with pytest.raises(OptionError, match="inferences_per_s"):
            energy(watts, rate)


def test_ultraram_is_charged_as_a_block():
    board = load_board("kv260")
    one, other = power(board, 200, Usage(0, 0, 0, 0, uram=3)), power(board, 200, Usage(0, 6, 0, 0))
    assert one.dynamic == pytest.approx(other.dynamic)
