# SPDX-License-Identifier: Apache-2.0
"""Numbers as a reader sees them."""

from __future__ import annotations

from swm.report.evidence import Accuracy

__all__ = ["NONE", "NOT_STATED", "counted", "interval", "percent", "quantity", "share"]

NONE = "-"
"""Where a figure cannot be: of a design that cannot exist."""
NOT_STATED = "not stated"
"""Power and energy on a board whose file has no [power]."""


def quantity(value: float | None) -> str:
    """Three significant digits, thousands separated, no exponent: 0.0123, 1.23, 12.3, 123, 1,230, 85,300."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if abs(value) >= 100:
        digits = max(0, len(str(int(abs(value)))) - 3)
        return f"{round(value, -digits):,.0f}"
    text = f"{value:#.3g}"
    return (f"{value:.9f}" if "e" in text else text).rstrip(".")


def counted(value: int | None) -> str:
    """A whole number, thousands separated; a dash where there is none."""
    return NONE if value is None else f"{value:,}"


def percent(part: float | None) -> str:
    """A fraction as a percentage; a dash where there is none."""
    return NONE if part is None else f"{part:.0%}"


def share(one: Accuracy) -> str:
    """A measured share with two digits."""
    return "not measured" if one.share is None else f"{100 * one.share:.2f} %"


def interval(one: Accuracy) -> str:
    """Its 95 % interval in percent; a dash where it is not known."""
    return NONE if one.interval is None else f"{100 * one.interval[0]:.1f} to {100 * one.interval[1]:.1f}"
