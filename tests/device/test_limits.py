# SPDX-License-Identifier: Apache-2.0
"""Shares of a device: what is above them, and which are impossible."""

import pytest

from swm.device import Limits, Usage, load_board
from swm.errors import OptionError


def test_what_is_above_its_limit_is_named():
    capacity = load_board("pynq-z2").resources
    assert Limits().excess(Usage(dsp=176, bram18=224, lut=37_240, ff=53_200), capacity) == {}
    over = Limits().excess(Usage(dsp=177, bram18=224, lut=74_480, ff=53_200), capacity)
    assert over == {"lut": pytest.approx(2), "dsp": pytest.approx(177 / 176)}


def test_ultraram_where_there_is_none():
    over = Limits().excess(Usage(0, 0, 0, 0, uram=1), load_board("pynq-z2").resources)
    assert over == {"uram": float("inf")}


def test_no_limit():
    capacity = load_board("pynq-z2").resources
    assert Limits(lut=float("inf")).excess(Usage(0, 0, 10**9, 0), capacity) == {}


@pytest.mark.parametrize("name", ["lut", "ff", "bram18", "dsp", "uram"])
@pytest.mark.parametrize("share", [0, -1, float("nan")])
def test_impossible_shares(name, share):
    with pytest.raises(OptionError, match=f"limit {name}: .* is not a positive share"):
        Limits(**{name: share})
