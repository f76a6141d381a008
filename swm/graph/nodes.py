# SPDX-License-Identifier: Apache-2.0
"""Node types. A typed node means one thing whatever exporter or opset it came from; the rest is opaque."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.structure import WeightStructure

__all__ = [
    "Activation",
    "Affine",
    "Cast",
    "Linear",
    "Node",
    "Opaque",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One operation. `inputs` and `outputs` are tensor names; an omitted optional input is the empty name.

    `name` is unique in its graph; it may hold any text, for it comes from the model's author.
    """

    op: ClassVar[str] = "Node"

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def op_name(self) -> str:
        """What to call its operation: the operator of an opaque node."""
        return self.op


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear(Node):
    """`y = x W^T + b` along the last axis of x: Gemm or MatMul (+ Add) with a constant matrix W, (m, n)."""

    op: ClassVar[str] = "Linear"

    weight: WeightStructure
    bias: NDArray[np.float32] | None = None  # (m,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine(Node):
    """`y = x * scale + shift` per channel along `axis`: BatchNormalization at inference, constant factors.

    `scale` and `shift` have shape (channels,), or (1,) when one number serves every channel.
    """

    op: ClassVar[str] = "Affine"

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    axis: int = -1


class Activation(Node):
    """Base of the element-wise activations that fixed point and hardware know."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Relu(Activation):
    """`max(x, 0)`."""

    op: ClassVar[str] = "Relu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sigmoid(Activation):
    """`1 / (1 + exp(-x))`."""

    op: ClassVar[str] = "Sigmoid"


@dataclass(frozen=True, kw_only=True, eq=False)
class Tanh(Activation):
    """Hyperbolic tangent."""

    op: ClassVar[str] = "Tanh"


@dataclass(frozen=True, kw_only=True, eq=False)
class Softmax(Node):
    """Softmax along one axis.

    `flattened` marks the rule before opset 13: the tensor is viewed as a matrix split at `axis` and normalised over
    all of its second dimension.
    """

    op: ClassVar[str] = "Softmax"

    axis: int = -1
    flattened: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Reshape(Node):
    """A change of shape that keeps the order of elements; `shape` follows ONNX Reshape (0 copies, -1 infers)."""

    op: ClassVar[str] = "Reshape"

    shape: tuple[int, ...]
    allowzero: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Cast(Node):
    """Conversion to another element type, given by its ONNX number (`onnx.TensorProto.FLOAT` ...)."""

    op: ClassVar[str] = "Cast"

    to: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Opaque(Node):
    """Any other node, carried along and run by onnxruntime. `proto` is its serialised NodeProto.

    `name`, `inputs` and `outputs` prevail over those in the proto: removing an Identity or Dropout rewires nodes.
    """

    op: ClassVar[str] = "Opaque"

    op_type: str
    domain: str
    proto: bytes
    reads: tuple[str, ...] = ()  # outer tensors that subgraphs of control flow capture, besides `inputs`

    @property
    def op_name(self) -> str:
        """The operator, as its node names it."""
        return self.op_type
