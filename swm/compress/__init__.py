# SPDX-License-Identifier: Apache-2.0
"""Dense graph → structured graph: folding, choice of layers, fitting layer after layer, report."""

from swm.compress._convert import Conversion, Progress, accuracy, convert
from swm.compress._fold import fold_affine
from swm.compress._report import ConversionReport, LayerReport

__all__ = ["Conversion", "ConversionReport", "LayerReport", "Progress", "accuracy", "convert", "fold_affine"]
