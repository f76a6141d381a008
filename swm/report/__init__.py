# SPDX-License-Identifier: Apache-2.0
"""Reports: a structured network beside its dense twin, as data, as text, as Markdown and as a page."""

from __future__ import annotations

from swm.report.boards import listing, target_table, target_to_json
from swm.report.compare import compare, compare_design, compare_networks
from swm.report.evidence import Accuracy, Evidence, Loss, Verified
from swm.report.explored import Explored, read_explored
from swm.report.figures import DesignFigures, StreamFigures, design_figures
from swm.report.provenance import Provenance
from swm.report.to_html import to_html
from swm.report.to_json import to_json
from swm.report.to_markdown import to_markdown
from swm.report.to_text import to_text
from swm.report.value import BoardReport, Gain, Report

__all__ = [
    "Accuracy",
    "BoardReport",
    "DesignFigures",
    "Evidence",
    "Explored",
    "Gain",
    "Loss",
    "Provenance",
    "Report",
    "StreamFigures",
    "Verified",
    "compare",
    "compare_design",
    "compare_networks",
    "design_figures",
    "listing",
    "read_explored",
    "target_table",
    "target_to_json",
    "to_html",
    "to_json",
    "to_markdown",
    "to_text",
]
