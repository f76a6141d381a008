# SPDX-License-Identifier: Apache-2.0
"""The list of modules that are counted."""

from __future__ import annotations

from collections.abc import Callable

from swm.layers.rtl.area.beats import add, concat, fork, prelu, scale, sums, token_ends, token_root, width
from swm.layers.rtl.area.counts import Count
from swm.layers.rtl.area.products import dense, inverse, products, transforms
from swm.layers.values import FixedLayer, Implementation

__all__ = ["count", "counted"]

_MODULES: dict[str, Callable[..., Count]] = {
    "dense": dense,
    "rfft_unrolled": transforms,
    "spectral_mac": products,
    "irfft_unrolled": inverse,
    "scale": scale,
    "prelu": prelu,
    "add": add,
    "concat": concat,
    "fork": fork,
    "width": width,
    "layernorm_sums": sums,
    "layernorm_root": token_root,
    "layernorm_apply": token_ends,
}
_ENDS = frozenset(("dense", "irfft_unrolled", "scale", "layernorm_apply", "add"))
"""Modules that end a layer, with its offsets and its activation."""


_KINDS = frozenset(("dense", "circulant", "scale", "prelu", "add", "concat", "fork", "width", "layernorm"))
"""Others that take the same kernels, such as convolutions, are built otherwise."""


def counted(kernel: str, built: Implementation) -> bool:
    """Whether the module of a kernel is counted, with the streams behind it; blocks above 16 are other modules."""
    spec = built.spec
    return kernel in _MODULES and spec.kind in _KINDS and getattr(spec, "unrolled", True)


def count(kernel: str, built: Implementation, depths: tuple[int, ...], known: FixedLayer | None = None) -> Count | None:
    """Counts of the module of a process with the streams behind it; None where nobody has counted it.

    Args:
        kernel: of the process (`ProcessModel.kernel`), which the module is named after.
        built: the layer as it is built.
        depths: beats that each stream holds that the process writes.
        known: the layer with its numbers, where it has any: offsets and table may be smaller than they could be.
    """
    if not counted(kernel, built):
        return None
    module = _MODULES[kernel]
    return module(built, *depths, known) if kernel in _ENDS else module(built, *depths)
