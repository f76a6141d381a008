# SPDX-License-Identifier: Apache-2.0
"""What open tools measured, kept in the project with a hash of the files they saw, so that a stale figure is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from swm.emit.folder import MEASURED
from swm.emit.outcome import files_hash
from swm.errors import OutputError
from swm.kernels.cache import replace_file
from swm.version import __version__

__all__ = ["Kept", "keep", "kept"]

_Value = TypeVar("_Value")
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Kept(Generic[_Value]):
    """A measurement of a project.

    Attributes:
        files: `files_hash` of the project as it was.
        date: when, UTC, ISO 8601.
        swm: version that measured.
        value: what was measured.
    """

    files: str
    date: str
    swm: str
    value: _Value


def keep(project: Path, name: str, value: object, files: str) -> Path:
    """Write a measurement into a project, in one step.

    Args:
        project: its folder.
        name: of the measurement: letters, digits, `_`.
        value: a frozen dataclass of plain values.
        files: `files_hash` of the project that was measured.

    Raises:
        OutputError: the project cannot be written.
    """
    import json

    file = project / MEASURED / f"{name}.json"
    made = Kept(files, datetime.now(UTC).isoformat(timespec="seconds"), __version__, value)
    try:
        file.parent.mkdir(exist_ok=True)
        replace_file(file, json.dumps(asdict(made), indent=2).encode() + b"\n")
        file.chmod(0o644)  # like the rest of the project
    except OSError as error:
        raise OutputError(f"cannot write {str(file)!r}: {error.strerror}") from error
    return file


def kept(project: Path, name: str, kind: type[_Value]) -> tuple[Kept[_Value], bool] | None:
    """A measurement of a project, and whether it is of other files than lie there now; None: there is none."""
    from pydantic import TypeAdapter, ValidationError

    try:
        with (project / MEASURED / f"{name}.json").open("rb") as file:
            found = TypeAdapter(Kept[kind]).validate_json(file.read(_MOST_BYTES), strict=True)  # type: ignore[valid-type]
        return found, found.files != files_hash(project)
    except (OSError, ValidationError):
        return None
