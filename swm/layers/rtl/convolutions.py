# SPDX-License-Identifier: Apache-2.0
"""Convolutions in SystemVerilog: the line buffer, and the modules of products behind it."""

from __future__ import annotations

from swm.layers.circulant import CirculantBuilt
from swm.layers.circulant_conv import CirculantConvBuilt, CirculantConvSpec
from swm.layers.conv import ConvBuilt, ConvSpec
from swm.layers.depthwise import DepthwiseBuilt, DepthwiseSpec
from swm.layers.program import ProcessModel
from swm.layers.registry import kind
from swm.layers.rtl.base import Parameter, RtlKind, RtlModule, finish_cycles, finish_parameters, rom_file
from swm.layers.rtl.loops import Loop, one_loop, product_loops
from swm.layers.rtl.passes import pass_loops
from swm.layers.rtl.products import CirculantRtl, dense_cycles, dense_parameters
from swm.layers.rtl.window import WINDOW_CYCLES, blind, window_loops, window_module
from swm.layers.values import FixedLayer, Implementation, LayerSpec, clog2

__all__ = ["CirculantConvRtl", "ConvRtl", "DepthwiseRtl"]

_BLOCKS = CirculantRtl()


class ConvRtl(RtlKind):
    """`swm_window`, `swm_dense`."""

    def obstacle(self, spec: LayerSpec) -> str:
        """A kernel that sees nothing of the image."""
        assert isinstance(spec, ConvSpec)
        return blind(ConvBuilt(spec).window)

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Line buffer, product."""
        assert isinstance(built, ConvBuilt)
        return WINDOW_CYCLES, dense_cycles(built.product)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Loads and windows; loads, products and drains."""
        assert isinstance(built, ConvBuilt)
        window, product = processes
        return (*window_loops(window, built.window), *product_loops(product, self.latencies(built)[1]))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, ConvBuilt)
        assert layer is not None
        parameters = dense_parameters(layer, built.product, kind("conv").configuration(layer, built))
        return window_module(built.window), RtlModule("swm_dense", parameters)


class DepthwiseRtl(RtlKind):
    """`swm_window`, `swm_depthwise`."""

    def obstacle(self, spec: LayerSpec) -> str:
        """A kernel that sees nothing of the image."""
        assert isinstance(spec, DepthwiseSpec)
        return blind(DepthwiseBuilt(spec).window)

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Line buffer; memory 2, operand, product, adder tree, accumulator, end of the layer."""
        assert isinstance(built, DepthwiseBuilt)
        return WINDOW_CYCLES, 5 + clog2(built.tap_rows * built.tap_columns) + finish_cycles(built.spec)

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Loads and windows; products."""
        assert isinstance(built, DepthwiseBuilt)
        return (*window_loops(processes[0], built.window), *one_loop(processes[1], self.latencies(built)[1]))

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, DepthwiseBuilt)
        assert layer is not None
        spec, known = built.spec, kind("depthwise").configuration(layer, built)
        parameters: dict[str, Parameter] = {
            "N": spec.n,
            "VEC": built.in_vec,
            "TAPS": built.tap_rows * built.tap_columns,
            "GROUPS": built.groups,
            "IN_BITS": spec.data_bits,
            "WEIGHT_BITS": spec.weight_bits,
            "BIAS_BITS": spec.bias_bits,
            "ACC": spec.accumulator_bits,
            **finish_parameters(layer, known),
            "FABRIC": built.fabric,
            "WEIGHTS": rom_file(spec.name, "weights"),
            "BIAS": rom_file(spec.name, "bias"),
            "LUTRAM": int(built.storage == "lutram"),
        }
        return window_module(built.window), RtlModule("swm_depthwise", parameters)


class CirculantConvRtl(RtlKind):
    """Forward transforms, `swm_window` over spectra, products and inverse transforms: the modules of `CirculantRtl`."""

    def obstacle(self, spec: LayerSpec) -> str:
        """A kernel that sees nothing of the image."""
        assert isinstance(spec, CirculantConvSpec)
        return blind(CirculantConvBuilt(spec).window)

    def latencies(self, built: Implementation) -> tuple[int, ...]:
        """Transforms of input positions, line buffer, products, transforms of output positions."""
        assert isinstance(built, CirculantConvBuilt)
        front, back = _BLOCKS.latencies(built.front), _BLOCKS.latencies(built.back)
        place = _forward_processes(built)
        return (*front[:place], WINDOW_CYCLES, *back[place:])

    def loops(self, built: Implementation, processes: tuple[ProcessModel, ...]) -> tuple[Loop, ...]:
        """Those of the transforms; loads and windows; those of the products and of the transforms behind them."""
        assert isinstance(built, CirculantConvBuilt)
        place, latencies = _forward_processes(built), self.latencies(built)
        return (
            *_loops(built.front, processes[:place], latencies[:place]),
            *window_loops(processes[place], built.window),
            *_loops(built.back, processes[place + 1 :], latencies[place + 1 :]),
        )

    def rom_bits(self, layer: FixedLayer, built: Implementation, rom: str) -> int:
        """As those of the products."""
        assert isinstance(built, CirculantConvBuilt)
        return _BLOCKS.rom_bits(layer, built.product, rom)

    def modules(self, layer: FixedLayer | None, built: Implementation) -> tuple[RtlModule, ...]:
        """One each."""
        assert isinstance(built, CirculantConvBuilt)
        front, product, back = (_BLOCKS.modules(layer, one) for one in (built.front, built.product, built.back))
        place = _forward_processes(built)
        return (*front[:place], window_module(built.window), product[place], *back[place + 1 :])


def _forward_processes(built: CirculantConvBuilt) -> int:
    """Processes up to the stream of spectra, before the line buffer."""
    return [stream.name for stream in built.front.streams()].index("spectra") + 1


def _loops(built: CirculantBuilt, processes: tuple[ProcessModel, ...], latencies: tuple[int, ...]) -> tuple[Loop, ...]:
    """Of some processes of block-circulant layers."""
    if not built.spec.unrolled:
        return pass_loops(built, processes, latencies)
    found: list[Loop] = []
    for process, latency in zip(processes, latencies, strict=True):
        found += (product_loops if process.kernel == "spectral_mac" else one_loop)(process, latency)
    return tuple(found)
