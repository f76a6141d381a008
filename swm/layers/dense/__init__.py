# SPDX-License-Identifier: Apache-2.0
"""The dense layer: shapes (`spec`), resources (`cost`), choice (`offer`)."""

from swm.layers.dense.beside import DenseBesideBuilt
from swm.layers.dense.kind import Dense
from swm.layers.dense.spec import DenseBuilt, DenseSpec

__all__ = ["Dense", "DenseBesideBuilt", "DenseBuilt", "DenseSpec"]
