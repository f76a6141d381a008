# SPDX-License-Identifier: Apache-2.0
"""Convolution kernels that are block-circulant over (output channel, input channel) at each kernel position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import ConvStructure, Operations
from swm.structure.circulant import BlockCirculant, check_block, product_cost, transform_cost
from swm.structure.fit import project
from swm.structure.transforms import Transforms, default_transforms

__all__ = ["BlockCirculantConv", "pixel_spectra", "windows"]

SPECTRA_BYTES = 1 << 26  # of the spectra held at a time; larger batches are cut


@dataclass(frozen=True, eq=False)
class BlockCirculantConv(ConvStructure):
    """A kernel (M, C, kernel...) of p x q circulant blocks of size k at each kernel position.

    As a matrix over patches it is (M, C * positions) with columns in ONNX order. No block straddles two positions, so
    that one transform of a pixel's channels serves all of them. Channels are padded with zeros to multiples of k,
    surplus outputs are dropped.

    Attributes:
        columns: first columns, (positions, p, q, k), positions in C order of the kernel's axes.
        channels: (M, C).
        kernel: size of each spatial axis; their product is the number of positions.

    Raises:
        OptionError: the shapes contradict each other, or k is not a power of two from 2 to 4096.
    """

    label: ClassVar[str] = "block-circulant"

    columns: NDArray[np.float32]
    channels: tuple[int, int]
    kernel: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        if self.columns.ndim != 4:
            raise OptionError(f"columns must have shape (positions, p, q, k), got {self.columns.shape}")
        positions, p, q, k = self.columns.shape
        check_block(k)
        m, c = self.channels
        fits = (p - 1) * k < m <= p * k and (q - 1) * k < c <= q * k
        if positions != math.prod(self.kernel) or not fits:
            raise OptionError(
                f"a kernel of {self.channels} channels and size {self.kernel} has no {self.columns.shape}"
            )

    @classmethod
    def from_dense(cls, tensor: NDArray[np.floating], *, block: int) -> Self:
        """The nearest kernel in the Euclidean norm to a tensor (M, C, kernel...).

        Raises:
            OptionError: impossible block size, or no such tensor.
        """
        k = check_block(block)
        if tensor.ndim < 3:
            raise OptionError(f"a kernel needs channels and spatial axes, got an array of shape {tensor.shape}")
        m, c, *kernel = tensor.shape
        flat = tensor.reshape(m, c, -1)
        columns = np.stack([project(flat[:, :, i], k) for i in range(flat.shape[2])])
        return cls(columns.astype(np.float32), (m, c), tuple(kernel))

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """(M, C * positions)."""
        m, c = self.channels
        return m, c * len(self.columns)

    @property
    def block(self) -> int:
        """Block size k."""
        return int(self.columns.shape[3])

    @property
    def size(self) -> int:
        """Block size k."""
        return self.block

    def to_tensor(self) -> NDArray[np.float32]:
        """The kernel written out, (M, C, kernel...)."""
        flat = [BlockCirculant(columns, self.channels).to_dense() for columns in self.columns]
        return np.ascontiguousarray(np.stack(flat, axis=-1).reshape(*self.channels, *self.kernel))

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix over patches, (M, C * positions), columns in ONNX order."""
        return self.to_tensor().reshape(self.shape)

    @cached_property
    def spectrum(self) -> NDArray[np.complexfloating]:
        """Half spectra, (k/2+1, positions, q, p)."""
        return np.ascontiguousarray(default_transforms().forward(self.columns).transpose(3, 0, 2, 1))

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T` for patches (..., C * positions) in ONNX order: (..., M). `convolve` shares transforms; this cannot.

        Raises:
            OptionError: the last axis of x has another length.
        """
        (m, c), positions = self.channels, len(self.columns)
        if x.ndim == 0 or x.shape[-1] != c * positions:
            raise OptionError(f"matmul needs (..., {c * positions}), got an array of shape {x.shape}")
        _, p, q, k = self.columns.shape
        patches = np.zeros((*x.shape[:-1], positions, q * k), x.dtype)
        patches[..., :c] = np.swapaxes(x.reshape(*x.shape[:-1], c, positions), -1, -2)
        rows = self.columns.transpose(1, 0, 2, 3).reshape(p, positions * q, k)
        flat = BlockCirculant(rows, (m, positions * q * k))
        return flat.reference(patches.reshape(*x.shape[:-1], positions * q * k))

    def convolve(
        self,
        x: NDArray[np.floating],
        strides: tuple[int, ...],
        dilations: tuple[int, ...],
        pads: tuple[int, ...],
        transforms: Transforms | None = None,
    ) -> NDArray[np.float32]:
        """Convolution of (N, C, spatial...) → (N, M, spatial...), float32.

        q forward transforms per input pixel, products summed over positions and channel blocks in the frequency
        domain, p inverse transforms per output pixel.

        Args:
            x: the input.
            strides: a number for each spatial axis.
            dilations: likewise.
            pads: zeros before, then after, each spatial axis.
            transforms: the pair of transforms to use.

        Raises:
            OptionError: x has another number of channels or axes, or is smaller than the kernel.
        """
        transforms = transforms or default_transforms()
        m, c = self.channels
        if x.ndim != 2 + len(self.kernel) or x.shape[1] != c:
            raise OptionError(f"the kernel takes {c} channels and {len(self.kernel)} spatial axes, got shape {x.shape}")
        _, p, q, k = self.columns.shape
        sample = max(1, math.prod(n + pads[i] for i, n in enumerate(x.shape[2:])) * q * (k // 2 + 1) * 8)
        size = max(1, SPECTRA_BYTES // sample)
        parts = []
        for start in range(0, max(len(x), 1), size):
            spectra = pixel_spectra(x[start : start + size].astype(np.float32, copy=False), k, pads, transforms)
            total: NDArray[np.complexfloating] | None = None
            for position, window in enumerate(windows(spectra, self.kernel, strides, dilations)):
                bins, batch, *spatial, _ = window.shape
                product = np.matmul(window.reshape(bins, -1, q), self.spectrum[:, position])
                total = product if total is None else np.add(total, product, out=total)
            assert total is not None  # a kernel has at least one position
            y = transforms.inverse(np.ascontiguousarray(total.transpose(1, 2, 0)), k).reshape(batch, -1, p * k)
            parts.append(y[:, :, :m].transpose(0, 2, 1).reshape(batch, m, *spatial))
        return np.ascontiguousarray(np.concatenate(parts) if len(parts) > 1 else parts[0], dtype=np.float32)

    @property
    def words(self) -> int:
        """Stored numbers, padding included."""
        return int(self.columns.size)

    @property
    def operations(self) -> Operations:
        """Cost of one output pixel at stride 1: q transforms of the new input pixel, all products, p inverse ones."""
        return self.operations_of(1, 1)

    def operations_of(self, read: int, written: int) -> Operations:
        """Cost of a convolution of `read` input pixels, padding not counted, that gives `written` output pixels."""
        positions, p, q, k = self.columns.shape
        transform, product = transform_cost(k), product_cost(k)
        transforms, products = read * q + written * p, written * positions * p * q
        return Operations(
            transforms * transform.multiplications + products * product.multiplications,
            transforms * transform.additions + products * product.additions + written * p * (positions * q - 1) * k,
        )


def pixel_spectra(
    x: NDArray[np.floating], block: int, pads: tuple[int, ...], transforms: Transforms
) -> NDArray[np.complexfloating]:
    """Half spectra along the channels of each pixel: (N, C, spatial...) → (k/2+1, N, padded spatial..., q)."""
    n, c, *spatial = x.shape
    q = -(-c // block)
    last = np.zeros((n, *spatial, q * block), x.dtype)
    last[..., :c] = np.moveaxis(x, 1, -1)
    half = np.moveaxis(transforms.forward(last.reshape(n, *spatial, q, block)), -1, 0)
    rank = len(spatial)
    # The spectrum of a zero pixel is zero, so padding costs no transform.
    widths = [(0, 0), (0, 0), *((pads[i], pads[rank + i]) for i in range(rank)), (0, 0)]
    return np.pad(half, widths) if any(pads) else np.ascontiguousarray(half)


def windows(
    spectra: NDArray[np.complexfloating], kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> list[NDArray[np.complexfloating]]:
    """For each kernel position, what it sees for every output pixel: views (k/2+1, N, output spatial..., q).

    Raises:
        OptionError: the padded input is smaller than the kernel.
    """
    size = spectra.shape[2:-1]
    out = [(n - d * (r - 1) - 1) // s + 1 for n, r, s, d in zip(size, kernel, strides, dilations, strict=True)]
    if min(out) < 1:
        raise OptionError(f"an input of {size} pixels, padding included, is smaller than the kernel {kernel}")
    views = []
    for offset in np.ndindex(*kernel):
        cut = tuple(
            slice(o * d, o * d + (n - 1) * s + 1, s) for o, n, s, d in zip(offset, out, strides, dilations, strict=True)
        )
        views.append(spectra[(slice(None), slice(None), *cut)])
    return views
