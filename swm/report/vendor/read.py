# SPDX-License-Identifier: Apache-2.0
"""Walks a folder and hands each file to the parser that recognises it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from swm.errors import OptionError
from swm.report.vendor import cosim, csynth_rpt, csynth_xml, intel, opentools, vivado
from swm.report.vendor.values import Reading, ReportError, Skipped, VendorReport

__all__ = ["PARSERS", "Parser", "read_reports"]

# What tools give their reports. Other files of a project (sources, netlists, images) are passed over without a word.
SUFFIXES = frozenset({".rpt", ".xml", ".ndjson", ".json", ".log", ".txt", ".app", ".stat", ".summary"})
# Of these, only what is recognised is spoken of: a project is full of them, and few are reports.
QUIET = frozenset({".json", ".log", ".txt", ".xml", ".stat", ".summary"})

MAXIMUM_BYTES = 64 << 20
MAXIMUM_FILES = 20_000
HEAD = 8_192


@dataclass(frozen=True)
class Parser:
    """One kind of report: whether a file is one, from its first characters, and what it says."""

    recognise: Callable[[str], bool]
    parse: Callable[[str], VendorReport]


PARSERS = (
    Parser(csynth_xml.recognise, csynth_xml.parse),
    Parser(csynth_rpt.recognise_summary, csynth_rpt.parse_summary),
    Parser(csynth_rpt.recognise, csynth_rpt.parse),
    Parser(cosim.recognise, cosim.parse),
    Parser(cosim.recognise_variables, cosim.parse_variables),
    Parser(cosim.recognise_transactions, cosim.parse_transactions),
    Parser(vivado.recognise_utilization, vivado.parse_utilization),
    Parser(vivado.recognise_timing, vivado.parse_timing),
    Parser(vivado.recognise_power, vivado.parse_power),
    Parser(intel.recognise, intel.parse),
    Parser(intel.recognise_timing, intel.parse_timing),
    Parser(intel.recognise_oneapi, intel.parse_oneapi),
    Parser(opentools.recognise_yosys_json, opentools.parse_yosys_json),
    Parser(opentools.recognise_nextpnr, opentools.parse_nextpnr),
    Parser(opentools.recognise_yosys, opentools.parse_yosys),
)

# Files that tools write beside their reports, known by a mark in their first characters, and what they are.
OTHERS = (
    ("== Design Size Report", "counts of instructions in the compiler, no figures of hardware"),
    ("<design_size", "counts of instructions in the compiler, no figures of hardware"),
    ("<AutoPilot:project", "a description of the project, no report"),
    ('{"name":"loop_attributes"', "attributes of single loops (oneAPI), no totals"),
)


def read_reports(folder: str | os.PathLike[str]) -> Reading:
    """Every report below a folder, and every file that looks like one and gave no figures, with the reason.

    Files of up to 64 MiB are read; links that lead out of the folder are not followed.

    Raises:
        OptionError: There is no such folder, it cannot be read, or it holds more than 20,000 files that may be reports.
    """
    root = Path(folder)
    if not root.is_dir():
        raise OptionError(f"{str(root)!r} is not a folder; --from takes the folder that holds the tools' reports")
    reports: list[VendorReport] = []
    skipped: list[Skipped] = []
    for path in _files(root):
        name = str(path.relative_to(root))
        found = _read(path, name)
        if isinstance(found, VendorReport):
            reports.append(found)
        elif found is not None:
            skipped.append(found)
    return Reading(str(root), tuple(reports), tuple(skipped))


def _files(root: Path) -> list[Path]:
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        raise OptionError(f"cannot read {error.filename!r}: {error.strerror}") from error

    for folder, _, names in os.walk(root, onerror=refuse):
        found += [path for name in names if (path := Path(folder, name)).suffix.lower() in SUFFIXES]
        if len(found) > MAXIMUM_FILES:
            raise OptionError(
                f"more than {MAXIMUM_FILES:,} files that may be reports below {str(root)!r}; name a folder further down"
            )
    return sorted(found)


def _read(path: Path, name: str) -> VendorReport | Skipped | None:
    try:
        if not path.is_file():
            return Skipped(name, "not a plain file")
        if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
            return Skipped(name, "a link to another folder")
        if path.stat().st_size > MAXIMUM_BYTES:
            return Skipped(name, f"larger than {MAXIMUM_BYTES >> 20} MiB")
        with path.open("rb") as file:
            head = file.read(HEAD).decode("utf-8", "replace")
            parser = next((parser for parser in PARSERS if parser.recognise(head)), None)
            if parser is None:
                return _unknown(path, name, head)
            file.seek(0)
            text = file.read().decode("utf-8", "replace")
        return replace(parser.parse(text), path=name)
    except ReportError as error:
        return Skipped(name, str(error))
    except OSError as error:
        return Skipped(name, f"cannot be read: {error.strerror}")


def _unknown(path: Path, name: str, head: str) -> Skipped | None:
    for mark, reason in OTHERS:
        if mark in head:
            return Skipped(name, reason)
    if not head.strip():
        return Skipped(name, "empty")
    return None if path.suffix.lower() in QUIET else Skipped(name, "not a report of a kind that is read here")
