# SPDX-License-Identifier: Apache-2.0
"""What a layer reads in the converted network and should answer by the dense one, in chunks that fit in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.engine import FloatEngine, batches
from swm.errors import SwmError
from swm.graph import Graph, Opaque, Recurrent, Relu
from swm.progress import Note, quiet

__all__ = ["ActivationPairs", "Pairs", "rows", "warm_up"]

Array = NDArray[Any]
SAMPLES = 256  # a chunk
KEEP_BYTES = 1 << 27  # of chunks that are kept for the next call, where asked
_RECURRENT = frozenset({"GRU", "LSTM", "Loop", "RNN", "Scan"})


class Pairs(Protocol):
    """What the fit of one layer asks for; `ActivationPairs` answers it for graphs, `swm.torch.start` for modules."""

    note: Note
    feeds: Mapping[str, Array]  # whose lengths tell how many samples there are

    def chunks(self, inputs: tuple[str, ...], targets: tuple[str, ...]) -> Iterator[tuple[list[Array], list[Array]]]:
        """What the layer reads, and what it should answer."""

    def rectified(self, tensor: str) -> bool:
        """Whether nothing but ReLUs reads a tensor."""


class ActivationPairs:
    """Runs the dense and the converted graph side by side.

    Args:
        dense: the graph whose answers are the targets.
        converted: the graph whose tensors the layer reads.
        feeds: calibration inputs.
        note: called with what is going on, for every chunk.
        keep: whether what was given once is kept for the next time, if it is not more than `KEEP_BYTES`.
    """

    def __init__(
        self, dense: Graph, converted: Graph, feeds: Mapping[str, Array], note: Note = quiet, *, keep: bool = False
    ) -> None:
        """Nothing runs yet."""
        self.dense, self.converted, self.feeds, self.note = dense, converted, feeds, note
        self._engines: dict[tuple[int, tuple[str, ...]], FloatEngine] = {}
        self._room = KEEP_BYTES if keep else 0
        self._kept: dict[tuple[tuple[str, ...], ...], list[tuple[list[Array], list[Array]]]] = {}

    def chunks(self, inputs: tuple[str, ...], targets: tuple[str, ...]) -> Iterator[tuple[list[Array], list[Array]]]:
        """Tensors of the converted graph and of the dense graph, chunk by chunk."""
        if (inputs, targets) in self._kept:
            yield from self._kept[inputs, targets]
            return
        pieces: list[tuple[list[Array], list[Array]]] = []
        room = self._room
        for count, part in enumerate(self.parts()):
            self.note(f"samples, part {count + 1}")
            read, answered = self._answers(part, inputs, targets)
            piece = [read[t] for t in inputs], [answered[t] for t in targets]
            room -= sum(a.nbytes for side in piece for a in side)
            pieces = [*pieces, piece] if room >= 0 else []
            yield piece
        if room >= 0 and pieces:
            self._kept[inputs, targets], self._room = pieces, room

    def _answers(
        self, part: Mapping[str, Array], inputs: tuple[str, ...], targets: tuple[str, ...]
    ) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """Tensors of both graphs, in one run where they are one."""
        if self.converted is self.dense:
            both = self._engine(self.dense, tuple(dict.fromkeys((*inputs, *targets)))).run(part)
            return both, both
        return self._engine(self.converted, inputs).run(part), self._engine(self.dense, targets).run(part)

    def rectified(self, tensor: str) -> bool:
        """Whether nothing but ReLUs reads a tensor."""
        readers = self.dense.readers().get(tensor, [])
        return bool(readers) and all(isinstance(reader, Relu) for reader in readers)

    def _engine(self, graph: Graph, tensors: tuple[str, ...]) -> FloatEngine:
        """Kept, for opening a session copies all weights."""
        key = (id(graph), tensors)
        if key not in self._engines:
            self._engines[key] = FloatEngine(graph, tensors, deterministic=True)
        return self._engines[key]

    def parts(self) -> Iterator[Mapping[str, Array]]:
        """The calibration inputs, chunk by chunk."""
        lengths = {len(a) for a in self.feeds.values() if a.ndim}
        # Samples of a recurrent network may lie along axis 1: it runs in one piece, or in the batches it was exported
        # with, for what two batches give could only be put together along axis 0.
        whole = any(
            isinstance(n, Recurrent) or (isinstance(n, Opaque) and n.op_type in _RECURRENT) for n in self.dense.nodes
        )
        if whole:
            yield from batches(self.dense, self.feeds)
            return
        if len(lengths) != 1:
            yield self.feeds
            return
        (length,) = lengths
        size = max([d for d in self.dense.first_sizes() if isinstance(d, int) and d > 0], default=1)
        step = max(SAMPLES // size, 1) * size
        for start in range(0, length, step):
            yield {t: a[start : start + step] for t, a in self.feeds.items()}


def warm_up(graph: Graph, feeds: Mapping[str, Array]) -> None:
    """Run a whole network once, on the first chunk: its parts then need no trial runs of their own.

    A network that cannot run as a whole may still have layers that can; their parts are tried one by one.
    """
    with contextlib.suppress(SwmError):
        engine = FloatEngine(graph)
        if engine.guarded:
            engine.run(next(iter(ActivationPairs(graph, graph, feeds).parts())))


def rows(values: Array) -> Array:
    """(..., n) → (rows, n)."""
    return np.ascontiguousarray(values.reshape(-1, values.shape[-1]))
