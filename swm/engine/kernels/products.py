# SPDX-License-Identifier: Apache-2.0
"""Products with structured matrices: the fast way of a structure that has one, else the structure's own."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swm.engine.kernels.choice import Choice, Policy
from swm.engine.kernels.cost import Shape
from swm.engine.kernels.matmul import BlockMatmul
from swm.structure import BlockCirculant, WeightStructure

__all__ = ["Choices", "Product", "product_of", "register_product"]

Array = NDArray[Any]
_KEPT = 16  # sizes of a layer's input whose engine is remembered


class Choices:
    """Choices by size, remembered: choosing looks for a compiler, which takes its time."""

    def __init__(self) -> None:
        self._by_size: dict[Hashable, Choice] = {}

    def at(self, size: Hashable, choose: Callable[[], Choice]) -> Choice:
        """The choice for a size."""
        choice = self._by_size.get(size)
        if choice is None:
            choice = choose()
            if len(self._by_size) >= _KEPT:
                self._by_size.pop(next(iter(self._by_size)), None)
            self._by_size[size] = choice
        return choice


class Product(Protocol):
    """`x W^T` for x (..., n).

    Attributes:
        choice: the engine of the last call, and why; None before any.
    """

    choice: Choice | None

    def run(self, x: Array) -> Array:
        """(..., n) → (..., m)."""


_PRODUCTS: dict[type[WeightStructure], Callable[[Any, Policy], Product]] = {}


def register_product(kind: type[WeightStructure], make: Callable[[Any, Policy], Product]) -> None:
    """Let products with a structure be run by what `make` gives for a matrix and a policy."""
    _PRODUCTS[kind] = make


def product_of(weight: WeightStructure, policy: Policy) -> Product:
    """The product with a matrix."""
    return _PRODUCTS.get(type(weight), _OwnProduct)(weight, policy)


class _OwnProduct:
    """By the structure itself."""

    def __init__(self, weight: WeightStructure, policy: Policy) -> None:
        del policy
        self._weight = weight
        self.choice: Choice | None = None

    def run(self, x: Array) -> Array:
        """See Product."""
        self.choice = Choice("structure", f"{self._weight.label} matrices multiply themselves", {}, {}, plain=True)
        return self._weight.matmul(x)


class _CirculantProduct:
    """By whichever engine suits the size."""

    def __init__(self, weight: BlockCirculant, policy: Policy) -> None:
        self._weight, self._policy = weight, policy
        self.choice: Choice | None = None
        self._chosen = Choices()

    @cached_property
    def _matmul(self) -> BlockMatmul:
        return BlockMatmul(self._weight, threads=self._policy.threads, engine=self._policy.engine)

    def run(self, x: Array) -> Array:
        m, n = self._weight.shape
        rows = x.size // n if n else 0
        if x.dtype != np.float32 or not rows:
            return self._weight.reference(x)
        p, q, k = self._weight.columns.shape
        self.choice = self._chosen.at(rows, lambda: self._policy.choice(Shape(p, q, k, rows, self._policy.threads)))
        if self.choice.plain:
            return self._weight.reference(x)
        if self._policy.mode == "deterministic":
            y = self._matmul.prepared(self.choice.engine)(x.reshape(-1, n))
        else:
            y = self._matmul(x.reshape(-1, n))
        return y.reshape(*x.shape[:-1], m)


register_product(BlockCirculant, _CirculantProduct)
