# SPDX-License-Identifier: Apache-2.0
"""The block-circulant layer: shapes (`spec`), parallelism and loops (`built`), resources (`cost`), choice (`offer`)."""

from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.kind import Circulant
from swm.layers.circulant.spec import CirculantSpec

__all__ = ["Circulant", "CirculantBuilt", "CirculantSpec"]
