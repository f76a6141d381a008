# SPDX-License-Identifier: Apache-2.0
"""The compiled convolution: conv.cpp specialised for the block size (layouts and steps are described there)."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.kernels import Floats, Scratch, address, aligned, load_library, packed_spectra, three_parts
from swm.structure import BlockCirculantConv, WeightStructure

__all__ = ["CompiledConv", "ConvGeometry"]

_GROUP = 4  # output blocks that share the loaded pixels, as in conv.cpp
_LINE = 16  # floats of a cache line
_CHUNK_BYTES = 1 << 19  # of the spectra of a chunk: they should stay in a core's own cache


@dataclass(frozen=True)
class ConvGeometry:
    """The parameters of a convolution over one or two spatial axes.

    Attributes:
        channels: (M, C).
        kernel: size of each spatial axis.
        strides: a number for each spatial axis.
        dilations: likewise.
        pads: zeros before, then after, each spatial axis.

    Raises:
        OptionError: no or more than two spatial axes, lengths that differ, or sizes below 1.
    """

    channels: tuple[int, int]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        rank = len(self.kernel)
        lengths = (len(self.strides), len(self.dilations), len(self.pads))
        sizes = (*self.channels, *self.kernel, *self.strides, *self.dilations)
        if rank not in (1, 2) or lengths != (rank, rank, 2 * rank) or min(sizes) < 1 or min(self.pads) < 0:
            raise OptionError(f"a convolution over one or two axes cannot have these parameters: {self}")

    def out(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """Output pixels of an input of so many.

        Raises:
            OptionError: the padded input is smaller than the kernel.
        """
        rank = len(self.kernel)
        padded = [n + self.pads[i] + self.pads[rank + i] for i, n in enumerate(spatial)]
        reach = [d * (r - 1) + 1 for d, r in zip(self.dilations, self.kernel, strict=True)]
        if any(n < r for n, r in zip(padded, reach, strict=True)):
            raise OptionError(f"an input of {spatial} pixels is smaller than the kernel {self.kernel}")
        return tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, self.strides, strict=True))


_SIZES = ("c", "m", "p", "q", "h", "w", "oh", "ow", "sy", "sx", "top", "left", "phases", "taps", "ph", "pw", "pitch")


class _Conv(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, ctypes.c_int64) for name in (*_SIZES, "group")),
        *((name, ctypes.c_void_p) for name in ("phase_y", "phase_x", "tap_at", "weights", "bias")),
        ("relu", ctypes.c_int64),
    ]


class CompiledConv:
    """A convolution with block-circulant weights, ready for repeated calls from any thread.

    Args:
        weight: the kernel.
        geometry: the parameters of the convolution.
        bias: (M,) float32 or None.
        threads: how many to use.
        relu: whether `max(y, 0)` follows.

    Raises:
        OptionError: weight and geometry contradict each other.
        ToolError: there is no compiler.
    """

    @staticmethod
    def blocks(weight: WeightStructure) -> tuple[int, int, int, int] | None:
        """(taps, p, q, k) of a kernel that conv.cpp can run; None for any other structure."""
        if not isinstance(weight, BlockCirculantConv):
            return None
        taps, p, q, k = weight.columns.shape
        return taps, p, q, k

    def __init__(
        self,
        weight: WeightStructure,
        geometry: ConvGeometry,
        bias: Floats | None = None,
        *,
        threads: int = 1,
        relu: bool = False,
    ) -> None:
        """Build the library if need be and lay the weights out."""
        if not isinstance(weight, BlockCirculantConv):
            raise OptionError(f"conv.cpp runs block-circulant kernels, not {weight.label} ones")
        _, p, q, k = weight.columns.shape
        if (weight.channels, weight.kernel) != (geometry.channels, geometry.kernel):
            raise OptionError(f"weights of {weight.channels} and {weight.kernel} are not those of {geometry}")
        self._geometry, self._blocks, self._threads = geometry, (p, q, k), threads
        library = load_library("conv.cpp", {"SWM_K": k})
        self._work_floats, self._run, self._lanes = library.swm_conv_work, library.swm_conv, library.swm_conv_lanes()
        self._work_floats.argtypes, self._work_floats.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_int64
        self._run.argtypes = [*[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2, ctypes.c_void_p]
        self._run.restype = None
        self._weights = _grouped(three_parts(packed_spectra(weight.columns)))
        self._bias = None if bias is None else np.array(bias, np.float32)
        self._relu = relu
        self._plans: dict[tuple[int, ...], _Plan] = {}

    def __call__(self, x: Floats) -> Floats:
        """(N, C, spatial...) float32 → (N, M, output spatial...) float32.

        Raises:
            OptionError: x has another number of channels or axes, or is smaller than the kernel.
        """
        rank = len(self._geometry.kernel)
        if x.ndim != 2 + rank or x.shape[1] != self._geometry.channels[1]:
            raise OptionError(
                f"this convolution takes {self._geometry.channels[1]} channels and {rank} spatial axes, got {x.shape}"
            )
        x = np.ascontiguousarray(x, np.float32)
        plan = self._plans.get(x.shape) or self._planned(x.shape)
        y = np.empty(plan.out, np.float32)
        if x.size and y.size:
            work = plan.scratch.take()
            self._run(ctypes.addressof(plan.parameters), address(x), address(y), len(x), self._threads, work[0])
            plan.scratch.give(work)
        return y

    def _planned(self, shape: tuple[int, ...]) -> _Plan:
        if len(self._plans) >= _KEPT_PLANS:
            self._plans.pop(next(iter(self._plans)), None)
        plan = _Plan(self, shape)
        self._plans[shape] = plan
        return plan


_KEPT_PLANS = 8  # input shapes a prepared convolution keeps plans for


class _Plan:
    """What depends on the shape of the input: planes, tap offsets, samples in a chunk."""

    def __init__(self, conv: CompiledConv, shape: tuple[int, ...]) -> None:
        g = conv._geometry
        batch, c, *spatial = shape
        self._conv = conv  # whose bias is read from where it lies
        out = g.out(tuple(spatial))
        self.out = (batch, g.channels[0], *out)
        p, q, k = conv._blocks
        # One axis is two of which the first has one pixel.
        (h, w), (oh, ow) = _two(spatial, 1), _two(out, 1)
        kernel, (sy, sx), (dy, dx) = _two(g.kernel, 1), _two(g.strides, 1), _two(g.dilations, 1)
        top, left = _two(g.pads[: len(g.kernel)], 0)
        taps = [(y * dy, x * dx) for y in range(kernel[0]) for x in range(kernel[1])]
        phases = sorted({(y % sy, x % sx) for y, x in taps})
        ph, pw = oh + max(y // sy for y, _ in taps), ow + max(x // sx for _, x in taps)
        bytes_each = 4 * len(phases) * ph * pw * q * k
        group = self._samples(batch, _CHUNK_BYTES // bytes_each, (ph, pw), (oh, ow), conv._lanes)
        pitch = -(-group * ph * pw // _LINE) | 1  # an odd number of lines: walks over blocks meet all sets of the cache
        pitch *= _LINE
        at = [phases.index((y % sy, x % sx)) * q * 2 * pitch + y // sy * pw + x // sx for y, x in taps]
        self._kept: list[NDArray[Any]] = [
            np.array(v, np.int64) for v in ([y for y, _ in phases], [x for _, x in phases], at)
        ]
        self._kept.append(conv._weights)
        bias = None if conv._bias is None else conv._bias.ctypes.data
        sizes = (c, g.channels[0], p, q, h, w, oh, ow, sy, sx, top, left, len(phases), len(taps), ph, pw, pitch, group)
        self.parameters = _Conv(*sizes, *(a.ctypes.data for a in self._kept), bias, conv._relu)
        self.scratch = Scratch(int(conv._work_floats(ctypes.addressof(self.parameters), conv._threads)))

    @staticmethod
    def _samples(batch: int, most: int, plane: tuple[int, int], out: tuple[int, int], lanes: int) -> int:
        """Samples in a chunk: as few as fill the vectors nearly as well as can be."""
        if not math.prod(out):
            return 1

        def vectors(samples: int) -> float:
            end = ((samples - 1) * plane[0] + out[0] - 1) * plane[1] + out[1]
            return -(-end // lanes) / samples

        choices = range(1, max(1, min(batch, most, 64)) + 1)
        best = min(map(vectors, choices))
        return next(n for n in choices if vectors(n) <= 1.05 * best)


def _two(values: Any, first: int) -> tuple[int, int]:
    given = tuple(int(v) for v in values)
    return (first, *given) if len(given) == 1 else given  # type: ignore[return-value]


def _grouped(spectra: NDArray[np.floating]) -> Floats:
    """(taps, p, q, rows, parts) → groups of output blocks in turn: [row][tap][q][output of the group][parts]."""
    p = spectra.shape[1]
    memory = aligned(spectra.size, np.float32)
    parts = [spectra[:, i : min(i + _GROUP, p)].transpose(3, 0, 2, 1, 4).reshape(-1) for i in range(0, p, _GROUP)]
    memory[:] = np.concatenate(parts)
    return memory
