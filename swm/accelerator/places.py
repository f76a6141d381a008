# SPDX-License-Identifier: Apache-2.0
"""Which types of nodes have a form in hardware: those that some kind of layer takes, and those that cost nothing."""

from __future__ import annotations

from collections.abc import Iterable

from swm.graph import Cast, Expand, Node, Reshape, Squeeze, Transpose, Unsqueeze
from swm.layers import registry
from swm.layers.base import LayerKind
from swm.layers.rtl.registry import has_rtl

__all__ = ["FREE", "fixed_places", "hls_places", "rtl_places"]

FREE: tuple[type[Node], ...] = (Reshape, Squeeze, Unsqueeze, Cast, Transpose)  # nothing moves


def fixed_places() -> dict[type[Node], str]:
    """Where the integer engine runs each type of node: "kernel" or "free"; others stand in the way."""
    return _places(kind for kind in registry.kinds() if type(kind).run is not LayerKind.run)


def hls_places() -> dict[type[Node], str]:
    """Where emitted hardware runs each type of node: its kind has a template, and headers with its kernel."""
    return _places(k for k in registry.kinds() if k.template.is_file() and all(h.is_file() for h in k.headers))


def rtl_places() -> dict[type[Node], str]:
    """The same for hardware in SystemVerilog."""
    return _places(k for k in registry.kinds() if has_rtl(k.name))


def _places(kinds: Iterable[LayerKind]) -> dict[type[Node], str]:
    kernels = dict.fromkeys((node for kind in kinds for node in kind.takes), "kernel")
    return {**kernels, **dict.fromkeys((*FREE, Expand), "free")}
