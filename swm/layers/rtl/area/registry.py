# SPDX-License-Identifier: Apache-2.0
"""The list of modules that are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swm.layers.circulant_conv import CirculantConvBuilt
from swm.layers.conv import ConvBuilt
from swm.layers.program import ProcessModel
from swm.layers.rtl.area.attention import (
    matmul,
    offset,
    rotary,
    softmax_divide,
    softmax_factor,
    softmax_power,
    softmax_scale,
    softmax_top,
)
from swm.layers.rtl.area.beats import add, concat, fork, hadamard, prelu, scale, sums, token_ends, token_root, width
from swm.layers.rtl.area.counts import Count
from swm.layers.rtl.area.images import (
    depth_to_space,
    depthwise,
    global_pool,
    pad,
    pool,
    reorder,
    reverse,
    upsample,
    window,
)
from swm.layers.rtl.area.passes import collect, forward_pass, inverse_pass, load, store
from swm.layers.rtl.area.products import dense, inverse, products, transforms
from swm.layers.rtl.area.recurrent import entering, steps
from swm.layers.values import FixedLayer, Implementation

__all__ = ["count", "counted"]

_MODULES: dict[str, Callable[..., Count]] = {
    "dense": dense,
    "rfft_unrolled": transforms,
    "spectral_mac": products,
    "irfft_unrolled": inverse,
    "rfft_load": load,
    "rfft_pass": forward_pass,
    "irfft_collect": collect,
    "irfft_pass": inverse_pass,
    "irfft_store": store,
    "window": window,
    "depthwise": depthwise,
    "max_pool": pool,
    "average_pool": pool,
    "global_pool": global_pool,
    "pad": pad,
    "upsample": upsample,
    "depth_to_space": depth_to_space,
    "reverse": reverse,
    "reorder": reorder,
    "recurrent_input": entering,
    "recurrent_steps": steps,
    "scale": scale,
    "prelu": prelu,
    "add": add,
    "hadamard": hadamard,
    "concat": concat,
    "fork": fork,
    "width": width,
    "layernorm_sums": sums,
    "layernorm_root": token_root,
    "layernorm_apply": token_ends,
    "offset": offset,
    "rotary": rotary,
    "softmax_top": softmax_top,
    "softmax_power": softmax_power,
    "softmax_factor": softmax_factor,
    "softmax_scale": softmax_scale,
    "softmax_divide": softmax_divide,
    "matmul": matmul,
}
_ENDS = frozenset(
    (
        *("dense", "spectral_mac", "irfft_unrolled", "irfft_store", "depthwise"),
        *("max_pool", "average_pool", "global_pool"),
        *("recurrent_steps", "scale", "layernorm_apply", "add", "hadamard", "offset", "rotary", "matmul"),
        *("softmax_power", "softmax_scale", "softmax_divide"),
    )
)
"""Modules whose bits are fewer once the numbers of a layer are known: its offsets, its activation, its shift."""
_KINDS = frozenset(
    (
        *("dense", "circulant", "conv", "circulant_conv", "depthwise", "pool", "global_pool", "pad", "upsample"),
        *("depth_to_space", "reverse", "reorder", "recurrent"),
        *("scale", "prelu", "add", "hadamard", "concat", "fork", "width", "layernorm", "rmsnorm"),
        *("offset", "rotary", "softmax", "matmul"),
    )
)
"""Others may take the same kernels and build them otherwise."""


def counted(kernel: str, built: Implementation) -> bool:
    """Whether the module of a kernel is counted, with the streams behind it."""
    return kernel in _MODULES and built.spec.kind in _KINDS


def count(
    process: ProcessModel, built: Implementation, depths: tuple[int, ...], known: FixedLayer | None = None
) -> Count | None:
    """Counts of the module of a process with the streams behind it; None where nobody has counted it.

    Args:
        process: whose kernel and arguments say which module it is.
        built: the layer as it is built.
        depths: beats that each stream holds that the process writes.
        known: the layer with its numbers, where it has any: offsets and table may be smaller than they could be.
    """
    kernel = process.kernel
    if not counted(kernel, built):
        return None
    more: tuple[Any, ...] = process.arguments if kernel in ("rfft_pass", "irfft_pass") else ()
    return _MODULES[kernel](_part(kernel, built), *depths, *((known,) if kernel in _ENDS else more))


def _part(kernel: str, built: Implementation) -> Any:
    """What of a layer a module is of: a convolution is made of a line buffer and products."""
    if kernel == "window":
        return built.window  # type: ignore[attr-defined]
    if isinstance(built, CirculantConvBuilt):
        ends = {"rfft": built.front, "irfft": built.back}
        return ends.get(kernel.split("_")[0], built.product)
    return built.product if isinstance(built, ConvBuilt) else built
