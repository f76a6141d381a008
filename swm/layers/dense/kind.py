# SPDX-License-Identifier: Apache-2.0
"""The dense kind: lowering, quantization, exact integers, ROM contents, C++ configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.device.board import DspPorts
from swm.graph import Conv, Linear, Node
from swm.layers.base import Obstacle, Offer, Operand, Preference
from swm.layers.convolution import as_matrix
from swm.layers.dense.beside import (
    DenseBesideBuilt,
    DenseBesideOffer,
    beside_members,
    beside_process,
    beside_roms,
)
from swm.layers.dense.build import dense_members, dense_process, dense_roms
from swm.layers.dense.offer import DenseOffer
from swm.layers.dense.spec import DenseBuilt, DenseSpec
from swm.layers.finish import finish, finish_configuration
from swm.layers.formats import quantized_weights
from swm.layers.program import ProcessModel, Rom
from swm.layers.values import (
    FixedLayer,
    FloatLayer,
    Format,
    Implementation,
    Ints,
    LayerSpec,
    TensorShape,
)
from swm.layers.weight_memory import WeightMemory
from swm.package_data import hls_dir
from swm.structure import BlockCirculant

__all__ = ["Dense"]


class Dense(WeightMemory):
    """`y = activation(W x + b)` at every position."""

    name: ClassVar[str] = "dense"
    takes: ClassVar[tuple[type[Node], ...]] = (Linear, Conv)
    rescales: ClassVar[bool] = True

    @property
    def headers(self) -> tuple[Path, ...]:
        """One position at a time, or several."""
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in ("dense", "dense_beside"))

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Linear node, or a convolution that is one, whose matrix no other kind multiplies by.

        It holds a plain matrix, or a structure that is written out.
        """
        grid = operands[0].grid
        if isinstance(node, Conv):
            matrix = as_matrix(node, operands[0])
            if matrix is None:
                return None
            node, operands = matrix[0], matrix[1:]
        if not isinstance(node, Linear) or isinstance(node.weight, BlockCirculant):
            return None
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

    def spec(self, layer: FloatLayer, bits: int) -> DenseSpec:
        """Shapes and widths."""
        ((n, positions),) = layer.shapes
        return DenseSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            weight_bits=bits,
        )

    def quantize(
        self,
        spec: LayerSpec,
        layer: FloatLayer,
        inputs: tuple[NDArray[np.floating], ...],
        outputs: NDArray[np.floating],
        formats: tuple[Format, ...],
    ) -> FixedLayer:
        """The matrix at its best binary point that leaves the bias room, bias at the binary point of the sums."""
        assert isinstance(spec, DenseSpec)
        assert layer.weight is not None
        values = layer.weight.to_dense().astype(np.float64)
        return quantized_weights(
            spec, layer, values, outputs, formats, weight_bits=spec.weight_bits, bias_bits=spec.bias_bits
        )

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Exact sums; below 2^53 by the width rules, so float64 BLAS adds integers without rounding."""
        weights = layer.arrays["weights"].T.astype(np.float64)
        sums = (values[0].astype(np.float64) @ weights).astype(np.int64)
        out, lost = finish(sums + layer.arrays["bias"], layer)
        return out, {"output": lost}

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, DenseSpec)
        return _DenseOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> DenseBuilt:
        """One multiplier."""
        assert isinstance(spec, DenseSpec)
        return DenseBuilt(spec)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """One process: load, products and drain in one loop."""
        if isinstance(built, DenseBesideBuilt):
            return (beside_process(built, ports),)
        assert isinstance(built, DenseBuilt)
        return (dense_process(built, ports, built.spec.m * built.spec.n),)

    def product(self, built: Any) -> Any:
        """That of one position."""
        return built.product if isinstance(built, DenseBesideBuilt) else built

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the products, and the bias."""
        if isinstance(built, DenseBesideBuilt):
            return beside_roms(layer, built)
        assert isinstance(built, DenseBuilt)
        return dense_roms(built, layer.arrays["weights"], layer.arrays["bias"])

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As dense.h asks, or dense_beside.h."""
        assert isinstance(built, DenseBuilt | DenseBesideBuilt)
        assert layer is not None
        members = beside_members(built) if isinstance(built, DenseBesideBuilt) else dense_members(built)
        return {**members, "bias_bits": built.spec.bias_bits, **finish_configuration(layer)}

    def parallelism(self, built: Implementation) -> dict[str, int]:
        """Where positions lie side by side, how many, too."""
        more = {"beside": built.spec.beside} if isinstance(built, DenseBesideBuilt) else {}
        return {**more, **super().parallelism(built)}


class _DenseOffer(Offer):
    """A position at a time, or several."""

    def __init__(self, spec: DenseSpec, ports: DspPorts) -> None:
        self._one, self._several = DenseOffer(spec, ports), DenseBesideOffer(spec, ports)

    def cheapest(self, interval: int, preference: Preference) -> Implementation | None:
        """See `Offer`."""
        found: list[tuple[float, Implementation]] = [
            best
            for best in (
                self._one.best(interval, preference),
                self._several.best(interval, preference) if preference.beside else None,
            )
            if best is not None
        ]
        return min(found, key=lambda pair: pair[0])[1] if found else None
