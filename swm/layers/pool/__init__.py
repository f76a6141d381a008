# SPDX-License-Identifier: Apache-2.0
"""Pooling: the greatest or the mean of what a window sees of an image."""

from swm.layers.pool.kind import Pool
from swm.layers.pool.spec import PoolBuilt, PoolSpec

__all__ = ["Pool", "PoolBuilt", "PoolSpec"]
