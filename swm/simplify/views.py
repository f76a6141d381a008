# SPDX-License-Identifier: Apache-2.0
"""What chains of moves do to a tensor: which element each place of the result holds, and the fewest moves that do it.

A chain of Reshape, Transpose, Squeeze, Gather, Slice and Split holds element `offset + strides . index` of the tensor
that it began with at every index, as a view of numpy does. Strides sorted by size are the axes of that tensor, which
gives the chain back as at most a Reshape, a Slice, a Transpose and a Reshape.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from swm.graph import Labels

__all__ = ["View", "view_of"]


@dataclass(frozen=True)
class View:
    """A tensor as a selection of places of another one, seen as a box of `dims` axes.

    Attributes:
        dims: shape in which the other tensor is seen, row-major.
        starts: first place that is taken along each of these axes.
        counts: how many places are.
        perm: order of the axes of more than one place in the result, whose axes may join some of them.
    """

    dims: tuple[int, ...]
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    perm: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether every place is taken."""
        return self.counts == self.dims

    @property
    def places(self) -> Labels:
        """What is taken, ascending."""
        box = tuple(slice(start, start + count) for start, count in zip(self.starts, self.counts, strict=True))
        return np.arange(prod(self.dims)).reshape(self.dims)[box].reshape(-1)

    @property
    def kept(self) -> tuple[int, ...]:
        """Lengths of what is taken, axes of one place left out."""
        return tuple(c for c in self.counts if c > 1)


def view_of(labels: Labels, size: int) -> View | None:
    """The view that labels are, elements of a tensor of `size`; None where they are none of ascending steps."""
    first = int(labels.reshape(-1)[0])
    axes: list[tuple[int, int]] = []  # length and step
    for axis in range(labels.ndim):
        along = labels[tuple(slice(None) if a == axis else 0 for a in range(labels.ndim))]
        found = _factors(along - first)
        if found is None:
            return None
        axes += found
    lengths, steps = [length for length, _ in axes], [step for _, step in axes]
    strided = np.full(lengths, first)
    for i, (length, step) in enumerate(axes):
        strided += (np.arange(length) * step).reshape([-1 if i == j else 1 for j in range(len(axes))])
    if not np.array_equal(labels.reshape(lengths), strided):
        return None
    order = sorted(range(len(axes)), key=lambda i: -steps[i])
    sorted_steps = [steps[i] for i in order]
    bounds = [size, *sorted_steps, 1]
    if any(high % low for high, low in pairwise(bounds)):
        return None
    dims, starts, counts = [], [], []
    for (high, low), length in zip(pairwise(bounds), [*(lengths[i] for i in order), 1], strict=True):
        radix, start = high // low, first // low % (high // low)
        if start + length > radix:
            return None
        if radix > 1:
            dims.append(radix)
            starts.append(start)
            counts.append(length)
    return View(tuple(dims), tuple(starts), tuple(counts), tuple(int(i) for i in np.argsort(order)))


def _factors(along: Labels) -> list[tuple[int, int]] | None:
    """Axes (length and step, outermost first) that make a sequence that begins with 0; None where none do."""
    axes: list[tuple[int, int]] = []
    while len(along) > 1:
        step = int(along[1])
        other = np.flatnonzero(np.diff(along) != step)
        length = int(other[0]) + 1 if len(other) else len(along)
        if step < 1 or len(along) % length:
            return None
        axes.insert(0, (length, step))
        along = along[::length]
    return axes
