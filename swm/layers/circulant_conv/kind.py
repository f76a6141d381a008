# SPDX-License-Identifier: Apache-2.0
"""The block-circulant convolution: lowering, quantization, exact integers, ROM contents, C++ configuration."""

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
from swm.layers.arithmetic import forward_transform
from swm.layers.base import Obstacle, Offer, Operand
from swm.layers.beside import Beside
from swm.layers.circulant.build import spectral_members, spectral_roms
from swm.layers.circulant.cost import forward, inverse, products
from swm.layers.circulant.spec import LARGEST_BLOCK, forward_shifts
from swm.layers.circulant.sums import finished_sums, quantized_spectra
from swm.layers.circulant.work import spectral_work
from swm.layers.circulant_conv.offer import CirculantConvOffer
from swm.layers.circulant_conv.spec import CirculantConvBuilt, CirculantConvSpec
from swm.layers.conv import ConvSpec
from swm.layers.convolution import as_matrix, geometry_of
from swm.layers.finish import finish_configuration
from swm.layers.program import BeatStream, ProcessModel, Rom
from swm.layers.values import FixedLayer, FloatLayer, Format, Implementation, Ints, LayerSpec, TensorShape, ceil_div
from swm.layers.weight_memory import WeightMemory
from swm.layers.window import seen
from swm.layers.work import Work
from swm.package_data import hls_dir
from swm.structure import BlockCirculant, BlockCirculantConv

__all__ = ["CirculantConv"]

_MOST_SUMS = 1 << 22  # values that are looked at when the format of the spectral sums is chosen


