# SPDX-License-Identifier: Apache-2.0
"""The block-circulant kind: lowering, quantization in the spectrum, exact integers, ROM contents, C++ configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.graph import Conv, Linear, Node
from swm.layers.arithmetic import forward_transform
from swm.layers.base import Obstacle, Offer, Operand
from swm.layers.circulant.build import spectral_members, spectral_roms
from swm.layers.circulant.built import CirculantBuilt
from swm.layers.circulant.cost import processes
from swm.layers.circulant.offer import CirculantOffer
from swm.layers.circulant.spec import LARGEST_BLOCK, CirculantSpec, forward_shifts
from swm.layers.circulant.sums import finished_sums, quantized_spectra
from swm.layers.circulant.work import spectral_work
from swm.layers.convolution import as_matrix
from swm.layers.dense import DenseSpec
from swm.layers.finish import finish_configuration
from swm.layers.program import BeatStream, ProcessModel, Rom
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape
from swm.layers.weight_memory import WeightMemory
from swm.layers.work import Work
from swm.package_data import hls_dir
from swm.structure import BlockCirculant

__all__ = ["Circulant"]


class Circulant(WeightMemory):
    """`y = activation(C x + b)`, C block-circulant, at every position."""

    name: ClassVar[str] = "circulant"
    takes: ClassVar[tuple[type[Node], ...]] = (Linear, Conv)
    rescales: ClassVar[bool] = True

    @property
    def headers(self) -> tuple[Path, ...]:
        """The traits and the kernels of both forms."""
        names = ("circulant", "rfft_unrolled", "irfft_unrolled", "rfft_passes", "irfft_passes", "spectral_mac")
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in names)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Linear node that holds circulant blocks, or a convolution that is one."""
        grid = operands[0].grid
        if isinstance(node, Conv):
            matrix = as_matrix(node, operands[0])
            if matrix is None:
                return None
            node, operands = matrix[0], matrix[1:]
        if not isinstance(node, Linear) or not isinstance(node.weight, BlockCirculant):
            return None
        if node.weight.block > LARGEST_BLOCK:
            return Obstacle(
                f"its blocks hold {node.weight.block} values", f"hardware takes blocks of at most {LARGEST_BLOCK}"
            )
        (operand,) = operands
        m, n = node.weight.shape
        bias = np.zeros(m, np.float32) if node.bias is None else node.bias
        shapes = ((n, operand.positions),)
        return FloatLayer(
            self.name,
            name,
            node.name,
            (operand.tensor,),
            node.outputs[0],
            shapes,
            m,
            operand.positions,
            node.weight,
            bias=bias,
            grid=None if grid is None or operand.positions > 1 else (1,) * len(grid),
        )

    def spec(self, layer: FloatLayer, bits: int) -> CirculantSpec:
        """Shapes and widths."""
        assert isinstance(layer.weight, BlockCirculant)  # lower takes nothing else
        ((n, positions),) = layer.shapes
        return CirculantSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            block=layer.weight.block,
            weight_bits=bits,
            fft_shifts=forward_shifts(bits, layer.weight.block),
        )

    def resized(self, spec: LayerSpec, inputs: tuple[int, ...], output: int) -> LayerSpec | None:
        """The transform of wider inputs may have to shift."""
        found = super().resized(spec, inputs, output)
        assert isinstance(found, CirculantSpec)
        return replace(found, fft_shifts=forward_shifts(inputs[0], found.block))

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """Spectra of the first columns, the binary point of their sums by calibration, bias at that point."""
        assert isinstance(spec, CirculantSpec)
        assert isinstance(layer.weight, BlockCirculant)
        half = layer.weight.spectral_product(np.asarray(inputs[0], np.float64))
        return quantized_spectra(spec, spec, layer, layer.weight.columns, half, outputs, formats)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Transforms, exact spectral sums, one rounding, inverse transforms, finish (docs/arithmetic.md 2 to 5)."""
        spec = layer.spec
        assert isinstance(spec, CirculantSpec)
        rows = len(values[0])
        padded = np.zeros((rows, spec.q * spec.block), np.int64)
        padded[:, : spec.n] = values[0]
        re, im = forward_transform(padded.reshape(rows, spec.q, spec.block), spec.fft_shifts)
        return finished_sums(layer, spec, re, im)

    def rounded_values(self, spec: LayerSpec, place: str) -> int:
        """The spectral sums of every output block, k real numbers each; then the outputs."""
        assert isinstance(spec, CirculantSpec)
        return spec.positions * spec.p * spec.block if place == "sum" else super().rounded_values(spec, place)

    def rounded_format(self, layer: FixedLayer, place: str) -> Format:
        """That of the spectral sums, or of the outputs."""
        assert isinstance(layer.spec, CirculantSpec)
        return Format(layer.spec.rounded_bits, layer.value_frac) if place == "sum" else layer.output_format

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, CirculantSpec)
        return CirculantOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> CirculantBuilt:
        """One lane everywhere (passes: two words, one unit of the transform)."""
        assert isinstance(spec, CirculantSpec)
        products = 3 if spec.weight_bits < 18 else 4
        return CirculantBuilt(spec, mac_bins=1 if spec.unrolled else 2, products=products)

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """Transforms of all block columns, products of all blocks, inverse transforms of all block rows."""
        assert isinstance(spec, CirculantSpec)
        p, q, positions = spec.p, spec.q, spec.positions
        return spectral_work(spec, q * positions, p * q * positions, p * positions)

    def left_dense(self, spec: LayerSpec) -> LayerSpec:
        """A dense layer of the same shape and widths."""
        assert isinstance(spec, CirculantSpec)
        return DenseSpec(
            spec.name,
            spec.inputs,
            spec.output,
            spec.activation,
            parameters=spec.parameters,
            weight_bits=spec.weight_bits,
        )

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Forward transform, products, inverse transform with bias and activation."""
        assert isinstance(built, CirculantBuilt)
        return processes(built, ports)

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """Spectra and sums."""
        assert isinstance(built, CirculantBuilt)
        return built.streams()

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the products (contract of hls/swm/spectral_mac.h), and the bias."""
        assert isinstance(built, CirculantBuilt)
        return spectral_roms(built, layer.arrays["weights"], layer.arrays["bias"])

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As circulant.h asks."""
        assert isinstance(built, CirculantBuilt)
        assert layer is not None
        return {**spectral_members(built), "acc_shift": layer.acc_shift, **finish_configuration(layer)}
