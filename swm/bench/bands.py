# SPDX-License-Identifier: Apache-2.0
"""What a validation found, as the error bands that reports show (`swm/report/bands.json`)."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from swm.accelerator.backend import GENERIC, RTL, VITIS
from swm.bench.area_designs import CYCLONE
from swm.bench.validate_resources import percentile
from swm.errors import OutputError
from swm.opentools import find_family
from swm.report.bands import Band, write_bands

__all__ = ["keep_bands", "of_area", "of_validation"]

_OF_REPORTS = (
    "the operators of each public csynth report together, before routing; csynth over routed was {pairs} in pairs of "
    "public reports"
)
_PAIRS = {"lut": "1.66 to 2.33", "ff": "1.0 to 3.3", "dsp": "0.96 to 1.11", "bram18": "1.0 to 1.47"}


def keep_bands(found: Iterator[Band], path: str | Path) -> None:
    """Put what was found into a file of bands, in the place of what it said of the same figures.

    Raises:
        OutputError: the file cannot be read as one of bands, or not be written.
    """
    try:
        write_bands(found, Path(path))
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{str(path)!r} is not a file of error bands: {error}") from error


def of_validation(result: Mapping[str, Any], date: str) -> Iterator[Band]:
    """The bands of `run_validation`: resources and loops of C++ back ends, dynamic power by family, measured boards."""
    for row in result["reports"]:
        for backend in (VITIS, GENERIC):
            yield Band(
                row["resource"],
                _OF_REPORTS.format(pairs=_PAIRS[row["resource"]]),
                median=row["median_error"],
                low=row["low"],
                high=row["high"],
                rows=row["reports"],
                command="swm bench validate --reports DIR",
                date=date,
                backend=backend.name,
                level="HLS",
            )
    for row in result["loops"]:
        yield from _loops(row, date)
    if result["power"] is not None:
        for family, row in (("", result["power"]), *result["power"]["families"].items()):
            yield Band(
                "dynamic_w",
                "Vivado's report_power of public designs with their counts given, each repository predicted from the "
                f"others of {'its family' if family else 'its family, all families together'}",
                median=row["median_error"],
                low=row["low"],
                high=row["high"],
                rows=len(row["rows"]) if "rows" in row else row["reports"],
                command="swm bench validate --power FILE.csv",
                date=date,
                family=family,
            )
    yield from _boards(result["boards"], date)


def _loops(row: Mapping[str, Any], date: str) -> Iterator[Band]:
    """Of intervals and latencies of the C++ back ends, which are made of loops."""
    steady = row["what"] == "ii"
    of_each = "cycles an iteration, 1 in all of swm's loops" if steady else "iterations at one a cycle and a fill each"
    against = (
        f"{row['loops']} pipelined loops in csynth reports of {row['projects']} public repositories: {of_each}; none "
        "of swm's is among them, C simulation counts the same iterations, but no tool has confirmed II = 1 or the clock"
    )
    places = [("interval", VITIS)] if steady else [("latency", VITIS), ("interval", GENERIC), ("latency", GENERIC)]
    for figure, backend in places:
        yield Band(
            figure,
            against,
            median=row["median_error"],
            low=row["low"],
            high=row["high"],
            rows=row["loops"],
            command="swm bench validate --reports DIR",
            date=date,
            backend=backend.name,
            level="loops of others",
        )


def _boards(rows: list[dict[str, Any]], date: str) -> Iterator[Band]:
    for board in dict.fromkeys(row["board"] for row in rows):
        own = [row for row in rows if row["board"] == board]
        ratios = [row["measured_j"] / row["board_j"] for row in own]
        yield Band(
            "board_j",
            "whole boards measured with a Joulescope (MLPerf Tiny) at the rate that was measured; what the board takes "
            "beside its device is from its other rows; networks whose shapes are not known stand without logic",
            median=statistics.median(abs(row["board_error"]) for row in own),
            low=percentile(ratios, 0.1),
            high=percentile(ratios, 0.9),
            rows=len(own),
            command="swm bench validate",
            date=date,
            board=board,
            beside_w=round(max(0.0, statistics.median(row["measured_w"] - row["device_w"] for row in own)), 3),
        )


def of_area(result: Mapping[str, Any], date: str) -> Iterator[Band]:
    """The bands of `run_area`: resources of back end rtl, layers that no fit has seen against yosys."""
    layers: dict[tuple[str, str], dict[str, list[int]]] = {}
    unseen = [row for row in result["rows"] if row["held_out"]]
    families = " and ".join(dict.fromkeys(row["family"] for row in unseen))
    alone = result.get("family", "xc7") != "xc7"  # others are priced as 7-series parts are
    option = f" --family {result['family']}" if alone else ""
    vendor = "Quartus" if alone and result["family"] == CYCLONE else "Vivado"
    for row in unseen:
        for name in ("lut", "ff", "dsp", "bram18"):
            sums = layers.setdefault((row["case"], row["family"]), {}).setdefault(name, [0, 0])
            sums[0] += row["measured"][name]
            sums[1] += row["predicted"][name]
    for name in ("lut", "ff", "dsp", "bram18"):
        pairs = [found[name] for found in layers.values() if all(found[name])]
        if not pairs:
            continue
        ratios = [measured / modelled for measured, modelled in pairs]
        yield Band(
            name,
            f"single layers mapped by {result['tool']} for {families}, not routed; not what {vendor} would map",
            median=statistics.median(abs(modelled / measured - 1) for measured, modelled in pairs),
            low=percentile(ratios, 0.1),
            high=percentile(ratios, 0.9),
            rows=len(pairs),
            command=f"swm bench area{option}{' --quick' if result['quick'] else ''}",
            date=date,
            family=find_family(result["family"]).board if alone else "",
            backend=RTL.name,
        )
