# SPDX-License-Identifier: Apache-2.0
"""Reports: a structured network beside its dense twin, as data, as text and as a page."""

from __future__ import annotations

from swm.report.boards import board_table, board_to_json, boards_table
from swm.report.compare import BoardReport, Design, Gain, Report, compare
from swm.report.to_html import to_html
from swm.report.to_json import to_json
from swm.report.to_text import to_text

__all__ = [
    "BoardReport",
    "Design",
    "Gain",
    "Report",
    "board_table",
    "board_to_json",
    "boards_table",
    "compare",
    "to_html",
    "to_json",
    "to_text",
]
