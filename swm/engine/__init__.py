# SPDX-License-Identifier: Apache-2.0
"""Runs graphs: float (structured layers by FFT, the rest in onnxruntime) and fixed (bit-accurate integers)."""

from swm.engine._fixed import FixedResult, flatten_inputs, run_fixed, run_integers
from swm.engine.float_engine import FloatEngine, batches, run_float, run_onnxruntime
from swm.engine.measure import measure_constants

__all__ = [
    "FixedResult",
    "FloatEngine",
    "batches",
    "flatten_inputs",
    "measure_constants",
    "run_fixed",
    "run_float",
    "run_integers",
    "run_onnxruntime",
]
