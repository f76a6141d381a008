# SPDX-License-Identifier: Apache-2.0
"""What the functions that write ONNX nodes ask of the graph's writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray
from onnx import FunctionProto

from swm.graph import Node

__all__ = ["Target"]


class Target(Protocol):
    """Where ONNX nodes, initialisers and functions go; `NodeWriter` is one."""

    @property
    def opset(self) -> int:
        """Version of the standard operators to write."""

    def add(
        self, node: Node, operator: str, inputs: Sequence[str] | None = None, output: str = "", **attributes: Any
    ) -> None:
        """The ONNX node that carries the node's name; inputs default to the node's, and so do outputs."""

    def extra(
        self, node: Node, operator: str, inputs: Sequence[str], output: str, suffix: str, **attributes: Any
    ) -> None:
        """A further ONNX node, named after the node and a suffix."""

    def call(self, node: Node, function: FunctionProto, inputs: Sequence[str], output: str, suffix: str = "") -> None:
        """A call of a function of domain `ai.swm`, which is added on first use; named like `add`, or like `extra`."""

    def tensor(self, requested_name: str) -> str:
        """A new tensor name."""

    def constant(self, node: Node, values: Any, role: str) -> str:
        """A new initialiser for a node; returns its name."""

    def integers(self, node: Node, values: Sequence[int], role: str) -> str:
        """A new initialiser of int64."""

    def shared(self, node: Node, key: object, role: str, make: Callable[[], NDArray[Any]]) -> str:
        """The initialiser made before for this very object and role, else a new one."""

    def rank(self, tensor: str) -> int | None:
        """Number of dimensions, if known."""

    def elem(self, tensor: str) -> int | None:
        """ONNX number of the element type, if known."""

    def value(self, tensor: str) -> NDArray[Any] | None:
        """The value of a constant of the graph; np.ndarray of any type."""
