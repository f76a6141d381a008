# SPDX-License-Identifier: Apache-2.0
"""Sizes within a budget chosen again by what they cost after training: a short training of each that may move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from swm.compress.budget import DENSE, BlockOption, choose
from swm.compress.conversion import convert
from swm.compress.dynamic_batch import free_batch
from swm.compress.one_layer import first
from swm.compress.plan import last_weighted, prepared
from swm.compress.report import ConversionReport
from swm.compress.weights import dense_weights, reason_to_stay_dense
from swm.graph import Graph
from swm.progress import Progress, quiet
from swm.structure import WeightStructure
from swm.torch.training import Training

__all__ = ["Moved", "moved"]

CALIBRATION = 1024  # inputs at most that the start of a trial is fitted to
PART = 4  # one training sample in so many is in a trial
STEPS = 64  # of a trial, at least
Array = NDArray[Any]


@dataclass(frozen=True)
class Moved:
    """Other sizes within the same budget, by weight; 0 where it is dense.

    Attributes:
        before: of every weight that may have one, as it was trained.
        after: of the same weights.
    """

    before: dict[str, int]
    after: dict[str, int]

    @property
    def blocks(self) -> dict[str, int]:
        """A map of sizes for `swm.convert`."""
        return {name: size for name, size in self.after.items() if size != DENSE}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the weights that moved."""
        return tuple(name for name, size in self.after.items() if size != self.before[name])


def moved(
    trained: Training,
    graph: Graph,
    report: ConversionReport,
    budget: int,
    structure: type[WeightStructure],
    feeds: Mapping[str, Array],
    say: Progress,
) -> Moved:
    """Choose sizes again, each weight staying or going to the next smaller or larger size.

    In a trial one weight has another size and all others stay; the network is converted so and trained on a quarter of
    the samples. The loss of the validation samples is then what that size costs, beside a trial with no weight moved.
    Every trial starts from the dense network: a trained one has become used to its sizes, and each move costs at first.
    What moves cost is taken to add up.

    Args:
        trained: at the sizes of the report.
        graph: that was converted.
        report: of its conversion.
        budget: bits of all weights.
        structure: of the weights that are not dense.
        feeds: inputs to fit to.
        say: progress.
    """
    ladders = _ladders(graph, report, structure)
    before = {name: sizes[at] for name, (sizes, at) in ladders.items()}
    trials = [(name, size) for name, (sizes, at) in ladders.items() for i, size in enumerate(sizes) if i != at]
    few = first(feeds, CALIBRATION)
    wanted = trained.settings
    samples = max(trained.samples // PART, wanted.batch)
    settings = replace(wanted, epochs=-(-STEPS * wanted.batch // samples), patience=0)

    def cost(sizes: dict[str, int]) -> tuple[float, dict[str, int]]:
        blocks = {name: size for name, size in sizes.items() if size != DENSE}
        made = convert(graph, few, block=blocks, structure=structure, hold_out=False)
        trial = trained.another(free_batch(made.graph, few), settings, part=PART)
        trial.run(quiet)
        return trial.validation_loss(), {row.name: row.bits_after for row in made.report.layers}

    say("refine: sizes as they are", 0, len(trials) + 1)
    stays, bits = cost(before)
    options = [BlockOption(name, size, bits[name], stays) for name, size in before.items()]
    for done, (name, size) in enumerate(trials, start=1):
        say(f"refine: {name} {'dense' if size == DENSE else f'at {size}'}", done, len(trials) + 1)
        loss, stored = cost({**before, name: size})
        options.append(BlockOption(name, size, stored[name], loss))
    fixed = sum(row.bits_after for row in report.layers if row.name not in before)
    return Moved(before, choose(options, budget, fixed))


def _ladders(
    graph: Graph, report: ConversionReport, structure: type[WeightStructure]
) -> dict[str, tuple[tuple[int, ...], int]]:
    """The size of each weight that may have one, with its neighbours from more bits to fewer, and where it stands."""
    rows, start = {row.name: row for row in report.layers}, prepared(graph)
    last, found = last_weighted(start), {}
    for ref in dense_weights(start):
        now = DENSE if rows[ref.name].reason else rows[ref.name].block
        allowed = [k for k in structure.candidates if not reason_to_stay_dense(ref, last, k, structure)]
        sizes = (DENSE, *sorted(allowed, reverse=not structure.one_is_dense))
        if now in sizes and allowed:
            at = sizes.index(now)
            low = max(at - 1, 0)
            found[ref.name] = (sizes[low : at + 2], at - low)
    return found
