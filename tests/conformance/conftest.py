# SPDX-License-Identifier: Apache-2.0
"""Prints the conformance counts by operator at the end of the run, gathered from all workers."""

import pytest


def pytest_terminal_summary(terminalreporter):
    rows = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                rows |= {key: counts for key, counts in report.user_properties if key.startswith("onnx:")}
    if not rows:
        return
    terminalreporter.section("conformance: cases / passed by onnxruntime / by swm.run / after load and save")
    for key, counts in sorted(rows.items()):
        terminalreporter.write_line(f"{key.removeprefix('onnx:'):32}" + " ".join(f"{n:6}" for n in counts))
    totals = [sum(column) for column in zip(*rows.values(), strict=True)]
    terminalreporter.write_line(f"{'all':32}" + " ".join(f"{n:6}" for n in totals))
