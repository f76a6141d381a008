# SPDX-License-Identifier: Apache-2.0
"""Chooses the engine of a product, says why, and prepares matrices whose batch is known only when they are called."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from swm.engine.kernels._build import note_once
from swm.engine.kernels._cost import ENGINES, Shape, predict, stored_constants
from swm.engine.kernels._interface import Floats, Prepared, check_shape
from swm.errors import OptionError, ToolError

__all__ = ["BlockMatmul", "Choice", "choose", "explain"]

OVERRIDE = "SWM_ENGINE"


@dataclass(frozen=True)
class Choice:
    """The engine of one product.

    Attributes:
        engine: its name.
        reason: why, in one sentence.
        seconds: predicted time of one call by engine, for those that can run here.
        missing: why the others cannot run.
    """

    engine: str
    reason: str
    seconds: dict[str, float]
    missing: dict[str, str]


def _wanted(engine: str | None) -> tuple[str | None, str]:
    for name, origin in ((engine, "asked for by the caller"), (os.environ.get(OVERRIDE), f"asked for by ${OVERRIDE}")):
        if name and name != "auto":
            if name not in ENGINES:
                raise OptionError(f"there is no engine {name!r}: choose auto, {', '.join(ENGINES)}")
            return name, origin
        if name:
            break
    return None, ""


def choose(p: int, q: int, k: int, batch: int, threads: int = 1, engine: str | None = None) -> Choice:
    """The engine with the least predicted time, or the one that is asked for.

    Args:
        p: block rows.
        q: block columns.
        k: block size.
        batch: samples a call.
        threads: threads to use.
        engine: name of an engine, "auto", or None: the environment's SWM_ENGINE, else auto.

    Raises:
        OptionError: no engine of that name.
    """
    missing = {name: why for name, e in ENGINES.items() if (why := e.missing()) is not None}
    constants = stored_constants()
    shape = Shape(p, q, k, max(batch, 1), threads)
    seconds = {name: predict(name, shape, constants) for name in ENGINES if name not in missing}
    wanted, origin = _wanted(engine)
    if wanted is not None and wanted not in missing:
        return Choice(wanted, origin, seconds, missing)
    if "compiled" in missing:
        note_once(
            f"block-circulant products run without the compiled kernel, several times slower: {missing['compiled']}"
        )
    best = min(seconds, key=seconds.__getitem__)
    reason = f"least predicted time, by {constants.source}"
    if wanted is not None:
        reason = f"{wanted} was {origin} but cannot run here ({missing[wanted]}); {reason}"
    elif best == "dense":
        reason = f"the matrix is too small or too awkward for transforms to pay; {reason}"
    return Choice(best, reason, seconds, missing)


def explain(p: int, q: int, k: int, batch: int, threads: int = 1, engine: str | None = None) -> str:
    """Which engine runs a product and why, with every engine's predicted time; several lines of text.

    Raises:
        OptionError: no engine of that name.
    """
    choice = choose(p, q, k, batch, threads, engine)
    lines = [f"{p} x {q} blocks of {k}, batch {batch}, {threads} thread(s): {choice.engine} ({choice.reason})"]
    ordered = sorted(choice.seconds.items(), key=lambda item: item[1])
    lines += [f"  {name:9} {1e3 * seconds:10.4f} ms predicted" for name, seconds in ordered]
    lines += [f"  {name:9} cannot run here: {why}" for name, why in choice.missing.items()]
    return "\n".join(lines)


class BlockMatmul:
    """A block-circulant matrix with the best engine for each batch that comes.

    Args:
        columns: (p, q, k) first columns.
        shape: (m, n), None for (p k, q k).
        threads: threads to use.
        engine: name of an engine, "auto", or None: the environment's SWM_ENGINE, else auto.

    Raises:
        OptionError: shapes that do not fit, or no engine of that name.
    """

    def __init__(
        self, columns: Floats, shape: tuple[int, int] | None = None, *, threads: int = 1, engine: str | None = None
    ) -> None:
        """Check the shapes; engines are prepared when a batch first needs them."""
        self.shape = check_shape(columns, shape, threads)
        self.columns = columns
        self.threads = threads
        self._engine = engine
        self._prepared: dict[str, Prepared] = {}
        self._by_batch: dict[int, Prepared] = {}
        _wanted(engine)

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """`x W^T`: (batch, n) float32 → (batch, m) float32.

        Raises:
            OptionError: x is not (batch, n), or out does not fit.
        """
        batch = len(x) if np.ndim(x) else 0
        return (self._by_batch.get(batch) or self.engine_for(batch))(x, out)

    def choice(self, batch: int) -> Choice:
        """The engine for a batch, and why."""
        p, q, k = self.columns.shape
        return choose(p, q, k, batch, self.threads, self._engine)

    def engine_for(self, batch: int) -> Prepared:
        """The prepared engine that runs a batch."""
        if batch not in self._by_batch:
            self._by_batch[batch] = self._prepared[self._usable(batch)]
        return self._by_batch[batch]

    def _usable(self, batch: int) -> str:
        choice = self.choice(batch)
        for name in (choice.engine, *sorted(choice.seconds, key=choice.seconds.__getitem__)):
            if name in self._prepared:
                return name
            try:
                self._prepared[name] = ENGINES[name].prepare(self.columns, self.shape, threads=self.threads)
            except ToolError as error:  # a compiler that is there and does not work
                note_once(f"the {name} engine cannot be used: {error}")
            else:
                return name
        raise AssertionError("scipy and dense always work")
