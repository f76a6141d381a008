# SPDX-License-Identifier: Apache-2.0
"""Which calibration samples the fit does not see, so that what is measured on them is the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.graph import Graph, Opaque, Recurrent

__all__ = ["FEWEST", "SHARE", "held_out", "sample_count", "split"]

FEWEST = 10  # samples; of fewer none can be spared
SHARE = 5  # one sample in so many is held out
MOST = 2_000  # are held out: more would take from the fit and say little more (+-1.3 points at 90 %)
GOLDEN = (5**0.5 - 1) / 2
_RECURRENT = frozenset({"GRU", "LSTM", "Loop", "RNN", "Scan"})

Array = NDArray[Any]


def held_out(count: int) -> NDArray[np.bool_]:
    """A mask of the units held out: a fifth, at most `MOST`, by nothing but their number.

    The multiples of the golden ratio, modulo 1, are spread evenly over any stretch of units, so that of sorted classes
    each gives its share, and they keep step with no period, so that of classes in turn each does, too.
    """
    if count < FEWEST:
        return np.zeros(count, np.bool_)
    return (np.arange(1, count + 1) * GOLDEN) % 1.0 < min(1 / SHARE, MOST / count)


def sample_count(feeds: Mapping[str, Array]) -> int | None:
    """Samples of inputs that all have as many along axis 0; else None."""
    lengths = {len(a) if a.ndim else 0 for a in feeds.values()}
    return lengths.pop() if len(lengths) == 1 else None


def split(graph: Graph, feeds: Mapping[str, Array], *, labelled: bool) -> tuple[NDArray[np.bool_] | None, str]:
    """A mask of the samples to hold out, and where there is none, why.

    A model that was exported with a fixed batch gives up whole batches. Where samples may lie along another axis than
    0 (recurrent layers, without labels that would tell) nothing is taken.
    """
    count = sample_count(feeds)
    if count is None:
        return None, "the inputs differ in their number of samples"
    if not labelled and _other_axis(graph):
        return None, "the samples of a recurrent network may lie along another axis than 0"
    batch = max((d for d in graph.first_sizes() if isinstance(d, int)), default=1) or 1
    units = held_out(count // batch)
    if count % batch or not units.any():
        return None, f"{count} samples are too few" + (f" in batches of {batch}" if batch > 1 else "")
    return np.repeat(units, batch), ""


def _other_axis(graph: Graph) -> bool:
    recurrent = any(
        isinstance(n, Recurrent) or (isinstance(n, Opaque) and n.op_type in _RECURRENT) for n in graph.nodes
    )
    if not recurrent or not graph.outputs:  # a network without outputs computes nothing that could be compared
        return False
    first, answer = graph.inputs[0].type, graph.outputs[0].type
    if first is None or answer is None or not first.shape or not answer.shape:
        return True
    same = isinstance(first.shape[0], str) and first.shape[0] == answer.shape[0]
    return not (same and len(answer.shape) == 2)
