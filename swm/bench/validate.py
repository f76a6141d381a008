# SPDX-License-Identifier: Apache-2.0
"""How far swm's models are from what others' tools reported and boards measured (`swm bench validate`)."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from swm.bench.validate_loops import loop_errors, loops_of_reports, published_schedule
from swm.bench.validate_power import held_out, measured_boards, power_rows
from swm.bench.validate_resources import operators, operators_of_reports, percentile, report_errors, resource_errors
from swm.errors import OptionError
from swm.progress import Progress, told

__all__ = ["POWER_GOAL", "run_validation"]

POWER_GOAL = 0.35
"""Median absolute error of the dynamic power of the logic to reach, whole repositories left out."""


def run_validation(
    *, reports: str | Path | None = None, power: str | Path | None = None, progress: Progress | bool | None = None
) -> dict[str, Any]:
    """Hold the models against reports and measurements.

    Args:
        reports: folder with csynth reports, for the rules of operators and memories.
        power: CSV of Vivado's power reports, for the coefficients; see `swm.bench.validate_power`.
        progress: called as progress(what, parts done, parts).

    Raises:
        OptionError: The folder or the CSV cannot be read, or holds nothing to compare.
    """
    result: dict[str, Any] = {"benchmark": "validate", "resources": [], "reports": [], "loops": [], "power": None}
    with told(progress) as say:
        if reports is not None:
            say("operators of csynth reports", 0, 3)
            found = operators_of_reports(reports)
            if not found:
                raise OptionError(f"no csynth report with tables of operators (.rpt) below {str(reports)!r}")
            result["resources"], result["reports"] = resource_errors(operators(found)), report_errors(found)
            result["loops"] = loop_errors(loops_of_reports(reports))
        if power is not None:
            say("power reports", 1, 3)
            result["power"] = _power(power)
        say("measured boards", 2, 3)
        result["boards"] = measured_boards()
        result["schedule"] = published_schedule()
    return result


def _power(path: str | Path) -> dict[str, Any]:
    rows, left_out = power_rows(path)
    found = held_out(rows)
    if not found:
        raise OptionError(
            f"{str(path)!r} has no report that others of its family could predict; {left_out or 'no rows'}"
        )
    return {
        "rows": found,
        "left_out": left_out,
        "repositories": len({row["repo"] for row in found}),
        "families": {
            family: _spread([row for row in found if row["family"] == family])
            for family in sorted({row["family"] for row in found})
        },
        **_spread(found),
        "median_error_shipped": statistics.median(abs(row["shipped_w"] / row["reported_w"] - 1) for row in found),
        "goal": POWER_GOAL,
    }


def _spread(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The median absolute error, and the tenth and ninetieth percentile of reported over modelled."""
    ratios = [row["reported_w"] / row["modelled_w"] for row in rows]
    return {
        "reports": len(rows),
        "median_error": statistics.median(abs(row["error"]) for row in rows),
        "low": percentile(ratios, 0.1),
        "high": percentile(ratios, 0.9),
    }
