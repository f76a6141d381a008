# SPDX-License-Identifier: Apache-2.0
"""Reads the reports that a user's own tools wrote: HLS, synthesis, place and route, power; AMD, Intel, open tools.

One file a kind of report; each offers `recognise(head)` and `parse(text)`, and `read.py` holds the list of them.
"""

from swm.report.vendor.calibrate import Recalibration, recalibrate
from swm.report.vendor.present import modelled_figures, reading_lines, reading_to_json
from swm.report.vendor.read import read_reports
from swm.report.vendor.values import Reading, Skipped, VendorReport

__all__ = [
    "Reading",
    "Recalibration",
    "Skipped",
    "VendorReport",
    "modelled_figures",
    "read_reports",
    "reading_lines",
    "reading_to_json",
    "recalibrate",
]
