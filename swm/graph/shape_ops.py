# SPDX-License-Identifier: Apache-2.0
"""Nodes that move elements without arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swm.graph.nodes import Node

__all__ = [
    "Concat",
    "DepthToSpace",
    "Expand",
    "Gather",
    "Movement",
    "Pad",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
]


class Movement(Node):
    """Base of what moves elements without arithmetic. Axes count from the front where the rank is known."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Movement):
    """Elements added before and behind (negative: cut off); `pads` holds all begins, then all ends, of every axis."""

    op: ClassVar[str] = "Pad"

    pads: tuple[int, ...]
    mode: str = "constant"
    value: float = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Movement):
    """Inputs one behind the other along `axis`."""

    op: ClassVar[str] = "Concat"

    axis: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Split(Movement):
    """Cut along `axis` into `sizes`; None, where the length is not known: into equal parts, the last maybe shorter."""

    op: ClassVar[str] = "Split"

    axis: int
    sizes: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice(Movement):
    """From `starts` to `ends` (exclusive, clamped, negative from the end) by `steps`, along `axes`."""

    op: ClassVar[str] = "Slice"

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    axes: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gather(Movement):
    """Inputs x and indices: slices of x along `axis`."""

    op: ClassVar[str] = "Gather"

    axis: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Transpose(Movement):
    """Axes in the order `perm`."""

    op: ClassVar[str] = "Transpose"

    perm: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Squeeze(Movement):
    """Without `axes`, which have length 1; None is all of length 1."""

    op: ClassVar[str] = "Squeeze"

    axes: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Unsqueeze(Movement):
    """With new `axes` of length 1, counted in the result."""

    op: ClassVar[str] = "Unsqueeze"

    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Expand(Movement):
    """Broadcast with a tensor of `shape`."""

    op: ClassVar[str] = "Expand"

    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class DepthToSpace(Movement):
    """Blocks of channels spread over `block` x `block` pixels; `mode` is "DCR" or "CRD" as in ONNX."""

    op: ClassVar[str] = "DepthToSpace"

    block: int
    mode: str = "DCR"


@dataclass(frozen=True, kw_only=True, eq=False)
class Resize(Movement):
    """To `sizes`, or by `scales`: one of them, an entry for every axis.

    Attributes:
        mode: "nearest" or "linear".
        scales: factors.
        sizes: lengths of the result.
        coordinates: as ONNX's coordinate_transformation_mode; "" is the rule of opset 10.
        nearest: as ONNX's nearest_mode.
        axes: those that the entries stand for; None is every axis.
        policy: as ONNX's keep_aspect_ratio_policy.
        roi: begins, then ends, of the region that "tf_crop_and_resize" reads; None otherwise.
        extrapolation: what that mode writes for pixels outside of the tensor.
    """

    op: ClassVar[str] = "Resize"

    mode: str
    scales: tuple[float, ...] | None = None
    sizes: tuple[int, ...] | None = None
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    axes: tuple[int, ...] | None = None
    policy: str = "stretch"
    roi: tuple[float, ...] | None = None
    extrapolation: float = 0.0
