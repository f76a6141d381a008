# SPDX-License-Identifier: Apache-2.0
"""The table of typed nodes that have an ONNX form: a function each, which appends it to a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swm.graph import Node
from swm.onnx_io.write.target import Target

__all__ = ["Writer", "find_writer", "register_writer", "unregister_writer", "writer"]

Writer = Callable[[Target, Any], None]
_WRITERS: dict[type[Node], Writer] = {}


def writer(*kinds: type[Node]) -> Callable[[Writer], Writer]:
    """Register a function as the writer of these types of node and of their subclasses without one of their own."""

    def register(function: Writer) -> Writer:
        for kind in kinds:
            register_writer(kind, function)
        return function

    return register


def register_writer(kind: type[Node], function: Writer) -> None:
    """Let a function write nodes of a type."""
    _WRITERS[kind] = function


def unregister_writer(kind: type[Node]) -> None:
    """Forget the writer of a type."""
    _WRITERS.pop(kind, None)


def find_writer(kind: type[Node]) -> Writer | None:
    """The writer of a type, or of the nearest of its bases that has one."""
    return next((_WRITERS[base] for base in kind.__mro__ if base in _WRITERS), None)
