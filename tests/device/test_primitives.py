# SPDX-License-Identifier: Apache-2.0
"""Operators against csynth rows of public reports, against arithmetic, and against the shapes of the device."""

import pytest

from swm.device import load_board
from swm.device.primitives import (
    MAX_STREAM_BITS,
    NOTHING,
    PREFERRED_BITS,
    Cost,
    Usage,
    adder,
    constant_adders,
    constant_multiplier,
    hls_level,
    multiplexer,
    multiplier,
    packed_multiplier,
    packing_guard,
    packs,
    register,
    routed,
)

E1, E2 = load_board("pynq-z2").dsp_ports, load_board("zcu104").dsp_ports


def test_costs_add_up():
    one = Cost(dsp=1, bram18=2, uram=3, logic=4.5, memory=5, ff=6)
    assert one.plus(one, NOTHING) == one.times(2)
    assert one.lut == 9.5
    assert NOTHING.times(7) == NOTHING


def test_two_levels():
    cost = Cost(dsp=3, bram18=2, uram=1, logic=100, memory=50, ff=55)
    assert routed(cost) == Usage(dsp=3, bram18=2, lut=150, ff=55, uram=1)
    assert hls_level(cost) == Usage(dsp=3, bram18=2, lut=250, ff=100, uram=1)


@pytest.mark.parametrize("bits", [16, 32, 48])
def test_csynth_reports_seven_more_for_an_adder(bits):
    assert adder(bits).lut == bits
    assert adder(bits).ff == bits
    assert adder(bits, registered=False).ff == 0
    assert hls_level(adder(bits)).lut >= bits + 7  # 23, 39, 55 in public reports


@pytest.mark.parametrize(("inputs", "a_bit"), [(1, 0), (2, 0.5), (3, 1), (4, 1), (8, 2), (16, 4), (17, 5.5), (64, 17)])
def test_multiplexers(inputs, a_bit):
    assert multiplexer(inputs, 10).lut == 10 * a_bit


@pytest.mark.parametrize(("a", "b", "csynth"), [(6, 5, 23), (8, 6, 40), (9, 7, 50), (10, 7, 62)])
def test_multipliers_in_luts_lie_between_the_two_tables(a, b, csynth):
    finn = (2 * -(-(a + b) // 6) - 1) * (a + b)
    assert csynth <= multiplier(a, b, E1, fabric=True).lut <= finn
    assert multiplier(a, b, E1, fabric=True).dsp == 0
    assert multiplier(b, a, E1, fabric=True) == multiplier(a, b, E1, fabric=True)


def test_a_factor_of_one_bit_is_a_gate():
    assert multiplier(8, 1, E1, fabric=True).lut == 4


@pytest.mark.parametrize(
    ("a", "b", "dsp"),
    [(5, 5, 1), (16, 5, 1), (18, 11, 1), (18, 25, 1), (25, 18, 1), (14, 32, 2), (32, 17, 2), (18, 32, 2), (32, 32, 4)],
)
def test_multipliers_on_dsps(a, b, dsp):
    assert multiplier(a, b, E1).dsp == dsp


def test_port_width_decides():
    assert multiplier(18, 27, E1).dsp == 2
    assert multiplier(18, 27, E2).dsp == 1


@pytest.mark.parametrize(
    ("a", "b", "on_e1", "on_e2"),
    [
        (8, 8, True, True),
        (7, 7, True, True),
        (6, 6, True, True),
        (9, 8, False, True),
        (9, 9, False, True),
        (10, 9, False, False),
        (4, 14, True, True),
        (4, 19, False, False),
    ],
)
def test_two_products_in_one_dsp(a, b, on_e1, on_e2):
    assert packs(a, b, E1) == on_e1
    assert packs(a, b, E2) == on_e2


@pytest.mark.parametrize(("a", "b", "ports"), [(8, 8, E2), (7, 7, E1), (3, 2, E1)])
def test_packed_products_stay_apart(a, b, ports):
    """The sums that the guard bits promise, at the extremes, split back into both exactly."""
    guard = packing_guard(a, b, ports)
    shift = a + b + guard
    low_a, low_b = -(1 << (a - 1)), -(1 << (b - 1))
    values = [(x, y, c) for x in (low_a, -low_a - 1) for y in (low_a, -low_a - 1) for c in (low_b, -low_b - 1)]
    for x, y, c in values:
        joined = (x << shift) + y
        assert -(1 << (ports.wide - 1)) <= joined < 1 << (ports.wide - 1)
        total = sum(joined * c for _ in range((1 << (guard + 1)) - 1))
        low = ((total + (1 << (shift - 1))) & ((1 << shift) - 1)) - (1 << (shift - 1))
        count = (1 << (guard + 1)) - 1
        assert (low, (total - low) >> shift) == (count * y * c, count * x * c)


def test_packed_multiplier():
    assert packed_multiplier(8, 8, E2).dsp == 1
    assert packing_guard(8, 8, E2) == 2
    with pytest.raises(ValueError, match="do not fit"):
        packed_multiplier(9, 8, E1)


@pytest.mark.parametrize(
    ("constant", "adders"), [(0, 0), (1, 0), (64, 0), (3, 1), (7, 1), (-7, 1), (45, 2), (46341, 4), (65535, 1)]
)
def test_adders_of_a_constant(constant, adders):
    assert constant_adders(constant) == adders


def test_constants_never_take_more_than_their_signed_digits():
    for c in range(1, 3000):
        digits, left = 0, c
        while left:
            if left & 1:
                left -= 2 - (left & 3)
                digits += 1
            left >>= 1
        assert constant_adders(c) <= digits - 1 + (digits == 0)


def test_the_root_half_rotation_takes_no_dsp():
    cost = constant_multiplier(14, 46341)
    assert cost.dsp == 0
    assert cost.lut == 80


def test_widths_of_streams():
    assert (MAX_STREAM_BITS, PREFERRED_BITS) == (4096, 1024)
    assert register(12) == Cost(ff=12)
