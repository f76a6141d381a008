# SPDX-License-Identifier: Apache-2.0
"""Exploration: block sizes, bits and boards of one network, measured and modelled, and the Pareto front of them."""

from __future__ import annotations

from swm.explore.exploration import Exploration
from swm.explore.point import OBJECTIVES, Point
from swm.explore.present import front_tables, summary_lines

__all__ = ["OBJECTIVES", "Exploration", "Point", "front_tables", "summary_lines"]
