# SPDX-License-Identifier: Apache-2.0
"""The report as a value, and its forms as methods."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from swm.device.board import Board
from swm.errors import OutputError
from swm.report.bands import Band, bands_of
from swm.report.chips import ChipReport
from swm.report.evidence import ACCURACY_KEYS, Accuracy, Evidence, Loss, loss
from swm.report.explored import Explored
from swm.report.figures import DesignFigures
from swm.report.provenance import PROVENANCE, Provenance
from swm.version import __version__

__all__ = ["BoardReport", "Gain", "Report"]

TEXT_WIDTH = 80


@dataclass(frozen=True)
class Gain:
    """Dense over structured, above 1 when the structure wins; all None where one of the two cannot exist.

    Attributes:
        throughput: of inferences per second.
        latency: of microseconds.
        energy: of joules per inference; None where the board states no power, too.
        reason: why there is no gain; empty where there is one.
        elsewhere: boards of swm's that hold the dense twin, the smallest first, where this one does not.
    """

    throughput: float | None
    latency: float | None
    energy: float | None
    reason: str = ""
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoardReport:
    """Both designs on one board.

    Attributes:
        board: where they are.
        structured: the design.
        dense: its dense twin.
        gain: the one over the other.
        remedy: what would make the design fit, by the resource model; empty where it fits, or nobody tried.
    """

    board: Board
    structured: DesignFigures
    dense: DesignFigures
    gain: Gain
    remedy: str = ""

    @property
    def dense_fits(self) -> bool:
        """Whether the dense twin can exist on this board."""
        return self.dense.fits

    @property
    def has_twin(self) -> bool:
        """Whether the dense twin is another design; a network without weight structure is its own."""
        own, dense = ([layer.spec for layer in d.plan.layers if layer.spec.stored_words] for d in self.designs)
        return own != dense

    @property
    def designs(self) -> tuple[DesignFigures, DesignFigures]:
        """Structured and dense."""
        return self.structured, self.dense

    @cached_property
    def bands(self) -> Mapping[str, Band]:
        """How far each modelled figure was off where it could be checked, by figure."""
        return bands_of(self.board, self.structured.plan.backend)


@dataclass(frozen=True)
class Report:
    """A model on several boards, and on chips; on one of either at least.

    Attributes:
        model: name of the network.
        boards: both designs on each.
        evidence: what was measured, and of what.
        accuracies: measured now first, then what the model remembers of its conversion.
        chips: energies of operations and memory accesses on each chip.
        explored: other block sizes and bits of the same network; None where nobody explored them.
        provenance: the kind of every group of figures.
        created: when, UTC, ISO 8601.
        swm: version that made the report.
    """

    model: str
    boards: tuple[BoardReport, ...]
    evidence: Evidence = field(default_factory=Evidence)
    accuracies: tuple[Accuracy, ...] = ()
    chips: tuple[ChipReport, ...] = ()
    explored: Explored | None = None
    provenance: tuple[Provenance, ...] = PROVENANCE
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    swm: str = __version__

    @property
    def accuracy(self) -> dict[str, float | None]:
        """Accuracies as fractions by network, the first figure of each; None: not measured."""
        found: dict[str, float | None] = dict.fromkeys(ACCURACY_KEYS)
        for one in reversed(self.accuracies):
            if one.quantity == "accuracy":
                found[one.network] = one.share
        return found

    @property
    def loss(self) -> Loss | None:
        """What conversion and fixed point cost, the best figure there is; None: not known."""
        return loss(self.accuracies)

    def to_json(self) -> dict[str, Any]:
        """Plain data: dictionaries, lists, strings and numbers that `json.dumps` takes."""
        from swm.report.to_json import to_json  # the forms are imported when asked for

        return to_json(self)

    def to_text(self, *, details: bool = True, width: int = TEXT_WIDTH) -> str:
        """The report as text without colours.

        Args:
            details: also resources, power, layers, processes and streams.
            width: characters of a line.
        """
        from rich.console import Console

        from swm.report.to_text import to_text

        stream = io.StringIO()
        to_text(self, Console(file=stream, width=width, color_system=None), details=details)
        return stream.getvalue()

    def to_html(self, path: str | Path | None = None) -> str:
        """The report as one self-contained page, also written to a file where a path is given.

        Raises:
            OutputError: the file cannot be written.
        """
        from swm.report.to_html import to_html

        return _written(to_html(self), path)

    def to_markdown(self, path: str | Path | None = None) -> str:
        """The report as Markdown, for a wiki or a pull request, also written to a file where a path is given.

        Raises:
            OutputError: the file cannot be written.
        """
        from swm.report.to_markdown import to_markdown

        return _written(to_markdown(self), path)

    def __repr__(self) -> str:
        from swm.report.sentences import verdicts

        return f"<Report of {self.model!r}: {'; '.join(verdicts(self)[:2])}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict on each board, and the accuracy."""
        from swm.report.rows import ACCURACY_HEAD, accuracy_rows
        from swm.report.sentences import verdicts

        lines = "".join(f"<p><b>{html.escape(line)}</b></p>" for line in verdicts(self))
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ACCURACY_HEAD)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in accuracy_rows(self)
        )
        more = "<p>report.to_html('report.html') writes the whole page.</p>"
        return f"<div><p>{html.escape(self.model)}</p>{lines}<table><tr>{head}</tr>{body}</table>{more}</div>"


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {str(path)!r}: {error.strerror}") from error
    return text
