# SPDX-License-Identifier: Apache-2.0
"""Boards, what operators and memories cost on them, and the power they draw."""

from __future__ import annotations

from swm.device.board import (
    Board,
    DspPorts,
    board_names,
    board_template,
    load_board,
    load_target,
    resource_labels,
    target_names,
)
from swm.device.calibration import calibration_file, keep_calibration
from swm.device.chip import chip_named
from swm.device.limits import Limits
from swm.device.listed import ListedTarget
from swm.device.power import Energy, Watts, beyond_supply, energy, power
from swm.device.primitives import Cost, Usage, hls_level, routed

__all__ = [
    "Board",
    "Cost",
    "DspPorts",
    "Energy",
    "Limits",
    "ListedTarget",
    "Usage",
    "Watts",
    "beyond_supply",
    "board_names",
    "board_template",
    "calibration_file",
    "chip_named",
    "energy",
    "hls_level",
    "keep_calibration",
    "load_board",
    "load_target",
    "power",
    "resource_labels",
    "routed",
    "target_names",
]
