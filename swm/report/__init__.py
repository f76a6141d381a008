# SPDX-License-Identifier: Apache-2.0
"""Reports: a structured network beside its dense twin, as data, as text and as a page."""

from __future__ import annotations

from swm.report.boards import board_table, board_to_json, boards_table
from swm.report.compare import BoardReport, Gain, Report, compare, compare_design, compare_networks
from swm.report.figures import DesignFigures, StreamFigures, design_figures
from swm.report.provenance import Provenance
from swm.report.to_html import to_html
from swm.report.to_json import to_json
from swm.report.to_text import to_text

__all__ = [
    "BoardReport",
    "DesignFigures",
    "Gain",
    "Provenance",
    "Report",
    "StreamFigures",
    "board_table",
    "board_to_json",
    "boards_table",
    "compare",
    "compare_design",
    "compare_networks",
    "design_figures",
    "to_html",
    "to_json",
    "to_text",
]
