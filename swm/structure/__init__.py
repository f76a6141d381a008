# SPDX-License-Identifier: Apache-2.0
"""Weight structures. Each answers the same questions: expand, multiply, words stored, operations counted."""

from swm.structure._base import Dense, Operations, WeightStructure
from swm.structure._circulant import BlockCirculant
from swm.structure._fit import fit_dense, least_squares, project
from swm.structure._kernel import CirculantKernel
from swm.structure._transform import ScipyTransforms, Transforms, default_transforms

__all__ = [
    "BlockCirculant",
    "CirculantKernel",
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
