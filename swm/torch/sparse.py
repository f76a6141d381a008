# SPDX-License-Identifier: Apache-2.0
"""Sparse weights as parametrizations: the parameter is what is stored, the weight has it in its places and zeros."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swm.errors import OptionError
from swm.structure import CoarseGrain as CoarseGrainMatrix
from swm.structure import Hierarchical as HierarchicalMatrix
from swm.structure import WeightStructure

__all__ = ["CoarseGrain", "Hierarchical", "Sparse", "as_matrix"]

_DIGIT = 1 << 12  # places are numbered in two digits, which float32 holds exactly


def as_matrix(weight: Tensor) -> NDArray[np.float32]:
    """(m, ...) as the matrix (m, n) whose columns are in ONNX order: inputs, or channels and kernel."""
    return weight.detach().cpu().to(torch.float32).reshape(len(weight), -1).numpy()


class Sparse(nn.Module):
    """A parametrization: numbers that stay in the places which a structure of `swm.structure` gives them.

    Any structure that stores real numbers, each in one place, besides codes that say where: coarse-grain, hierarchical,
    N:M, permuted-diagonal, or one of your own. The parameter is the array that the structure stores, in its shape; the
    places are chosen once, from the weight as it is then, and stay. A convolution's kernel counts as the matrix
    (M, C * positions). Assigning a weight keeps what lies in the places.

    Args:
        weight: (m, n), or (M, C, kernel...).
        kind: the structure.
        size: see `WeightStructure.size`.
        matrix: the structure itself, with its places, instead of the nearest one.

    Raises:
        OptionError: an impossible size, or a structure whose numbers are not that simple.
    """

    places: Tensor
    shown: Tensor

    def __init__(
        self, weight: Tensor, kind: type[WeightStructure], size: int, *, matrix: WeightStructure | None = None
    ) -> None:
        """Choose the places."""
        super().__init__()
        self.shape = tuple(weight.shape)
        self.matrix = kind.project(as_matrix(weight), kind.check_size(size)) if matrix is None else matrix
        real = [name for name in self.matrix.arrays if name not in kind.codes]
        if len(real) != 1:
            raise OptionError(f"{kind.label} weights do not store one array of real numbers")
        self._real = real[0]
        self.stored = self.matrix.arrays[self._real].shape
        count = np.arange(math.prod(self.stored))
        support = self._spread(np.ones(len(count))) != 0
        numbers = self._spread(count % _DIGIT) + _DIGIT * self._spread(count // _DIGIT)
        shown = numbers[support].astype(np.int64)
        if len(np.unique(shown)) != len(shown):
            raise OptionError(f"{kind.label} weights hold a number in several places")
        self.register_buffer("places", torch.from_numpy(np.flatnonzero(support)))
        self.register_buffer("shown", torch.from_numpy(shown))

    def _spread(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return self.holding(values.astype(np.float32).reshape(self.stored)).to_dense().astype(np.float64)

    def holding(self, values: NDArray[np.float32]) -> WeightStructure:
        """The structure with these numbers in its places."""
        kind, was = type(self.matrix), self.matrix
        return kind.from_arrays(was.shape, was.size, {**was.arrays, self._real: values})

    @property
    def kept(self) -> Tensor:
        """Which weights may differ from 0, of the weight's shape."""
        flat = torch.zeros(math.prod(self.shape), dtype=torch.bool, device=self.places.device)
        flat[self.places] = True
        return flat.reshape(self.shape)

    def take_places(self, other: Sparse) -> None:
        """Have the places of another one of the same structure, shape and size."""
        self.matrix = other.matrix
        self.places, self.shown = (t.to(self.places.device) for t in (other.places, other.shown))

    def forward(self, values: Tensor) -> Tensor:
        """What is stored → the weight."""
        flat = values.new_zeros(math.prod(self.shape))
        return flat.scatter(0, self.places, values.reshape(-1)[self.shown]).reshape(self.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What lies in the places; 0 in padding."""
        values = weight.new_zeros(math.prod(self.stored))
        values[self.shown] = weight.reshape(-1)[self.places]
        return values.reshape(self.stored)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.matrix.label} {self.matrix.size}, {len(self.places)} of {math.prod(self.shape)} weights"


class CoarseGrain(Sparse):
    """Blocks of 16 x 16, of which each block row keeps one in `ratio`: `swm.structure.CoarseGrain`.

    Args:
        weight: whose largest blocks are kept.
        ratio: from 2 on.

    Raises:
        OptionError: an impossible ratio.
    """

    kind: ClassVar[type[WeightStructure]] = CoarseGrainMatrix

    def __init__(self, weight: Tensor, ratio: int) -> None:
        """Choose the blocks."""
        super().__init__(weight, self.kind, ratio)


class Hierarchical(CoarseGrain):
    """Small blocks within large blocks, each level balanced: `swm.structure.Hierarchical`.

    Args:
        weight: whose largest blocks are kept.
        ratio: a power of two from 4 on.

    Raises:
        OptionError: an impossible ratio.
    """

    kind: ClassVar[type[WeightStructure]] = HierarchicalMatrix
