# SPDX-License-Identifier: Apache-2.0
"""Dense graph → structured graph: folding, choice of layers, fitting layer after layer, report."""

from swm.compress.conversion import Conversion, convert
from swm.compress.detect import detect_structure
from swm.compress.equalize import equalized
from swm.compress.evaluation import Interval, TestAccuracy, accuracy, wilson
from swm.compress.fold import fold_affine
from swm.compress.fold_convolution import fold_conv
from swm.compress.methods import METHODS
from swm.compress.plan import Planned, plan, possible_blocks, prepared
from swm.compress.precision import WEIGHTED, float32_advice, other_weights
from swm.compress.record import CONVERSION, ConversionRecord, parse_record, sample_hashes
from swm.compress.report import ConversionReport, LayerReport
from swm.compress.weights import Blocks, parse_blocks, reason_against_groups, reason_to_stay_dense

__all__ = [
    "CONVERSION",
    "METHODS",
    "WEIGHTED",
    "Blocks",
    "Conversion",
    "ConversionRecord",
    "ConversionReport",
    "Interval",
    "LayerReport",
    "Planned",
    "TestAccuracy",
    "accuracy",
    "convert",
    "detect_structure",
    "equalized",
    "float32_advice",
    "fold_affine",
    "fold_conv",
    "other_weights",
    "parse_blocks",
    "parse_record",
    "plan",
    "possible_blocks",
    "prepared",
    "reason_against_groups",
    "reason_to_stay_dense",
    "sample_hashes",
    "wilson",
]
