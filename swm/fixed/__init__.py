# SPDX-License-Identifier: Apache-2.0
"""Fixed point: formats, lowering to hardware layers, quantisation, and the integer arithmetic of docs/arithmetic.md."""

from swm.fixed._graph import FixedGraph, FixedLayer, Format
from swm.fixed._lower import HARDWARE, FloatLayer, Lowered, hardware_findings, lower, safe_identifier
from swm.fixed._quantize import check_bits, layer_specs, quantize_layers
from swm.fixed._store import load_fixed, save_fixed
from swm.fixed.spec import LayerSpec

__all__ = [
    "HARDWARE",
    "FixedGraph",
    "FixedLayer",
    "FloatLayer",
    "Format",
    "LayerSpec",
    "Lowered",
    "check_bits",
    "hardware_findings",
    "layer_specs",
    "load_fixed",
    "lower",
    "quantize_layers",
    "safe_identifier",
    "save_fixed",
]
