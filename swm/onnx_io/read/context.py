# SPDX-License-Identifier: Apache-2.0
"""What a handler may ask about the model around its node: constants, types, readers."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from swm.graph import Names, TensorType, WeightFormat
from swm.onnx_io.read.registry import RawNode
from swm.structure import Dense, WeightStructure

__all__ = ["Context"]


@dataclass
class Context:
    """State of one import. Names in it are resolved: removed nodes have left no trace.

    Attributes:
        opset: version of the default domain.
        constants: arrays by tensor name.
        types: known types by tensor name.
        read: every tensor that some node, subgraph or output of the graph reads.
        names: names of nodes, for those that one ONNX node becomes besides itself.
        tensors: names of tensors, likewise.
        widths: length of the last axis of tensors where shape inference may not know even the rank.
        structured: structured weights behind tensors that one of our functions writes out.
        kernels: likewise kernels that are no `ConvStructure`, each with the tensor's shape.
        formats: number formats of constants that a quantizer made.
        shared: matrices built so far, so that nodes that share a weight go on sharing it.
    """

    opset: int
    constants: dict[str, NDArray[Any]]
    types: dict[str, TensorType]
    read: frozenset[str]
    names: Names
    tensors: Names
    widths: dict[str, int] = field(default_factory=dict)
    structured: dict[str, WeightStructure | tuple[WeightStructure, ...]] = field(default_factory=dict)
    kernels: dict[str, tuple[WeightStructure, tuple[int, ...]]] = field(default_factory=dict)
    formats: dict[str, WeightFormat] = field(default_factory=dict)
    shared: dict[Hashable, Dense] = field(default_factory=dict)

    def constant(self, name: str) -> NDArray[Any] | None:
        """The value of a tensor, if constant."""
        return self.constants.get(name)

    def weight(self, name: str, node: RawNode) -> NDArray[np.float32] | None:
        """The value of a tensor that is constant and float32, else None.

        Raises:
            ModelError: it holds NaN or infinite values.
        """
        value = self.constants.get(name)
        if value is None or value.dtype != np.float32:
            return None
        self.check_finite(name, node)
        return value

    def check_finite(self, name: str, node: RawNode) -> None:
        """Raise ModelError if a tensor is a constant with NaN or infinite values."""
        value = self.constants.get(name)
        if value is not None and value.dtype.kind == "f" and not np.isfinite(value).all():
            bad = int(value.size - np.isfinite(value).sum())
            raise node.error(
                f"the initialiser {name!r} holds {bad} NaN or infinite values of {value.size}; retrain or repair the "
                "model"
            )

    def dims(self, name: str) -> tuple[int | str | None, ...] | None:
        """Dimensions of a tensor; None if not even their number is known."""
        if name in self.constants:
            return self.constants[name].shape
        kind = self.types.get(name)
        return None if kind is None else kind.shape

    def rank(self, name: str) -> int | None:
        """Number of dimensions, if known."""
        dims = self.dims(name)
        return None if dims is None else len(dims)

    def min_rank(self, name: str) -> int:
        """The tensor has at least so many dimensions."""
        rank = self.rank(name)
        return rank if rank is not None else int(name in self.widths)

    def width(self, name: str) -> int | None:
        """Length of the last axis, if known."""
        dims = self.dims(name)
        last = dims[-1] if dims else None
        return last if isinstance(last, int) else self.widths.get(name)

    def may_be_float(self, name: str) -> bool:
        """Whether a tensor is float32 as far as is known."""
        kind = self.types.get(name)
        return kind is None or kind.elem == TensorProto.FLOAT
