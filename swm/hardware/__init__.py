# SPDX-License-Identifier: Apache-2.0
"""Boards, schedules, resources, power: what a network costs on a device, before any vendor tool has run."""

from __future__ import annotations

from swm.hardware.board import Board, board_names, load_board
from swm.hardware.layout import FILL, LayerSchedule, Process, Schedule
from swm.hardware.power import Energy, Power, energy, power
from swm.hardware.resources import Estimate, LayerUsage, ProcessUsage, Usage, estimate
from swm.hardware.schedule import Limits, schedule

__all__ = [
    "FILL",
    "Board",
    "Energy",
    "Estimate",
    "LayerSchedule",
    "LayerUsage",
    "Limits",
    "Power",
    "Process",
    "ProcessUsage",
    "Schedule",
    "Usage",
    "board_names",
    "energy",
    "estimate",
    "load_board",
    "power",
    "schedule",
]
