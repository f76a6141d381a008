# SPDX-License-Identifier: Apache-2.0
"""One thread of BLAS for the small systems of a fit."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

__all__ = ["blas_threads"]

# Weights of a matrix from which more threads gain: at 4096 x 4096 two save a fifth of a conversion at block 4, nothing
# at block 64 (measured on two idle cores). Below, OpenBLAS spends more on waking and waiting for them than on the
# products, and on a machine with other work its waiting loops take ten times as long (measured at 512 x 784, block 8,
# on two busy cores: 14 s instead of 1.5 s).
LARGE = 1 << 21


def blas_threads(weights: int) -> AbstractContextManager[Any]:
    """A context in which numpy and scipy multiply and solve with as many threads as a matrix of that size is worth.

    Args:
        weights: elements of the matrix that is fitted.
    """
    return nullcontext() if weights >= LARGE else _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:
    import numpy as np  # noqa: F401
    import scipy.linalg  # noqa: F401  both bring a BLAS of their own, which has to be loaded to be found
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()