class CirculantConv(WeightMemory):
    """A convolution whose kernel is block-circulant at each tap."""

    name: ClassVar[str] = "circulant_conv"
    takes: ClassVar[tuple[type[Node], ...]] = (ConvNode,)
    rescales: ClassVar[bool] = True

    @property
    def headers(self) -> tuple[Path, ...]:
        """The traits and the kernels of both forms of the transforms, and the line buffer."""
        passes = ("rfft_unrolled", "irfft_unrolled", "rfft_passes", "irfft_passes")
        names = ("circulant_conv", "circulant", *passes, "spectral_mac", "window")
        return tuple(hls_dir() / "swm" / f"{name}.h" for name in names)

    def lower(self, node: Node, operands: tuple[Operand, ...], name: str) -> FloatLayer | Obstacle | None:
        """A Conv node that holds circulant blocks, and is no product of each position alone."""
        if not isinstance(node, ConvNode) or not isinstance(node.weight, BlockCirculantConv):
            return None
        (operand,) = operands
        if as_matrix(node, operand):
            return None
        block = node.weight.block
        if block > LARGEST_BLOCK:
            return Obstacle(f"its blocks hold {block} values", f"hardware takes blocks of at most {LARGEST_BLOCK}")
        groups = node.group
        outputs = node.weight.shape[0] // groups
        if groups > 1 and (node.channels % block or outputs % block):
            return Obstacle(
                f"a block of {block} would straddle two of its {groups} groups, of {node.channels} channels in and "
                f"{outputs} out",
                f"choose a block that divides both, or leave it dense: --block '{node.name}=1'",
            )
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
            node.weight,
            bias=np.zeros(m, np.float32) if node.bias is None else node.bias,
            grid=geometry.out[: len(operand.grid or ())],
            geometry=geometry,
            groups=groups,
        )

    def spec(self, layer: FloatLayer, bits: int) -> CirculantConvSpec:
        """Shapes and widths."""
        assert layer.geometry is not None
        assert isinstance(layer.weight, BlockCirculantConv)  # lower takes nothing else
        ((n, positions),) = layer.shapes
        return CirculantConvSpec(
            name=layer.name,
            inputs=(TensorShape(n, bits, positions),),
            output=TensorShape(layer.m, bits, layer.positions),
            activation=layer.activation,
            parameters=layer.parameters,
            geometry=layer.geometry,
            block=layer.weight.block,
            weight_bits=bits,
            fft_shifts=forward_shifts(bits, layer.weight.block),
            groups=layer.groups,
        )

    def resized(self, spec: LayerSpec, inputs: tuple[int, ...], output: int) -> LayerSpec | None:
        """The transform of wider inputs may have to shift."""
        found = super().resized(spec, inputs, output)
        assert isinstance(found, CirculantConvSpec)
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
        assert isinstance(spec, CirculantConvSpec)
        assert isinstance(layer.weight, BlockCirculantConv)
        taps, p, q, k = layer.weight.columns.shape
        columns = layer.weight.columns.transpose(1, 0, 2, 3).reshape(p, taps * q, k)
        seen_values = np.split(_patches(spec, inputs[0]), spec.groups, axis=-1)
        matrices = (BlockCirculant(c, (spec.m // spec.groups, taps * q * k)) for c in np.split(columns, spec.groups))
        half = np.concatenate(
            [m.spectral_product(x.reshape(len(x), -1)) for m, x in zip(matrices, seen_values, strict=True)], axis=None
        )
        return quantized_spectra(spec, spec.summed, layer, columns, half, outputs, formats)

    def run(self, layer: FixedLayer, values: tuple[Ints, ...]) -> tuple[Ints, dict[str, int]]:
        """Transforms of every input position, exact sums over taps, one rounding, inverse transforms, finish."""
        spec = layer.spec
        assert isinstance(spec, CirculantConvSpec)
        read, summed, rows = spec.read, spec.summed, len(values[0])
        padded = np.zeros((rows, read.q * spec.block), np.int64)
        padded[:, : spec.n] = values[0]
        spectra = forward_transform(padded.reshape(rows, read.q, spec.block), spec.fft_shifts)
        windows = (seen(part.reshape(-1, *spec.geometry.grid, read.q * read.words), spec.geometry) for part in spectra)
        apart = (part.reshape(*part.shape[:4], spec.groups, -1).swapaxes(3, 4) for part in windows)  # taps of a group
        re, im = (part.reshape(-1, spec.groups * summed.q, summed.words) for part in apart)
        return finished_sums(layer, summed, re, im)

    def rounded_values(self, spec: LayerSpec, place: str) -> int:
        """The spectral sums of every output block, k real numbers each; then the outputs."""
        assert isinstance(spec, CirculantConvSpec)
        sums = spec.output.positions * spec.read.p * spec.block
        return sums if place == "sum" else super().rounded_values(spec, place)

    def rounded_format(self, layer: FixedLayer, place: str) -> Format:
        """That of the spectral sums, or of the outputs."""
        assert isinstance(layer.spec, CirculantConvSpec)
        sums = Format(layer.spec.read.rounded_bits, layer.value_frac)
        return sums if place == "sum" else layer.output_format

    def offer(self, spec: LayerSpec, ports: DspPorts) -> Offer:
        """Every legal parallelism."""
        assert isinstance(spec, CirculantConvSpec)
        return CirculantConvOffer(spec, ports)

    def minimal(self, spec: LayerSpec) -> CirculantConvBuilt:
        """One lane everywhere (passes: two words, one unit of the transform)."""
        assert isinstance(spec, CirculantConvSpec)
        three = 3 if spec.weight_bits < 18 else 4
        return CirculantConvBuilt(spec, mac_bins=1 if spec.read.unrolled else 2, products=three)

    def work(self, spec: LayerSpec) -> tuple[Work, ...]:
        """A transform of each block read, products of all taps, an inverse transform of each block written."""
        assert isinstance(spec, CirculantConvSpec)
        k, written = spec.block, prod(spec.geometry.out)
        p, q = (ceil_div(channels, k) for channels in (spec.m, spec.n))
        return spectral_work(spec.summed, q * spec.positions, spec.stored_words // k * written, p * written)

    def left_dense(self, spec: LayerSpec) -> LayerSpec:
        """A dense convolution of the same shape and widths."""
        assert isinstance(spec, CirculantConvSpec)
        return ConvSpec(
            spec.name,
            spec.inputs,
            spec.output,
            spec.activation,
            parameters=spec.parameters,
            geometry=spec.geometry,
            weight_bits=spec.weight_bits,
            groups=spec.groups,
        )

    def product(self, built: Any) -> Any:
        """The product of an output position."""
        return built.product

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Transforms of each input position, the line buffer, products and transforms of each output position.

        Products of an output position are a token for each group, transforms one for all.
        """
        assert isinstance(built, CirculantConvBuilt)
        spec, window = built.layer, built.window
        front = (replace(one, repeats=spec.positions) for one in forward(built.front, ports))
        line = ProcessModel("window", "window", window.program("spectra", "windows"), window.cost(), view="conv_window")
        blocks = ceil_div(built.spec.n, spec.block)  # of a position, without the zeros between several
        columns, outputs = built.spec.geometry.taps * blocks // spec.groups, spec.output.positions
        mac = products(built.product, ports, columns)[0]
        mac = replace(mac, repeats=outputs * spec.groups, view="conv_spectra")
        view = "conv_spectra" if spec.groups == 1 else "conv_inverse"
        back = (replace(one, repeats=outputs, view=view) for one in inverse(built.back, ports))
        (read,) = mac.program.reads
        program = replace(mac.program, reads=(replace(read, stream="windows"),))
        return (*front, line, replace(mac, program=program), *back)

    def streams(self, built: Implementation) -> tuple[BeatStream, ...]:
        """Spectra before and behind the line buffer, sums, and what passes between stages; beats of a frame."""
        assert isinstance(built, CirculantConvBuilt)
        spec, front, back = built.layer, built.front.streams(), built.back.streams()
        place = [stream.name for stream in front].index("spectra") + 1
        ahead = (replace(s, beats=s.beats * spec.positions) for s in front[:place])
        line = built.window
        windows = replace(front[place - 1], name="windows", words=line.out_words, beats=line.out_beats)
        behind = (replace(s, beats=s.beats * spec.output.positions) for s in back[place:])
        return (*ahead, windows, *behind)

    def roms(self, layer: FixedLayer, built: Implementation) -> tuple[Rom, ...]:
        """Weights in the order of the products, and the bias."""
        assert isinstance(built, CirculantConvBuilt)
        spec, product, taps = built.layer, built.product, (built.tap_rows, built.tap_columns)
        every, q = spec.geometry.taps, spec.read.q // spec.groups
        shape = (product.spec.p * spec.groups, every, product.spec.q // every, product.spec.words, 2)
        padded = np.zeros(shape, np.int64)
        weights, bias = (layer.arrays[name] for name in ("weights", "bias"))
        if built.spec.seen.columns > 1:
            weights, bias = _of_tokens(built.spec.seen, weights), np.tile(bias, built.spec.seen.outputs)
        padded[:, :, :q] = weights.reshape(*shape[:2], q, *shape[3:])
        # As beats of the line buffer bring them: groups of taps, groups of blocks, then taps and blocks of a beat.
        steps = (k // t for k, t in zip(spec.geometry.kernel, taps, strict=True))
        rows, columns = ((step, t) for step, t in zip(steps, taps, strict=True))
        split = padded.reshape(shape[0], *rows, *columns, -1, product.fft_lanes, *shape[3:])
        order = split.transpose(0, 1, 3, 5, 2, 4, 6, 7, 8)
        return spectral_roms(product, order.reshape(shape[0], -1, *shape[3:]), bias)

    def configuration(self, layer: FixedLayer | None, built: Implementation) -> dict[str, Any]:
        """As window.h and circulant.h ask; what the products read is derived by circulant_conv.h."""
        assert isinstance(built, CirculantConvBuilt)
        assert layer is not None
        spec = built.layer
        return {
            **built.window.configuration(),
            **spectral_members(built.product),
            "m": spec.m,
            "n": spec.n,
            **({"groups": spec.groups} if spec.groups > 1 else {}),
            "acc_shift": layer.acc_shift,
            **finish_configuration(layer),
        }


def _of_tokens(seen: Beside, weights: Ints) -> Ints:
    """Blocks (p, taps * q, words, 2) as the outputs of a token multiply them; zeros where one sees nothing."""
    rows, taps = seen.one.kernel
    split = weights.reshape(len(weights), rows, taps, -1, *weights.shape[2:])
    places = seen.geometry.kernel[1] * seen.columns
    wide = np.zeros((seen.outputs, len(weights), rows, places, *split.shape[3:]), np.int64)
    for output in range(seen.outputs):
        first = seen.first + output * seen.one.strides[1]
        for tap in range(taps):
            wide[output, :, :, first + tap * seen.one.dilations[1]] = split[:, :, tap]
    return wide.reshape(seen.outputs * len(weights), -1, *weights.shape[2:])


def _patches(spec: CirculantConvSpec, x: NDArray[np.floating]) -> NDArray[np.float64]:
    """What kernels see in some of the calibration samples, evenly among them: (rows, taps, q * k)."""
    q, k, g = spec.read.q, spec.block, spec.geometry
    images = x.reshape(-1, *g.grid, spec.n)
    step = -(-len(images) * prod(g.out) * g.taps * q * k // _MOST_SUMS)
    some = images[::step].astype(np.float64)
    padded = np.zeros((*some.shape[:-1], q * k))
    padded[..., : spec.n] = some
    return seen(padded, g).reshape(-1, g.taps, q * k)
