# SPDX-License-Identifier: Apache-2.0
"""Weight structures. Each answers the same questions: expand, multiply, words stored, operations counted."""

from swm.structure.base import Dense, Operations, WeightStructure
from swm.structure.circulant import BlockCirculant
from swm.structure.circulant_conv import BlockCirculantConv
from swm.structure.fit import fit_dense, least_squares, project
from swm.structure.transforms import ScipyTransforms, Transforms, default_transforms

__all__ = [
    "BlockCirculant",
    "BlockCirculantConv",
    "Dense",
    "Operations",
    "ScipyTransforms",
    "Transforms",
    "WeightStructure",
    "default_transforms",
    "fit_dense",
    "least_squares",
    "project",
]
