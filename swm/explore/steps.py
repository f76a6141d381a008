# SPDX-License-Identifier: Apache-2.0
"""The steps behind points: which are needed, which are kept already, and who does the others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from swm.device import Board, ListedTarget
from swm.explore.point import Figures, Point
from swm.explore.store import Store, key_of
from swm.explore.workers import Submit, on_cluster, on_this_machine
from swm.progress import Progress

__all__ = ["Place", "Samples", "Steps"]


class Place(NamedTuple):
    """What a point is asked for: names of a board and of a structure of weights, its size as text, bits."""

    board: str
    structure: str
    block: str
    bits: int


class Samples(NamedTuple):
    """Keys in the store of what calibrates, of what is measured on, and of its labels ("" without)."""

    calibration: str
    test: str
    labels: str


@dataclass
class _Step:
    """A step, and those that wait for it."""

    task: str
    key: str
    arguments: Mapping[str, Any]
    what: str
    then: list[_Step] = field(default_factory=list)


class Steps:
    """Makes points of places. A conversion serves all bits and boards, a measurement all boards.

    Args:
        store: where results are kept.
        original: key of the network.
        boards: all that places name, chips among them.
        samples: keys of the samples.
        options: of the designs: "backend", "clock", "hybrid".
        workers: processes; as many as this process has cores where None.
        cluster: address of a Dask scheduler, instead of processes here.

    Attributes:
        reused: steps that were kept already, in all calls.
    """

    def __init__(
        self,
        store: Store,
        original: str,
        boards: Sequence[Board | ListedTarget],
        samples: Samples,
        options: Mapping[str, Any],
        workers: int | None = None,
        cluster: str | None = None,
    ) -> None:
        self._store, self._original, self._samples, self._options = store, original, samples, options
        self._tables = {board.name: board.model_dump(mode="json", by_alias=True) for board in boards}
        self._workers, self._cluster = workers or _cores(), cluster
        self._results: dict[str, dict[str, Any]] = {}
        self._failures: dict[str, str] = {}
        self.reused = 0

    def points(self, places: Sequence[Place], say: Progress) -> list[Point]:
        """The points of some places, in their order; what fails is named at its points, the others go on."""
        roots, keys = self._needed(places)
        self._do(roots, say)
        return [self._point(place, keys[place]) for place in places]

    def _needed(self, places: Sequence[Place]) -> tuple[list[_Step], dict[Place, tuple[str, str, str]]]:
        """Steps that wait for none, with those that follow, and for each place the keys of its three."""
        roots: dict[str, _Step] = {}
        keys: dict[Place, tuple[str, str, str]] = {}
        for place in places:
            what = f"{place.structure} {place.block}"
            asked_for = {"model": self._original, "structure": place.structure, "block": place.block}
            asked_for["calibration"] = self._samples.calibration
            converted = key_of("convert", asked_for)
            root = roots.setdefault(
                converted, _Step("convert", converted, {**asked_for, "to": converted}, f"convert to {what}")
            )
            given = {"model": converted, "original": self._original, "bits": place.bits, **self._samples._asdict()}
            given["backend"] = self._options["backend"]  # which says what the host computes
            measure = _Step("measure", key_of("measure", given), given, f"measure {what}, {place.bits} bits")
            asked = {"model": converted, "bits": place.bits, "board": self._tables[place.board], **self._options}
            design = _Step("design", key_of("design", asked), asked, f"design {what}, {place.bits} bits, {place.board}")
            there = {step.key for step in root.then}
            root.then += [step for step in (measure, design) if step.key not in there]
            keys[place] = (converted, measure.key, design.key)
        return list(roots.values()), keys

    def _do(self, roots: Sequence[_Step], say: Progress) -> None:
        store, total = self._store, sum(1 + len(root.then) for root in roots)
        say("look at what is kept", 0, total)
        open_steps, reused = [], 0
        for root in roots:
            steps = [root, *root.then]
            found = {step.key: store.result(step.key) for step in steps}
            if found[root.key] is not None and not store.model(root.key).exists():
                found[root.key] = None
            kept = {key: result for key, result in found.items() if result is not None}
            self._results.update(kept)
            left = [step for step in root.then if found[step.key] is None]
            if found[root.key] is None and left:
                (store.folder / f"{root.key}.json").unlink(missing_ok=True)  # its model was tidied away
                root.then = left
                open_steps.append(root)
            else:
                kept.setdefault(root.key, {})
                self._results.setdefault(root.key, {})
                open_steps += left
            reused += len(kept)
        self.reused += reused
        if open_steps:
            doing = on_cluster(self._cluster) if self._cluster is not None else on_this_machine(self._workers)
            with doing as submit:
                self._wait(open_steps, submit, say, reused, total)

    def _wait(self, steps: Sequence[_Step], submit: Submit, say: Progress, done_before: int, total: int) -> None:
        running: dict[Future[dict[str, Any]], _Step] = {}
        ended = done_before

        def start(step: _Step) -> None:
            running[submit(step.task, str(self._store.folder), step.key, step.arguments)] = step

        for step in steps:
            start(step)
        while running:
            say(_at(running.values()), ended, total)
            done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                step = running.pop(future)
                ended += 1
                try:
                    self._results[step.key] = future.result()
                except Exception as error:  # of whatever kind: it is named at its points
                    self._failures[step.key] = str(error) or type(error).__name__
                    self._failures.update({after.key: self._failures[step.key] for after in step.then})
                    ended += len(step.then)
                    continue
                for after in step.then:
                    start(after)

    def _point(self, place: Place, keys: tuple[str, str, str]) -> Point:
        measured, design = (self._results.get(key) for key in keys[1:])
        errors = list(dict.fromkeys(self._failures[key] for key in keys if key in self._failures))
        figures = Figures(**design["figures"]) if design and design["figures"] else None
        return Point(
            **place._asdict(),
            accuracy=measured["value"] if measured else None,
            weight_bits=measured["weight_bits"] if measured else None,
            figures=figures,
            reason="; ".join(errors) or (design["reason"] if design else ""),
            failed=bool(errors),
        )


def _at(steps: Iterable[_Step]) -> str:
    return next(iter(steps)).what


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
