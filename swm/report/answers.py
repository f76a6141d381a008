# SPDX-License-Identifier: Apache-2.0
"""The four questions of a report with their answers: does it fit, how fast, how much energy, how much is lost."""

from __future__ import annotations

from dataclasses import dataclass

from swm.report.energy_split import board_watts
from swm.report.figures import DesignFigures
from swm.report.network import network_figures
from swm.report.numbers import NOT_STATED, interval, quantity, share
from swm.report.sentences import lost_words
from swm.report.value import BoardReport, Report

__all__ = ["SUMMARY_HEAD", "Answer", "answers", "summary_rows"]

SUMMARY_HEAD = ("board", "fits", "dense twin", "inferences/s", "dense twin", "uJ each", "dense twin")
_RESOURCES = ("dsp", "bram18", "uram", "lut", "ff")


@dataclass(frozen=True)
class Answer:
    """One question.

    Attributes:
        question: as a reader asks it.
        answer: in a word or a number with its unit.
        twin: the same of the dense twin.
        more: what else belongs to it.
        error: how far it may be off, and how it is known.
        bad: whether it says no.
    """

    question: str
    answer: str
    twin: str
    more: str
    error: str
    bad: bool = False


def answers(report: Report, row: BoardReport) -> tuple[Answer, ...]:
    """The four answers for a board."""
    return _fits(report, row), _speed(report, row), _energy(report, row), _lost(report)


def _fits(report: Report, row: BoardReport) -> Answer:
    design, level = row.structured, " before routing" if row.bands["lut"].level else ""
    errors = ", ".join(
        f"{row.board.labels[key]} {_percent(row.bands[key].median)}" for key in _RESOURCES if key != "uram"
    )
    twin = "yes" if row.dense.fits else f"no; {_fullest(row.dense)}"
    return Answer(
        "Does it fit?",
        "Yes" if design.fits else "No",
        _twin(report, twin),
        _fullest(design),
        f"modelled; median errors{level}: {errors}",
        bad=not design.fits,
    )


def _percent(part: float | None) -> str:
    return "not known" if part is None else f"{100 * part:.0f} %"


def _fullest(design: DesignFigures) -> str:
    """The resource of which most of the device is taken, or what is beyond it."""
    if design.beyond_supply:
        return design.beyond_supply
    has, used = design.plan.board.resources, design.used.routed
    shares = {key: getattr(used, key) / max(has.of(key), 0.5) for key in _RESOURCES}
    most = max(shares, key=lambda key: shares[key])
    held, taken, name = has.of(most), getattr(used, most), design.plan.board.labels[most]
    return f"fullest: {name}, {taken:,} of {held:,}" + (f" ({taken / held:.0%})" if held else "")


def _speed(report: Report, row: BoardReport) -> Answer:
    design, band = row.structured, row.bands["interval"]
    if not design.fits:
        words = "what cannot be built has no speed"
        return Answer("How fast?", "None", _twin(report, _rate(row.dense)), words, "", bad=True)
    gain = f"; this is {quantity(row.gain.throughput)} x as fast" if row.gain.throughput is not None else ""
    error = (
        f"error of the interval: {band.short}"
        if band.median is not None
        else "no co-simulation has checked the interval"
    )
    return Answer(
        "How fast?",
        _rate(design),
        _twin(report, f"{_rate(row.dense)}{gain}"),
        f"latency {quantity(design.latency_us)} us, at {quantity(design.plan.clock_mhz)} MHz",
        f"modelled; {error}",
    )


def _rate(design: DesignFigures) -> str:
    return "none" if design.inferences_per_s is None else f"{quantity(design.inferences_per_s)} inferences/s"


def _energy(report: Report, row: BoardReport) -> Answer:
    design, rate = row.structured, row.structured.inferences_per_s
    if row.board.power is None:
        return Answer("How much energy?", NOT_STATED, _twin(report, NOT_STATED), "the board's file has no [power]", "")
    if design.watts is None or rate is None:
        words = "what cannot be built takes no energy"
        return Answer("How much energy?", "None", _twin(report, _joules(row.dense)), words, "", bad=True)
    gain = f", {quantity(row.gain.energy)} x as much" if row.gain.energy is not None else ""
    more = f"{design.watts.total:.2f} W of the device"
    error = f"modelled; dynamic part off by {row.bands['dynamic_w'].short}"
    whole = board_watts(design, row.bands["board_j"])
    if whole is not None:
        more += f"; {quantity(1e6 * whole / rate)} uJ of the whole board"
        error += f", whole boards by {row.bands['board_j'].short}"
    return Answer("How much energy?", _joules(design), _twin(report, f"{_joules(row.dense)}{gain}"), more, error)


def _joules(design: DesignFigures) -> str:
    return "none" if design.joules is None else f"{quantity(1e6 * design.joules.total)} uJ per inference"


def _twin(report: Report, words: str) -> str:
    return f"dense twin: {words}" if network_figures(report).structured else "is its own dense twin"


def _lost(report: Report) -> Answer:
    found, question = report.loss, "How much accuracy is lost?"
    if found is None or found.after.share is None:
        more = "the command that measures it stands below" if report.evidence.remedy else "nobody measured it"
        return Answer(question, "Not known", "dense original: not measured beside it", more, "")
    after, before = found.after, found.before
    name = "this design" if after.network == "fixed" else "converted, before fixed point"
    twin = "compared with the dense original itself" if before is None else f"dense original, float: {share(before)}"
    where = f"measured on {after.samples:,} samples" if after.samples else "measured"
    spread = f"; 95 %: {interval(after)} %" if after.interval else ""
    return Answer(question, lost_words(found), twin, f"{name}: {share(after)}", where + spread)


def summary_rows(report: Report) -> list[tuple[str, ...]]:
    """Both designs on each board, as in `SUMMARY_HEAD`."""
    return [
        (
            row.board.name,
            *("yes" if d.fits else "NO" for d in (row.structured, row.dense)),
            *(quantity(d.inferences_per_s) for d in (row.structured, row.dense)),
            *(quantity(d.joules.total * 1e6 if d.joules else None) for d in (row.structured, row.dense)),
        )
        for row in report.boards
    ]
