# SPDX-License-Identifier: Apache-2.0
"""Which steps of a build ended well, kept in the project (`build/steps.json`): the next build goes on behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from swm.errors import OutputError
from swm.kernels.cache import replace_file

__all__ = ["Ended", "read_record", "write_record"]

FILE = Path("build") / "steps.json"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Ended:
    """A step that ended well: `key` is a hash of all that it depends on, `date` UTC, ISO 8601."""

    key: str
    seconds: float
    date: str


def read_record(project: Path) -> dict[str, Ended]:
    """Steps by name; a record that makes no sense counts as none."""
    from pydantic import TypeAdapter, ValidationError

    with suppress(OSError, ValidationError), (project / FILE).open("rb") as file:
        return TypeAdapter(dict[str, Ended]).validate_json(file.read(_MOST_BYTES), strict=True)
    return {}


def write_record(project: Path, record: Mapping[str, Ended]) -> None:
    """Write the record in one step.

    Raises:
        OutputError: the project cannot be written.
    """
    try:
        (project / FILE).parent.mkdir(exist_ok=True)
        text = json.dumps({name: asdict(one) for name, one in record.items()}, indent=2)
        replace_file(project / FILE, text.encode() + b"\n")
    except OSError as error:
        raise OutputError(f"cannot write in {str(project)!r}: {error.strerror}") from error
