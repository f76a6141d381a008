# SPDX-License-Identifier: Apache-2.0
"""Dense graph → structured graph: folding, choice of layers, fitting layer after layer, report."""

from swm.compress.conversion import Conversion, Progress, convert
from swm.compress.evaluation import Interval, TestAccuracy, accuracy, wilson
from swm.compress.fold import fold_affine
from swm.compress.fold_convolution import fold_conv
from swm.compress.methods import METHODS
from swm.compress.report import ConversionReport, LayerReport
from swm.compress.weights import Blocks, parse_blocks

__all__ = [
    "METHODS",
    "Blocks",
    "Conversion",
    "ConversionReport",
    "Interval",
    "LayerReport",
    "Progress",
    "TestAccuracy",
    "accuracy",
    "convert",
    "fold_affine",
    "fold_conv",
    "parse_blocks",
    "wilson",
]
