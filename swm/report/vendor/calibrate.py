# SPDX-License-Identifier: Apache-2.0
"""A board's power, recalibrated by the power report of a design of swm's that a user's own tool implemented."""

from __future__ import annotations

from dataclasses import dataclass

from swm.device.board import DynamicPower, PowerModel, StaticPower
from swm.errors import OptionError
from swm.report.figures import DesignFigures
from swm.report.vendor.values import Reading, VendorReport

__all__ = ["Recalibration", "recalibrate"]

FURTHEST = 8.0
"""Times that a report of the very design may lie from the model, either way: of 17 designs of others the furthest is
5.1 times off, half are within 1.2 (docs/validation.md)."""


@dataclass(frozen=True)
class Recalibration:
    """What a report changes.

    Attributes:
        power: the board's, with new static power and scaled coefficients.
        report: where it comes from.
        modelled_w: dynamic power of the logic as swm modelled it, at the report's clock.
        reported_w: the same as reported: clocks, logic, signals, memories and DSP, without I/O and processor.
    """

    power: PowerModel
    report: VendorReport
    modelled_w: float
    reported_w: float

    @property
    def factor(self) -> float:
        """What the coefficients are multiplied by."""
        return self.reported_w / self.modelled_w


def recalibrate(design: DesignFigures, reading: Reading) -> Recalibration:
    """The board's power by the one power report of a routed design (or, without such, of one of an earlier state).

    Args:
        design: what was implemented: its board, and what swm modelled for it.
        reading: the tools' reports.

    Raises:
        OptionError: The board states no power, there is no power report or several, or it is of another device, says
            too little or is too far from the model to be of this design.
    """
    board = design.plan.board
    if board.power is None or design.watts is None:
        raise OptionError(f"board '{board.name}' states no power, or does not hold the design: nothing to calibrate")
    report = _one([r for r in reading.reports if r.kind == "power" and r.tool == "Vivado"], reading.folder)
    part = "".join(c for c in (report.part or "").lower() if c.isalnum())
    if board.device.lower() not in part:
        raise OptionError(f"{report.path} is of {report.part or 'an unnamed device'}, the project of {board.device}")
    logic, clock_ns = report.more.get("logic_w"), report.more.get("clock_ns")
    static, junction = report.values.get("static_w"), report.more.get("junction_c")
    if not (isinstance(logic, float) and isinstance(static, float) and isinstance(junction, float) and logic > 0):
        raise OptionError(f"{report.path} has no power by component, no static power or no junction temperature")
    if not isinstance(clock_ns, float):
        raise OptionError(f"{report.path} has no clock, or several: which of them the logic runs at is not known")
    modelled = design.watts.dynamic * (1e3 / clock_ns) / design.plan.clock_mhz
    factor, old = logic / modelled, board.power.dynamic
    if not 1 / FURTHEST <= factor <= FURTHEST:
        raise OptionError(
            f"{report.path} has {logic:.3g} W of logic where {modelled:.3g} W are modelled for this project, further"
            f" apart than {FURTHEST:g} times: is it of this project, routed, with its activity?"
        )
    said = f"{report.tool} {report.version or ''} report_power of {report.top or 'a design'} by swm ({report.path})"
    dynamic = DynamicPower(
        **{name: getattr(old, name) * factor for name in ("dsp", "bram36", "lut", "ff")},
        kind="modelled",
        source=f"coefficients of swm times {factor:.2f}, by {said}: {logic:.3f} W of logic, {modelled:.3f} W modelled",
    )
    kept = StaticPower(watts=static, junction_c=junction, kind="modelled", source=said)
    power = board.power.model_copy(update={"static": kept, "dynamic": dynamic})
    return Recalibration(power, report, modelled, logic)


def _one(reports: list[VendorReport], folder: str) -> VendorReport:
    routed = [r for r in reports if (r.state or "").lower() == "routed"] or reports
    if not routed:
        raise OptionError(f"no power report of Vivado (report_power) below {folder!r}")
    if len(routed) > 1:
        names = ", ".join(r.path for r in routed)
        raise OptionError(f"several power reports below {folder!r}: {names}; give a folder with one")
    return routed[0]
