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
from swm.structure.catalogue import STRUCTURES, structure_named
from swm.structure.circulant import BlockCirculant
from swm.structure.circulant_conv import BlockCirculantConv
from swm.structure.coarse_few_bits import COARSE_FEW_BITS
from swm.structure.coarse_grain import CoarseGrain
from swm.structure.detect import circulant_columns
from swm.structure.detect_bits import coarse_few_bits, few_bits
from swm.structure.detect_sparse import sparse_structure
from swm.structure.few_bits import FewBits
from swm.structure.fit import fit_dense, least_squares, project
from swm.structure.hierarchical import Hierarchical
from swm.structure.n_of_m import N_OF_M
from swm.structure.permuted_diagonal import PermutedDiagonal
from swm.structure.ternary import TERNARY
from swm.structure.transforms import ScipyTransforms, Transforms, default_transforms

__all__ = [
    "COARSE_FEW_BITS",
    "N_OF_M",
    "STRUCTURES",
    "TERNARY",
    "BlockCirculant",
    "BlockCirculantConv",
    "CoarseGrain",
    "ConvStructure",
    "Dense",
    "FewBits",
    "FunctionBody",
    "Hierarchical",
    "Operations",
    "PermutedDiagonal",
    "Rows",
    "ScipyTransforms",
    "Transforms",
    "WeightStructure",
    "circulant_columns",
    "coarse_few_bits",
    "default_transforms",
    "few_bits",
    "fit_dense",
    "least_squares",
    "project",
    "register",
    "sparse_structure",
    "structure_called",
    "structure_named",
    "unregister",
]
