# SPDX-License-Identifier: Apache-2.0
"""Measured comparisons: rows with medians and spread, the machine's limits beside them (`swm bench`)."""

from swm.bench.conv import run_conv
from swm.bench.convert import run_convert
from swm.bench.fixed import run_fixed_bench
from swm.bench.kernels import run_kernels
from swm.bench.machine import MachineLimits, measure_limits
from swm.bench.models import run_models
from swm.bench.rnn import run_rnn

__all__ = [
    "MachineLimits",
    "measure_limits",
    "run_conv",
    "run_convert",
    "run_fixed_bench",
    "run_kernels",
    "run_models",
    "run_rnn",
]
