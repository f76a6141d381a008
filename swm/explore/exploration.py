# SPDX-License-Identifier: Apache-2.0
"""The outcome of an exploration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

from swm.explore.point import Point, front, objective_value
from swm.notebook import html
from swm.report.numbers import counted, quantity
from swm.version import __version__

__all__ = ["Exploration"]


@dataclass(frozen=True, eq=False)
class Exploration:
    """All points of a grid, in its order.

    Attributes:
        model: the model's name.
        points: one for each board, block size and number of bits.
        objective: "energy", "throughput", "latency" or "cost".
        min_accuracy: least accuracy of the front and of the best point; None without.
        measure: "accuracy" of labelled samples, "agreement" with the dense original's classes, or "fidelity",
            1 - ||y - dense|| / ||dense||, where it names no classes.
        samples: how many samples were measured on; no fit and no number format has seen them.
        reference: the measure of the original in float on these samples (1 unless it is accuracy).
        reused: steps that an earlier exploration had already done.
    """

    model: str
    points: tuple[Point, ...]
    objective: str
    min_accuracy: float | None
    measure: str
    samples: int
    reference: float
    reused: int

    @cached_property
    def front(self) -> tuple[Point, ...]:
        """What no other point dominates in accuracy and the four objectives; by the one asked for, best first.

        Points below the least accuracy do not count.
        """
        least = -1.0 if self.min_accuracy is None else self.min_accuracy
        enough = [p for p in self.points if p.accuracy is not None and p.accuracy >= least]
        return tuple(sorted(front(enough), key=lambda p: (objective_value(p, self.objective), -(p.accuracy or 0.0))))

    @property
    def best(self) -> Point | None:
        """The first of the front; None where it is empty."""
        return self.front[0] if self.front else None

    @property
    def errors(self) -> tuple[Point, ...]:
        """Points where something failed; `reason` says what."""
        return tuple(p for p in self.points if p.failed)

    def to_json(self) -> dict[str, Any]:
        """Plain data: `points` in the grid's order, `front` and `best` as places among them."""
        places = {id(p): i for i, p in enumerate(self.points)}
        return {
            "swm": __version__,
            "model": self.model,
            "objective": self.objective,
            "min_accuracy": self.min_accuracy,
            "measure": self.measure,
            "samples": self.samples,
            "reference": self.reference,
            "kinds": {
                "accuracy": "measured",
                "weight_bits": "counted",
                "interval, latency, inferences_per_s, watts, joules, resources": "modelled",
            },
            "points": [p.to_json() for p in self.points],
            "front": [places[id(p)] for p in self.front],
            "best": None if self.best is None else places[id(self.best)],
        }

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a page that opens offline: the plot, the front, and every point.

        Raises:
            OutputError: the file cannot be written.
        """
        from swm.explore.page import write_page

        write_page(self, path)

    def to_plot(self, path: str | PathLike[str]) -> None:
        """Write the plot alone, .svg or .png.

        Raises:
            OutputError: another ending, or the file cannot be written.
        """
        from swm.explore.plot import write_plot

        write_plot(self, path)

    def __repr__(self) -> str:
        found = Counter("failed" if p.failed else "fits" if p.figures else "does not fit" for p in self.points)
        counts = ", ".join(f"{count} {what}" for what, count in found.most_common())
        best = f"; best for {self.objective}: {self.best.name}" if self.best else ""
        fronted = f"{len(self.front)} on the front"
        return f"<Exploration of {self.model!r}: {len(self.points)} points ({counts}), {fronted}{best}>"

    def _repr_html_(self) -> str:
        rows = (
            (
                p.board,
                p.choice,
                p.bits,
                f"{p.accuracy:.4f}",
                quantity(p.figures.inferences_per_s),
                counted(p.figures.cost),
            )
            for p in self.front
            if p.figures and p.accuracy is not None
        )
        return html(self, ("board", "weights", "bits", self.measure, "inferences/s", "cost"), rows)
