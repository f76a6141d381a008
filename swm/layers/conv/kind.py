# SPDX-License-Identifier: Apache-2.0
"""The dense convolution: lowering, quantization, exact integers, ROM contents, C++ configuration."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.graph import Conv as ConvNode
from swm.graph import Node
from swm.layers.base import Obstacle, Offer, Operand
from swm.layers.conv.beside import ConvBesideBuilt, beside_members, beside_process, beside_roms
from swm.layers.conv.offer import ConvOffer
from swm.layers.conv.spec import ConvBuilt, ConvSpec
from swm.layers.convolution import as_matrix, geometry_of, tap_major
from swm.layers.dense.build import dense_members, dense_process, dense_roms
from swm.layers.finish import finish, finish_configuration
from swm.layers.formats import quantized_weights
from swm.layers.program import BeatStream, ProcessModel, Rom
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape
from swm.layers.weight_memory import WeightMemory
from swm.layers.window import seen
from swm.package_data import hls_dir
from swm.structure import ConvStructure, Dense

__all__ = ["Conv"]


class Conv(WeightMemory):
    """A convolution of one or two axes with a plain kernel; groups of channels are zeros between them."""

    name: ClassVar[str] = "conv"
    takes: ClassVar[tuple[type[Node], ...]] = (ConvNode,)
    rescales: ClassVar[bool] = True

    @property
    def headers(self) -> tuple[Path, ...]:
        """The line buffer, the product, how the two are joined, and the product of several positions."""
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in ("conv", "conv_beside", "window", "dense"))

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Conv node with a plain kernel, or one that is written out, that is no product of each position alone."""
        if not isinstance(node, ConvNode) or isinstance(node.weight, ConvStructure):
            return None
        (operand,) = operands
        if as_matrix(node, operand):
            return None
        geometry = geometry_of(node, operand)
        if isinstance(geometry, Obstacle):
            return geometry
        m = node.weight.shape[0]
        return FloatLayer(
            self.name,
            name,
            node.name,
            (operand.tensor,),
            node.outputs[0],
            ((operand.channels, operand.positions),),
            m,
            prod(geometry.out),
            Dense(tap_major(node.weight.to_dense(), node.channels)),
            bias=np.zeros(m, np.float32) if node.bias is None else node.bias,
            grid=geometry.out[: len(operand.grid or ())],
            geometry=geometry,
            groups=node.group,
        )

    def spec(self, layer: FloatLayer, bits: int) -> ConvSpec:
        """Shapes and widths."""
        assert layer.geometry is not None  # lower sets it
        ((n, positions),) = layer.shapes
        return ConvSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            geometry=layer.geometry,
            weight_bits=bits,
            groups=layer.groups,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The kernel at its best binary point that leaves the bias room, bias at the binary point of the sums."""
        assert isinstance(spec, ConvSpec)
        assert layer.weight is not None
        values = layer.weight.to_dense().astype(np.float64)
        return quantized_weights(
            spec, layer, values, outputs, formats, weight_bits=spec.weight_bits, bias_bits=spec.bias_bits
        )

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact sums over whole frames; below 2^53 by the width rules, so float64 BLAS adds them without rounding."""
        spec = layer.spec
        assert isinstance(spec, ConvSpec)
        image, groups = values[0].astype(np.float64).reshape(-1, *spec.geometry.grid, spec.n), spec.groups
        weights = layer.arrays["weights"].astype(np.float64).reshape(groups, -1, spec.patch)
        patches = (seen(part, spec.geometry).reshape(-1, spec.patch) for part in np.split(image, groups, axis=-1))
        sums = np.concatenate([patch @ w.T for patch, w in zip(patches, weights, strict=True)], axis=1)
        out, lost = finish(sums.astype(np.int64) + layer.arrays["bias"], layer)
        return out, {"output": lost}

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, ConvSpec)
        return ConvOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> ConvBuilt:
        """One multiplier."""
        assert isinstance(spec, ConvSpec)
        return ConvBuilt(spec)

    def product(self, built: Any) -> Any:
        """The product of an output position."""
        return built.product

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """The line buffer, a frame a token; the product, an output position a token, or several."""
        assert isinstance(built, ConvBuilt | ConvBesideBuilt)
        spec, window = built.spec, built.window
        buffer = ProcessModel("window", "window", window.program("in0", "windows"), window.cost())
        if isinstance(built, ConvBesideBuilt):
            return buffer, beside_process(built, ports)
        product = dense_process(built.product, ports, spec.stored_words // spec.groups, "windows")
        repeats = spec.output.positions * spec.groups
        return buffer, replace(product, name="conv", repeats=repeats, view="conv_products")

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """What the kernels see."""
        assert isinstance(built, ConvBuilt | ConvBesideBuilt)
        window = built.window
        return (BeatStream("windows", "in_t", window.out_words, window.bits, window.out_beats),)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the products, and the bias."""
        if isinstance(built, ConvBesideBuilt):
            return beside_roms(layer, built)
        assert isinstance(built, ConvBuilt)
        spec, window = built.spec, built.window
        (rows, columns), v = spec.geometry.kernel, built.in_vec
        beats, channels = window.beats // spec.groups, spec.n // spec.groups
        padded = np.zeros((spec.m, spec.geometry.taps, beats * v), np.int64)
        padded[..., :channels] = layer.arrays["weights"].reshape(spec.m, -1, channels)
        taps = (rows // built.tap_rows, built.tap_rows, columns // built.tap_columns, built.tap_columns)
        split = padded.reshape(spec.m, *taps, beats, v).transpose(0, 5, 1, 3, 2, 4, 6)
        return dense_roms(built.product, split.reshape(spec.m, -1), layer.arrays["bias"])

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As window.h and dense.h ask; what the product reads is derived by conv.h, or conv_beside.h."""
        assert layer is not None
        if isinstance(built, ConvBesideBuilt):
            return {**beside_members(built), **finish_configuration(layer)}
        assert isinstance(built, ConvBuilt)
        spec = built.spec
        image = {"m": spec.m, "n": spec.n, "in_vec": built.in_vec, "bias_bits": spec.bias_bits}
        product = {**dense_members(built.product), **image}
        grouped = {"groups": spec.groups} if spec.groups > 1 else {}
        return {**built.window.configuration(), **product, **grouped, **finish_configuration(layer)}

    def parallelism(self, built: Implementation) -> dict[str, int]:
        """Where positions lie side by side, how many, too."""
        found = super().parallelism(built)
        if not isinstance(built, ConvBesideBuilt):
            return found
        return {"beside_in": built.seen.columns, "beside_out": built.seen.outputs, **found}
