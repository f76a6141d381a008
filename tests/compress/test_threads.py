# SPDX-License-Identifier: Apache-2.0
"""Small layers are fitted with one thread of BLAS, and the caller's number comes back."""

import scipy.linalg  # noqa: F401
from threadpoolctl import threadpool_info

from swm.compress.threads import LARGE, blas_threads


def threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_one_thread_for_small_layers_only():
    before = threads()
    with blas_threads(512 * 784):
        assert set(threads()) == {1}
    with blas_threads(LARGE):
        assert threads() == before
    assert threads() == before
