# SPDX-License-Identifier: Apache-2.0
"""Runs float graphs: structured layers in kernels of ours where that is faster, the rest in onnxruntime."""

from swm.engine.float_engine import FloatEngine, batches, run_again, run_float, run_onnxruntime
from swm.engine.measure import measure_constants
from swm.engine.planning import prepare

__all__ = [
    "FloatEngine",
    "batches",
    "measure_constants",
    "prepare",
    "run_again",
    "run_float",
    "run_onnxruntime",
]
