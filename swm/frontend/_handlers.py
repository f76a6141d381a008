# SPDX-License-Identifier: Apache-2.0
"""Imports every module of handlers, each of which registers itself."""

from swm.frontend import (
    _channels_last,
    _constants,
    _conv,
    _elementwise,
    _gemm,
    _linear,
    _movement,
    _normalization,
    _pooling,
    _products,
    _qonnx,
    _quantized,
    _recurrent,
    _reductions,
    _resize,
    _shapes,
)

__all__ = [
    "_channels_last",
    "_constants",
    "_conv",
    "_elementwise",
    "_gemm",
    "_linear",
    "_movement",
    "_normalization",
    "_pooling",
    "_products",
    "_qonnx",
    "_quantized",
    "_recurrent",
    "_reductions",
    "_resize",
    "_shapes",
]
