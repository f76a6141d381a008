# SPDX-License-Identifier: Apache-2.0
"""Residual streams of more bits than everything else.

A sum of many branches has a range that grows from one to the next, and what is lost there is lost for all that follows;
its tensors are read by adders and normalisations, so their bits cost little.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.layers.registry import kind
from swm.layers.values import LayerSpec

__all__ = ["residual_tensors", "with_residual_bits"]


def residual_tensors(network: NetworkShape) -> frozenset[str]:
    """Results of sums, and what a sum reads that others read too; of these, what may have bits of its own.

    The network's ends keep theirs, and so does what a layer reads or writes that passes words on as they are.
    """
    sums = [layer for layer in network.layers if kind(layer.spec.kind).joins]
    readers = Counter(tensor for layer in network.layers for tensor in layer.inputs)
    found = {layer.output for layer in sums} | {t for layer in sums for t in layer.inputs if readers[t] > 1}
    fixed = {network.input, network.output}
    for layer in network.layers:
        if _resized(layer, {}) is None:
            fixed |= {*layer.inputs, layer.output}
    return frozenset(found - fixed)


def with_residual_bits(network: NetworkShape, bits: int) -> NetworkShape:
    """The same network with residual streams of so many bits."""
    widths = dict.fromkeys(residual_tensors(network), bits)
    layers = []
    for layer in network.layers:
        spec = _resized(layer, widths) if {*layer.inputs, layer.output} & set(widths) else layer.spec
        assert spec is not None
        layers.append(replace(layer, spec=spec))
    return replace(network, layers=tuple(layers))


def _resized(layer: ShapedLayer, widths: dict[str, int]) -> LayerSpec | None:
    """The layer's spec with these bits of some tensors; None where it has as many everywhere."""
    spec = layer.spec
    inputs = tuple(widths.get(tensor, shape.bits) for tensor, shape in zip(layer.inputs, spec.inputs, strict=True))
    return kind(spec.kind).resized(spec, inputs, widths.get(layer.output, spec.out_bits))
