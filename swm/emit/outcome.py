# SPDX-License-Identifier: Apache-2.0
"""The outcome of `swm verify`, kept in the project: what was found, when, and of which files."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from swm.emit.folder import MANIFEST, RESULT, hashes
from swm.errors import OutputError
from swm.version import __version__

__all__ = ["Outcome", "files_hash", "keep_outcome", "kept_outcome"]

_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class Outcome:
    """One verification, as the project remembers it.

    Attributes:
        ok: no word differed, and iterations and depths were those of the design.
        words: output words compared.
        mismatches: words that differed.
        samples: vectors run.
        compiler: of the C simulation.
        date: when, UTC, ISO 8601.
        swm: version that verified.
        files: `files_hash` of the project as it was.
        interval_cycles: measured in RTL simulation; None where C++ was simulated, which has no cycles.
        latency_cycles: likewise.
    """

    ok: bool
    words: int
    mismatches: int
    samples: int
    compiler: str
    date: str
    swm: str
    files: str
    interval_cycles: float | None = None
    latency_cycles: float | None = None


def files_hash(path: Path) -> str:
    """SHA-256 over all files that swm wrote into a project, as they are now: an edit or a new design changes it.

    Raises:
        OutputError: the folder is not a project of swm.
    """
    try:
        known = set(json.loads((path / MANIFEST).read_text(encoding="utf-8"))["sha256"])
        now = {name: digest for name, digest in hashes(path).items() if name in known}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{str(path)!r} is not a project of swm (no readable {MANIFEST})") from error
    return hashlib.sha256(json.dumps(now, sort_keys=True).encode()).hexdigest()


def keep_outcome(
    path: Path,
    *,
    ok: bool,
    words: int,
    mismatches: int,
    samples: int,
    compiler: str,
    interval_cycles: float | None = None,
    latency_cycles: float | None = None,
) -> None:
    """Write the outcome into the project; a project that cannot be written to stays as it is."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    made = Outcome(
        ok, words, mismatches, samples, compiler, date, __version__, files_hash(path), interval_cycles, latency_cycles
    )
    with contextlib.suppress(OSError):  # read-only: the outcome is still what verify returns
        (path / RESULT).write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")


def kept_outcome(path: Path) -> Outcome | None:
    """What the last verification left in a project; None where there was none, or the record is damaged."""
    from pydantic import TypeAdapter, ValidationError

    try:
        with (path / RESULT).open("rb") as file:
            return TypeAdapter(Outcome).validate_json(file.read(_MOST_BYTES), strict=True)
    except (OSError, ValidationError):
        return None
