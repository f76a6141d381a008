# SPDX-License-Identifier: Apache-2.0
"""Weight structures. Each answers the same questions: expand, multiply, words stored, operations counted."""

from swm.structure.base import (
    ConvStructure,
    Dense,
    FunctionBody,
    Operations,
    Rows,
    WeightStructure,
    register,
    structure_called,
    unregister,
)
from swm.structure.circulant import BlockCirculant
from swm.structure.circulant_conv import BlockCirculantConv
from swm.structure.detect import circulant_columns
from swm.structure.fit import fit_dense, least_squares, project
from swm.structure.transforms import ScipyTransforms, Transforms, default_transforms

__all__ = [
    "BlockCirculant",
    "BlockCirculantConv",
    "ConvStructure",
    "Dense",
    "FunctionBody",
    "Operations",
    "Rows",
    "ScipyTransforms",
    "Transforms",
    "WeightStructure",
    "circulant_columns",
    "default_transforms",
    "fit_dense",
    "least_squares",
    "project",
    "register",
    "structure_called",
    "unregister",
]
