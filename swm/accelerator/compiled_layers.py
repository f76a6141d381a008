# SPDX-License-Identifier: Apache-2.0
"""What fixed.cpp is told of a layer, and the proof that its float64 arithmetic on integers has no rounding.

`proven` derives, from a layer's widths and the range of the integers that reach it, that every intermediate value
stays below 2^53, where float64 arithmetic on integers has no rounding.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.accelerator.compiled_curves import CURVE, POLICIES, curve_integers
from swm.kernels import address, aligned, load_library
from swm.layers.circulant import CirculantSpec
from swm.layers.circulant_conv import CirculantConvSpec
from swm.layers.conv import ConvSpec
from swm.layers.curves import Ramp, Steps, Table
from swm.layers.dense import DenseSpec
from swm.layers.depthwise import DepthwiseSpec
from swm.layers.geometry import Geometry
from swm.layers.scale import ScaleSpec
from swm.layers.values import TWIDDLE_FRAC, FixedLayer, Ints, LayerSpec, clog2
from swm.layers.window import seen

__all__ = [
    "EXACT_BITS",
    "KINDS",
    "CompiledGroups",
    "CompiledLayer",
    "bits_in",
    "compiled",
    "compiled_groups",
    "proven",
    "seen_index",
]

EXACT_BITS = 53  # a two's complement integer of so many bits, and every sum on the way to it, is exact in float64
MOST_SHIFT = 50
KINDS: dict[type, int] = {
    CirculantSpec: 0,
    DenseSpec: 1,
    ScaleSpec: 2,
    CirculantConvSpec: 0,
    ConvSpec: 1,
    DepthwiseSpec: 3,
}


class _SwmLayer(ctypes.Structure):
    _integers = (
        *("kind", "m", "n", "p", "q", "fft_shifts", "acc_shift", "rounded_bits"),
        *("activation", "plain_shift", "out_bits", *CURVE, "lines", "rectified", "base_shift", "width", "width_shift"),
    )
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in _integers),
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "starts", "rises")),
    ]


def bits_in(values: Ints) -> int:
    """Width of the two's complement numbers that hold every value."""
    if not values.size:
        return 1
    low, high = int(values.min()), int(values.max())
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1


