# SPDX-License-Identifier: Apache-2.0
"""The loops of a process in RTL: one, or the three of a product, which wait for each other but not in lock step."""

from __future__ import annotations

from dataclasses import dataclass

from swm.layers.program import Port, ProcessModel, Program, Run

__all__ = ["INNER_DEPTH", "Loop", "one_loop", "product_loops"]

INNER_DEPTH = 2
"""Of what joins the loops of a product: two halves of a memory; sums that are complete while those before leave."""


@dataclass(frozen=True)
class Loop:
    """A loop of a process.

    Attributes:
        name: unique in its layer.
        program: its iterations.
        latency: cycles from the start of an iteration to its writes: registers (counted).
        inner: streams between the loops of the process, of `INNER_DEPTH` beats, which carry no data.
        repeats: as those of the process.
    """

    name: str
    program: Program
    latency: int
    inner: tuple[str, ...] = ()
    repeats: int = 1


def one_loop(process: ProcessModel, latency: int) -> tuple[Loop, ...]:
    """The loop of a process that is one module with one counter."""
    return (Loop(process.name, process.program, latency + process.late, repeats=process.repeats),)


def product_loops(process: ProcessModel, latency: int) -> tuple[Loop, ...]:
    """Loads, products and drains of swm_product_walk.

    In C++ they are iterations of one loop, so that products wait when the next token comes late; here they wait for
    a whole token only, and loads for a free half.

    Args:
        process: with the loop that `swm.layers.products.product_program` made.
        latency: from a drain to its beat.
    """
    (read,), (write,) = process.program.reads, process.program.writes
    loads, drains = sum(run.count for run in read.steady), write.steady
    group = drains[0].start  # iterations between two drains
    products = group * len(drains)
    full, free, done = (f"{process.name}.{name}" for name in ("full", "free", "done"))
    load = Program(
        loads,
        (Port(read.stream, (Run(0, 1, loads),)),),
        (Port(free, (Run(0, 1, 1),)), Port(full, (Run(loads - 1, 1, 1),))),
    )
    multiply = Program(
        products,
        (Port(full, (Run(0, 1, 1),)), Port(free, (Run(products - 1, 1, 1),))),
        (Port(done, (Run(group - 1, group, len(drains)),)),),
    )
    starts, place = [], 0
    for run in drains:
        starts.append(place)
        place += run.step * (run.count - 1) + 1
    drain = Program(
        place,
        (Port(done, tuple(Run(start, 1, 1) for start in starts)),),
        (Port(write.stream, tuple(Run(s, run.step, run.count) for s, run in zip(starts, drains, strict=True))),),
    )
    return (
        Loop(f"{process.name}.load", load, 0, (full, free)),
        Loop(process.name, multiply, 0, (done,)),
        Loop(f"{process.name}.drain", drain, latency),
    )
