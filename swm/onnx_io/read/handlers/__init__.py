# SPDX-License-Identifier: Apache-2.0
"""Imports every module of handlers, each of which registers itself."""

from swm.onnx_io.read.handlers import (
    activations,
    channels_last,
    classical,
    constants,
    conv,
    elementwise,
    gemm,
    linear,
    movement,
    normalization,
    pooling,
    products,
    qonnx,
    quantized,
    recurrent,
    reductions,
    reshape,
    resize,
)

__all__ = [
    "activations",
    "channels_last",
    "classical",
    "constants",
    "conv",
    "elementwise",
    "gemm",
    "linear",
    "movement",
    "normalization",
    "pooling",
    "products",
    "qonnx",
    "quantized",
    "recurrent",
    "reductions",
    "reshape",
    "resize",
]