def proven(layer: FixedLayer, incoming: int) -> bool:
    """Whether fixed.cpp knows the layer, and every value inside is exact in float64 for inputs of `incoming` bits."""
    if not _known(layer):
        return False
    weight_bits = bits_in(layer.arrays["weights"])
    shifts: list[int] = []
    spec = _sums(layer.spec)
    if isinstance(spec, CirculantSpec):
        stages = clog2(spec.block)
        if spec.fft_shifts not in (0, stages // 2):
            return False
        spectrum = incoming + stages - spec.fft_shifts + 1  # one bit more than WX, for the roundings
        inverse = spec.rounded_bits + spec.fft_shifts + 3
        total = weight_bits + spectrum + 1 + clog2(spec.q)
        inside = max(max(spectrum, inverse) + TWIDDLE_FRAC + 3, total + max(0, -layer.acc_shift))
        value, shifts = inverse, [layer.acc_shift]
    else:
        inside = value = weight_bits + incoming + clog2(_terms(spec))
    value = max(value, bits_in(layer.arrays["bias"])) + 1
    curve = layer.curve
    inside = max(inside, value)
    ramp = curve.ramp if isinstance(curve, Steps) else curve
    if not isinstance(curve, Table | Steps) and not (isinstance(curve, Ramp) and not curve.leaky):
        shifts.append(layer.value_frac - layer.output_format.frac)
        inside = max(inside, value + max(0, -shifts[-1]))
    if isinstance(ramp, Ramp | Table):
        shifts += [ramp.input_shift, ramp.out_shift]
    if isinstance(curve, Ramp | Table | Steps):
        inside = max(inside, curve.inner_bits)
    if isinstance(curve, Steps):
        shifts.append(curve.width_shift)
    return inside <= EXACT_BITS and all(shift <= MOST_SHIFT for shift in shifts)


def _known(layer: FixedLayer) -> bool:
    return type(layer.spec) in KINDS and (layer.curve is None or layer.curve.policy in POLICIES)


def _sums(spec: LayerSpec) -> LayerSpec:
    """The spec whose sums the layer makes: of a circulant convolution that over all taps."""
    return spec.summed if isinstance(spec, CirculantConvSpec) else spec


def _terms(spec: LayerSpec) -> int:
    """Products in a sum."""
    if isinstance(spec, ConvSpec):
        return spec.patch
    if isinstance(spec, DepthwiseSpec):
        return spec.geometry.taps
    return spec.n if isinstance(spec, DenseSpec) else 1


@dataclass(frozen=True, eq=False)
class CompiledLayer:
    """A layer's library and parameters.

    Attributes:
        layer: which.
        library: fixed.cpp for its block size.
        parameters: what it is told.
        work: doubles of scratch memory of a call; of a convolution they are asked for at each.
        keep: the arrays that `parameters` points to.
        geometry: of a convolution.
        index: (outputs, taps) int32, which position each tap of a convolution sees; -1: none.
    """

    layer: FixedLayer
    library: ctypes.CDLL
    parameters: _SwmLayer
    work: int
    keep: tuple[NDArray[Any], ...]
    geometry: Geometry | None
    index: NDArray[np.int32]

    @property
    def chained(self) -> bool:
        """Whether values may stay in lanes from the layer before it, and to the one behind."""
        return self.geometry is None

    def counts(self, lost: Any) -> dict[str, int]:
        """Saturation counts by place, named as the integer engine names them."""
        summed = isinstance(self.layer.spec, CirculantSpec | CirculantConvSpec)
        return {**({"sum": int(lost[0])} if summed else {}), "output": int(lost[1])}

    def convolve(self, values: Ints) -> tuple[Ints, dict[str, int]]:
        """A convolution: (frames * positions, channels) → (frames * outputs, m), and saturation counts."""
        spec, (outputs, taps) = self.layer.spec, self.index.shape
        values = np.ascontiguousarray(values)
        positions = spec.inputs[0].positions
        frames = len(values) // positions
        sizes = (frames, positions, spec.n)
        where = ctypes.addressof(self.parameters)
        work = aligned(self.library.swm_fixed_conv_work(where, *sizes, taps), np.float64)
        out, lost = np.empty((frames * outputs, spec.m), np.int64), (ctypes.c_int64 * 2)()
        data = values.ctypes.data, *sizes, self.index.ctypes.data, outputs, taps
        if frames:
            self.library.swm_fixed_conv(where, *data, address(work), out.ctypes.data, lost)
        return out, self.counts(lost)


@dataclass(frozen=True, eq=False)
class CompiledGroups:
    """A convolution of several groups of channels, each of them a convolution of its own.

    Attributes:
        parts: of each group.
    """

    parts: tuple[CompiledLayer, ...]

    def convolve(self, values: Ints) -> tuple[Ints, dict[str, int]]:
        """(frames * positions, channels) → (frames * outputs, m), and saturation counts."""
        channels = np.split(values, len(self.parts), axis=1)
        words, counts = zip(*(one.convolve(x) for one, x in zip(self.parts, channels, strict=True)), strict=True)
        return np.concatenate(words, axis=1), {place: sum(c[place] for c in counts) for place in counts[0]}


def compiled_groups(layer: FixedLayer) -> CompiledGroups | None:
    """Build what runs a convolution of several groups of channels; None for any other layer.

    Raises:
        ToolError: no compiler.
    """
    spec = layer.spec
    if not isinstance(spec, ConvSpec | CirculantConvSpec) or spec.groups == 1:
        return None
    (read,), written, groups = spec.inputs, spec.output, spec.groups
    channels = replace(read, channels=read.channels // groups), replace(written, channels=written.channels // groups)
    one = replace(spec, inputs=channels[:1], output=channels[1], groups=1)
    arrays = zip(*(np.split(array, groups) for array in layer.arrays.values()), strict=True)
    parts = [replace(layer, spec=one, arrays=dict(zip(layer.arrays, part, strict=True))) for part in arrays]
    made = tuple(found for part in parts if (found := compiled(part)) is not None)
    return CompiledGroups(made) if len(made) == groups else None


def compiled(layer: FixedLayer) -> CompiledLayer | None:
    """Build what runs a layer; None where fixed.cpp does not know its kind, and for convolutions in groups.

    Raises:
        ToolError: no compiler.
    """
    if not _known(layer) or getattr(layer.spec, "groups", 1) > 1:
        return None
    spec = _sums(layer.spec)
    block, p, q, shifts, rounded = 1, spec.m, spec.n, 0, 0
    if isinstance(spec, CirculantSpec):
        block, p, q, shifts, rounded = spec.block, spec.p, spec.q, spec.fft_shifts, spec.rounded_bits
    geometry: Geometry | None = getattr(layer.spec, "geometry", None)
    seen_values = spec.n if geometry is None or isinstance(spec, CirculantSpec) else spec.n * geometry.taps
    library = _library(block)
    stored = layer.arrays["weights"]
    weights = np.ascontiguousarray(stored.transpose(2, 0, 1, 3) if block > 1 else stored, np.float64)
    bias = np.ascontiguousarray(layer.arrays["bias"], np.float64)
    curve = layer.curve
    starts = np.array(getattr(curve, "starts", ()), np.float64)
    rises = np.array(getattr(curve, "rises", ()) or np.zeros(len(starts)), np.float64)
    keep = (weights, bias, starts, rises)
    parameters = _SwmLayer(
        *(KINDS[type(layer.spec)], spec.m, seen_values, p, q, shifts, layer.acc_shift, rounded),
        activation=POLICIES.index(curve.policy if curve else spec.activation),
        plain_shift=layer.value_frac - layer.output_format.frac,
        out_bits=spec.out_bits,
        **curve_integers(curve),
        **dict(zip(("weights", "bias", "starts", "rises"), (array.ctypes.data for array in keep), strict=True)),
    )
    index = np.zeros((0, 0), np.int32) if geometry is None else seen_index(geometry)
    return CompiledLayer(layer, library, parameters, library.swm_fixed_work(p, q), keep, geometry, index)


def _library(block: int) -> ctypes.CDLL:
    library = load_library("fixed.cpp", {"SWM_K": block})
    number, pointer = ctypes.c_int64, ctypes.c_void_p
    library.swm_fixed_work.argtypes = [number] * 2
    library.swm_fixed_layer.argtypes = [pointer] * 3 + [number] + [pointer] * 2
    library.swm_fixed_conv_work.argtypes = [pointer] + [number] * 4
    library.swm_fixed_conv.argtypes = [pointer] * 2 + [number] * 3 + [pointer] + [number] * 2 + [pointer] * 3
    for name in ("swm_fixed_work", "swm_fixed_lanes", "swm_fixed_conv_work"):
        getattr(library, name).restype = number
    for name in ("swm_fixed_layer", "swm_fixed_conv"):
        getattr(library, name).restype = None
    for name in ("swm_fixed_enter", "swm_fixed_leave"):
        getattr(library, name).argtypes = [pointer, number, number, pointer]
        getattr(library, name).restype = None
    return library


def seen_index(geometry: Geometry) -> NDArray[np.int32]:
    """(outputs, taps): the position that each tap of each output sees; -1 where it lies outside the grid."""
    rows, columns = geometry.grid
    places = np.arange(rows * columns, dtype=np.int32).reshape(1, rows, columns, 1)
    return np.ascontiguousarray(seen(places, geometry, fill=-1).reshape(-1, geometry.taps))
