# SPDX-License-Identifier: Apache-2.0
"""What a build with AMD's tools, or Intel's, came to, as a value; `swm/vendortools/` makes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from swm.report.measured import Area
from swm.report.vendor.present import reading_to_json
from swm.report.vendor.values import Reading, number

__all__ = ["StepDone", "VendorBuild"]

ROUTED = (
    *("impl_utilization.rpt", "build_utilization.rpt", "board_utilization.rpt"),
    *("build.fit.rpt", "board.fit.rpt"),
)
"""Reports of a routed design, as the scripts of templates/board and templates/rtl name them."""
FITTED = {"lut": "alut", "m10k": "ram_blocks"}
"""What the fitter's report of an Intel device has under names of its own."""


@dataclass(frozen=True)
class StepDone:
    """A step of a build: its tool with the version, wall seconds; `run`: in this build, not in one before."""

    name: str
    tool: str
    seconds: float
    run: bool


@dataclass(frozen=True)
class VendorBuild:
    """What a vendor's tools made of a project.

    Attributes:
        board: its name.
        tools: with their versions.
        steps: in order.
        clock_mhz: that was asked for.
        fmax_mhz: of the routed design, by the tool's timing analysis; None where nothing was routed.
        missed: the clock is missed, so that there is no bitstream.
        bitstream: what the board is loaded with, a file in the project; empty where there is none.
        reading: what the tools reported of the design's top.
        seconds: wall time of this build.
    """

    board: str
    tools: tuple[str, ...]
    steps: tuple[StepDone, ...]
    clock_mhz: float
    fmax_mhz: float | None
    missed: bool
    bitstream: str
    reading: Reading
    seconds: float

    @property
    def met(self) -> bool:
        """Whether no clock was missed."""
        return not self.missed

    @property
    def routed(self) -> Area | None:
        """What the routed design takes, the board's own logic included; None where no report says it."""
        for report in reversed(self.reading.reports):
            if report.kind in ("utilization", "fit") and report.path.endswith(ROUTED):
                known = {f.name: report.values.get(f.name) for f in fields(Area)}
                known |= {
                    name: number(str(report.more.get(other))) for name, other in FITTED.items() if other in report.more
                }
                return Area(**{name: int(value) for name, value in known.items() if value is not None})
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain types; `steps`, `fmax_mhz`, `bitstream` (null where there is none), `reports` of `swm report`."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "reading"}
        return {
            **plain,
            "tools": list(self.tools),
            "steps": [asdict(step) for step in self.steps],
            "kind": "measured",
            "met": self.met,
            "bitstream": self.bitstream or None,
            "reports": reading_to_json(self.reading)["reports"],
        }
