# SPDX-License-Identifier: Apache-2.0
"""The loops of a process in RTL: one, or the three of a product, which wait for each other but not in lock step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from swm.layers.program import Port, ProcessModel, Program, Run

__all__ = [
    "INNER_DEPTH",
    "Loop",
    "block_loops",
    "early_loop",
    "even_runs",
    "inner_streams",
    "one_loop",
    "product_loops",
]

INNER_DEPTH = 2
"""Of what joins the loops of a product: two halves of a memory; sums that are complete while those before leave."""


@dataclass(frozen=True)
class Loop:
    """A loop of a process.

    Attributes:
        name: unique in its layer.
        program: its iterations.
        latency: cycles from the start of an iteration to its writes: registers (counted).
        inner: streams between the loops of the process, which carry no data, and the beats that each holds.
        repeats: as those of the process.
    """

    name: str
    program: Program
    latency: int
    inner: Mapping[str, int] = field(default_factory=dict)
    repeats: int = 1


def inner_streams(names: Iterable[str]) -> dict[str, int]:
    """Streams of `INNER_DEPTH` beats."""
    return dict.fromkeys(names, INNER_DEPTH)


def one_loop(process: ProcessModel, latency: int) -> tuple[Loop, ...]:
    """The loop of a process that is one module with one counter."""
    return (Loop(process.name, process.program, latency + process.late, repeats=process.repeats),)


def early_loop(process: ProcessModel, latency: int) -> tuple[Loop, ...]:
    """The same where a frame begins with its first beat, though what is written before needs none."""
    (read,) = process.program.reads
    first, *rest = read.steady
    more = (Run(first.start + first.step, first.step, first.count - 1),) if first.count > 1 else ()
    at_once = Port(read.stream, (Run(0, 1, 1), *more, *rest))
    return one_loop(replace(process, program=replace(process.program, reads=(at_once,))), latency)


def product_loops(process: ProcessModel, latency: int, tokens: int = 1) -> tuple[Loop, ...]:
    """Loads, products and drains of swm_product_walk.

    In C++ they are iterations of one loop, so that products wait when the next token comes late; here they wait for
    a whole token only, and loads for a free half.

    There is one place for sums: those of a group are complete at the earliest in the cycle in which the last of the
    group before them leaves. `held` says so by the beat before that one, as what is read is seen a cycle later.

    Args:
        process: with the loop that `swm.layers.products.product_program` made.
        latency: from a drain to its beat.
        tokens: of that loop for each of the first two of these, which then have so many in a period.
    """
    (read,), (write,) = process.program.reads, process.program.writes
    loads, drains = sum(run.count for run in read.steady), write.steady
    group = drains[0].start  # iterations between two drains
    products = group * len(drains)
    full, free, done, held = (f"{process.name}.{name}" for name in ("full", "free", "done", "held"))
    ends_of = (done, held) if group > 1 else (done,)  # sums that are complete each cycle leave each cycle
    load = Program(
        tokens * loads,
        (Port(read.stream, (Run(0, 1, tokens * loads),)),),
        (Port(free, (Run(0, loads, tokens),)), Port(full, (Run(loads - 1, loads, tokens),))),
    )
    multiply = Program(
        tokens * products,
        (Port(full, (Run(0, products, tokens),)), Port(free, (Run(products - 1, products, tokens),))),
        tuple(Port(name, (Run(group - 1, group, tokens * len(drains)),)) for name in ends_of),
    )
    starts, ends, place = [], [], 0
    for run in drains:
        starts.append(place)
        place += run.step * (run.count - 1) + 1
        ends.append(max(starts[-1], place - 2))
    drain = Program(
        place,
        tuple(
            Port(name, tuple(Run(at, 1, 1) for at in places))
            for name, places in zip(ends_of, (starts, ends), strict=False)
        ),
        (Port(write.stream, tuple(Run(s, run.step, run.count) for s, run in zip(starts, drains, strict=True))),),
    )
    return (
        Loop(f"{process.name}.load", load, 0, inner_streams((full, free)), process.repeats),
        Loop(process.name, multiply, 0, inner_streams((done,)) | dict.fromkeys(ends_of[1:], 1), process.repeats),
        Loop(f"{process.name}.drain", drain, latency, repeats=process.repeats * tokens),
    )


def block_loops(
    process: ProcessModel,
    latency: int,
    loads: tuple[int, ...],
    emits: tuple[int, ...],
    reads: Port,
    writes: str,
    ii: int = 1,
) -> tuple[Loop, ...]:
    """The two loops of swm_block_walk: a group is loaded into one half of a memory while another leaves.

    Args:
        process: whose name and repeats they take.
        latency: from an emission to its beat.
        loads: iterations that load a group, of each group of a token.
        emits: beats that leave for it.
        reads: the input, in the iterations of the loads.
        writes: the stream that takes the beats.
        ii: cycles between two of them.
    """
    full, free = (f"{process.name}.{name}" for name in ("full", "free"))
    begins, ends = _marks(loads)
    load = Program(sum(loads), (reads,), (Port(free, begins), Port(full, ends)))
    begins, ends = _marks(emits)
    beats = (Run(0, 1, sum(emits)),)
    emit = Program(sum(emits), (Port(full, begins), Port(free, ends)), (Port(writes, beats),), ii=ii)
    return (
        Loop(f"{process.name}.load", load, 0, inner_streams((full, free)), repeats=process.repeats),
        Loop(process.name, emit, latency, repeats=process.repeats),
    )


def _marks(groups: tuple[int, ...]) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The first and the last iteration of every group."""
    after = tuple(accumulate(groups))
    starts = tuple(end - count for end, count in zip(after, groups, strict=True))
    return even_runs(starts), even_runs(tuple(end - 1 for end in after))


def even_runs(places: tuple[int, ...]) -> tuple[Run, ...]:
    """Places as runs: an even one as far as it goes, the rest one by one (of groups the last alone may differ)."""
    if len(places) < 3:
        return tuple(Run(place, 1, 1) for place in places)
    step = places[1] - places[0]
    even = len(places) if places[-1] - places[-2] == step else len(places) - 1
    return (Run(places[0], step, even), *(Run(place, 1, 1) for place in places[even:]))
