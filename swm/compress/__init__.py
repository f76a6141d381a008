# SPDX-License-Identifier: Apache-2.0
"""Dense graph → structured graph: folding, choice of layers, fitting layer after layer, report."""

from swm.compress._convert import Conversion, Progress, accuracy, convert
from swm.compress._fold import fold_affine
from swm.compress._fold_conv import fold_conv
from swm.compress._methods import METHODS
from swm.compress._parts import Blocks, parse_blocks
from swm.compress._report import ConversionReport, LayerReport

__all__ = [
    "METHODS",
    "Blocks",
    "Conversion",
    "ConversionReport",
    "LayerReport",
    "Progress",
    "accuracy",
    "convert",
    "fold_affine",
    "fold_conv",
    "parse_blocks",
]
