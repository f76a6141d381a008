# SPDX-License-Identifier: Apache-2.0
"""Runs float graphs: structured layers by FFT, the rest in onnxruntime."""

from swm.engine.float_engine import FloatEngine, batches, run_float, run_onnxruntime
from swm.engine.measure import measure_constants

__all__ = [
    "FloatEngine",
    "batches",
    "measure_constants",
    "run_float",
    "run_onnxruntime",
]
