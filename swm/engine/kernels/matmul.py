# SPDX-License-Identifier: Apache-2.0
"""A block-circulant matrix with the best engine for each batch that comes."""

from __future__ import annotations

import numpy as np

from swm.engine.kernels.choice import ENGINES, Choice, Policy, check_engine
from swm.engine.kernels.cost import Shape
from swm.engine.kernels.interface import Prepared
from swm.errors import ToolError
from swm.kernels import Floats, check_threads, note_once
from swm.structure import BlockCirculant

__all__ = ["BlockMatmul"]


class BlockMatmul:
    """A block-circulant matrix, its engine chosen for each batch when it first comes.

    Args:
        matrix: any.
        threads: threads to use.
        engine: name of an engine, "auto", or None: the environment's SWM_ENGINE, else auto.

    Raises:
        OptionError: fewer than one thread, or no engine of that name.
    """

    def __init__(self, matrix: BlockCirculant, *, threads: int = 1, engine: str | None = None) -> None:
        """Engines are prepared when a batch first needs them."""
        self.matrix = matrix
        self.policy = Policy("eager", check_threads(threads), engine)
        self._prepared: dict[str, Prepared] = {}
        self._by_batch: dict[int, Prepared] = {}
        check_engine(engine)

    def __call__(self, x: Floats, out: Floats | None = None) -> Floats:
        """`x W^T`: (batch, n) float32 → (batch, m) float32.

        Raises:
            OptionError: x is not (batch, n), or out does not fit.
        """
        batch = len(x) if np.ndim(x) else 0
        return (self._by_batch.get(batch) or self.engine_for(batch))(x, out)

    def choice(self, batch: int) -> Choice:
        """The engine for a batch, and why."""
        p, q, k = self.matrix.columns.shape
        return self.policy.choice(Shape(p, q, k, max(batch, 1), self.policy.threads))

    def engine_for(self, batch: int) -> Prepared:
        """The prepared engine that runs a batch."""
        if batch not in self._by_batch:
            self._by_batch[batch] = self._prepared[self._usable(batch)]
        return self._by_batch[batch]

    def _usable(self, batch: int) -> str:
        choice = self.choice(batch)
        for name in (choice.engine, *sorted(choice.seconds, key=choice.seconds.__getitem__)):
            try:
                self.prepared(name)
            except ToolError as error:  # a compiler that is there and does not work
                note_once(f"the {name} engine cannot be used: {error}")
            else:
                return name
        raise AssertionError("scipy and dense always work")

    def prepared(self, engine: str) -> Prepared:
        """The matrix in one engine, made ready when it is first asked for.

        Raises:
            ToolError: the engine cannot run here.
        """
        if engine not in self._prepared:
            self._prepared[engine] = ENGINES[engine].prepare(self.matrix, threads=self.policy.threads)
        return self._prepared[engine]
