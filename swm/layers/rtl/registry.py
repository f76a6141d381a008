# SPDX-License-Identifier: Apache-2.0
"""The list of kinds that have RTL."""

from __future__ import annotations

from collections.abc import Iterable

from swm.errors import Finding
from swm.layers.rtl.base import RtlKind
from swm.layers.rtl.beats import (
    AddRtl,
    ConcatRtl,
    ForkRtl,
    HadamardRtl,
    OffsetRtl,
    PReluRtl,
    ReverseRtl,
    RotaryRtl,
    ScaleRtl,
    WidthRtl,
)
from swm.layers.rtl.convolutions import CirculantConvRtl, ConvRtl, DepthwiseRtl
from swm.layers.rtl.images import DepthToSpaceRtl, GlobalPoolRtl, PadRtl, PoolRtl, ReorderRtl, UpsampleRtl
from swm.layers.rtl.layernorm import LayerNormRtl
from swm.layers.rtl.products import CirculantRtl, DenseRtl, MatMulRtl
from swm.layers.rtl.recurrent import RecurrentRtl
from swm.layers.rtl.softmax import SoftmaxRtl
from swm.layers.values import LayerSpec

__all__ = ["has_rtl", "register_rtl", "rtl", "rtl_findings", "unregister_rtl"]

_KINDS: dict[str, RtlKind] = {
    "circulant": CirculantRtl(),
    "dense": DenseRtl(),
    "conv": ConvRtl(),
    "circulant_conv": CirculantConvRtl(),
    "depthwise": DepthwiseRtl(),
    "pool": PoolRtl(),
    "global_pool": GlobalPoolRtl(),
    "pad": PadRtl(),
    "upsample": UpsampleRtl(),
    "reorder": ReorderRtl(),
    "depth_to_space": DepthToSpaceRtl(),
    "scale": ScaleRtl(),
    "prelu": PReluRtl(),
    "layernorm": LayerNormRtl(),
    "rmsnorm": LayerNormRtl(),
    "softmax": SoftmaxRtl(),
    "offset": OffsetRtl(),
    "rotary": RotaryRtl(),
    "matmul": MatMulRtl(),
    "add": AddRtl(),
    "hadamard": HadamardRtl(),
    "concat": ConcatRtl(),
    "reverse": ReverseRtl(),
    "recurrent": RecurrentRtl(),
    "fork": ForkRtl(),
    "width": WidthRtl(),
}


def rtl(name: str) -> RtlKind:
    """The RTL of a kind of layer that `rtl_findings` has nothing against."""
    return _KINDS[name]


def has_rtl(name: str) -> bool:
    """Whether there is RTL of a kind of layer; single forms of it may lack it (`rtl_findings`)."""
    return name in _KINDS


def register_rtl(name: str, value: RtlKind) -> None:
    """Add the RTL of a kind, or take the place of the one there is."""
    _KINDS[name] = value


def unregister_rtl(name: str) -> None:
    """Take the RTL of a kind out again."""
    _KINDS.pop(name, None)


def rtl_findings(specs: Iterable[LayerSpec]) -> tuple[Finding, ...]:
    """The layers that have no RTL, by name, with the reason and the remedy."""
    found = []
    for spec in specs:
        known = _KINDS.get(spec.kind)
        reason = known.obstacle(spec) if known else "layers of this kind have no RTL"
        if reason:
            found.append(Finding(spec.name, spec.kind, reason, "take back end vitis"))
    return tuple(found)
