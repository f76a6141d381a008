# SPDX-License-Identifier: Apache-2.0
"""Several tensors as one, (batch, values), and taken apart again: hardware reads one tensor and writes one.

Each part passes an Affine of 1 on both sides, so that `scales.py` can bring parts to one range.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from swm.graph import Affine, Concat, Names, Node, Reshape, Slice, TensorType, Transpose

__all__ = ["Joining", "plain"]

_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # of an image, its channels


def plain() -> dict[str, Any]:
    """What makes an Affine one of 1."""
    return {"scale": np.ones(1, np.float32), "shift": np.zeros(1, np.float32)}


class Joining:
    """The nodes that join tensors, and those that take them apart, part after part.

    Attributes:
        before: the nodes that join.
        behind: those that take apart.
    """

    def __init__(self, whole: str, names: Names, tensors: Names, types: dict[str, TensorType]) -> None:
        """Begin with no part.

        Args:
            whole: the name of the tensor that holds all.
            names: of nodes; new ones are taken.
            tensors: likewise.
            types: of tensors; those of new ones are added.
        """
        self.before: list[Node] = []
        self.behind: list[Node] = []
        self._whole, self._names, self._tensors, self._types = whole, names, tensors, types
        self._parts: list[str] = []
        self._end = 0

    def add(self, tensor: str, label: str, output: str = "", *, image: bool = False) -> str:
        """Put a tensor behind those that are joined, and return the one that is taken out again.

        Args:
            tensor: of known type, (batch, ...), all sizes but the first known.
            label: what names of nodes begin with.
            output: the tensor taken out; a new name where it is empty.
            image: of channels, rows and columns: its channels are put last, as they pass in hardware.
        """
        kind = self._types[tensor]
        assert kind.shape is not None
        if image:
            last = TensorType(kind.elem, tuple(kind.shape[i] for i in _LAST))
            turned = self._step(self.before, Transpose, tensor, f"{label}, channels last", last, perm=_LAST)
            part = self.add(turned, label)
            return self._step(self.behind, Transpose, part, f"{label}, channels first", kind, output, perm=_FIRST)
        batch, *sizes = kind.shape
        many = prod(d for d in sizes if isinstance(d, int))
        flat, end = TensorType(kind.elem, (batch, many)), self._end + many
        values = self._step(self.before, Reshape, tensor, f"{label}, values", flat, shape=(0, many))
        self._parts.append(self._step(self.before, Affine, values, f"{label}, range of a part", flat, **plain()))
        cut: dict[str, Any] = {"starts": (self._end,), "ends": (end,), "axes": (1,), "steps": (1,)}
        part = self._step(self.behind, Slice, self._whole, f"{label}, part of all", flat, **cut)
        part = self._step(self.behind, Affine, part, f"{label}, range of a part back", flat, **plain())
        self._end = end
        return self._step(self.behind, Reshape, part, f"{label}, part as it was", kind, output, shape=(0, *sizes))

    def close(self, label: str) -> None:
        """Join the parts."""
        first = self._types[self._parts[0]]
        assert first.shape is not None
        name = self._names.unique(f"{label}, all parts")
        self.before.append(Concat(name=name, inputs=tuple(self._parts), outputs=(self._whole,), axis=1))
        self._types[self._whole] = TensorType(first.elem, (first.shape[0], self._end))

    def _step(
        self,
        nodes: list[Node],
        make: type[Node],
        source: str,
        name: str,
        kind: TensorType,
        output: str = "",
        **options: Any,
    ) -> str:
        """A node of one tensor, and its output, whose name is a new one where none is given."""
        made = output or self._tensors.unique(f"{source}/{name.rsplit(', ', 1)[-1]}")
        nodes.append(make(name=self._names.unique(name), inputs=(source,), outputs=(made,), **options))
        self._types[made] = kind
        return made
