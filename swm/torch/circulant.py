# SPDX-License-Identifier: Apache-2.0
"""A block-circulant weight as a parametrization: the parameter is the first columns, the weight is their expansion."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from swm.errors import OptionError
from swm.structure.circulant import check_block
from swm.torch.bits import FixedPoint, exporting

__all__ = ["BlockCirculant", "Layout"]


class _Expand(torch.autograd.Function):
    """Columns (s, p, q, k) → matrices cut into blocks, (s, p, k, q, k), `C[r, c] = w[(r - c) mod k]`.

    The gradient of a number is the sum over its wrapped diagonal. Row by row of a block both are slices of one array
    twice as long, without the indices that autograd would add up element by element. Each is the other's gradient.
    """

    @staticmethod
    def forward(ctx: Any, columns: Tensor) -> Tensor:
        k = columns.shape[-1]
        s, p, q, _ = columns.shape
        backward = columns.flip(-1)
        doubled = torch.cat([backward, backward], -1)
        blocks = columns.new_empty(s, p, k, q, k)
        for row in range(k):
            blocks[:, :, row] = doubled[..., k - 1 - row : 2 * k - 1 - row]
        return blocks

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        found: Tensor = _Collect.apply(gradients[0])
        return found


class _Collect(torch.autograd.Function):
    """Matrices cut into blocks, (s, p, k, q, k) → sums over the wrapped diagonals (s, p, q, k)."""

    @staticmethod
    def forward(ctx: Any, blocks: Tensor) -> Tensor:
        s, p, k, q, _ = blocks.shape
        doubled = blocks.new_zeros(s, p, q, 2 * k)
        for row in range(k):
            doubled[..., k - 1 - row : 2 * k - 1 - row] += blocks[:, :, row]
        return (doubled[..., :k] + doubled[..., k:]).flip(-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        found: Tensor = _Expand.apply(gradients[0])
        return found


class Layout:
    """How a weight tensor is cut into blocks: gates and kernel positions are matrices of their own.

    A tensor (gates * m, n, kernel...) is gates * positions matrices of m x n, each padded with zeros to p x q blocks.

    Args:
        shape: of the weight tensor.
        block: k, a power of two from 2 to 4096.
        gates: matrices that stand below each other in the rows, as those of a recurrent layer; no block straddles two.

    Raises:
        OptionError: an impossible block, fewer than two axes, or rows that are not whole gates.
    """

    def __init__(self, shape: tuple[int, ...], block: int, gates: int = 1) -> None:
        """Check, and count blocks."""
        self.block = check_block(block)
        self.shape, self.gates = tuple(shape), gates
        if len(shape) < 2 or shape[0] % gates:
            raise OptionError(f"a weight of shape {tuple(shape)} is not {gates} matrices below each other")
        self.rows, self.columns = shape[0] // gates, shape[1]
        self.positions = math.prod(shape[2:])
        self.p, self.q = -(-self.rows // block), -(-self.columns // block)
        if gates > 1 and self.rows % block:
            raise OptionError(f"a block of {block} would straddle two gates of {self.rows} cells")

    @property
    def stored(self) -> tuple[int, int, int, int]:
        """Shape of the columns: (gates * positions, p, q, k); a gate's positions stand together."""
        return (self.gates * self.positions, self.p, self.q, self.block)

    def blocks_of(self, weight: Tensor) -> Tensor:
        """(gates * m, n, kernel...) → (gates * positions, p, k, q, k), zeros where there is padding."""
        k = self.block
        matrices = weight.reshape(self.gates, self.rows, self.columns, self.positions).permute(0, 3, 1, 2)
        padding = (0, self.q * k - self.columns, 0, self.p * k - self.rows)
        flat = matrices.flatten(0, 1)
        padded = nn.functional.pad(flat, padding) if any(padding) else flat
        return padded.unflatten(2, (self.q, k)).unflatten(1, (self.p, k))

    def weight_of(self, blocks: Tensor) -> Tensor:
        """Blocks (gates * positions, p, k, q, k) → (gates * m, n, kernel...), padding cut off."""
        k = self.block
        matrices = blocks.reshape(self.gates * self.positions, self.p * k, self.q * k)
        cut = matrices[:, : self.rows, : self.columns].unflatten(0, (self.gates, self.positions))
        return cut.permute(0, 2, 3, 1).reshape(self.shape)

    def project(self, weight: Tensor) -> Tensor:
        """Columns of the nearest block-circulant weight in the Euclidean norm, see `swm.structure.project`.

        Differentiable; padding does not count.
        """
        ones = torch.ones(self.shape, dtype=weight.dtype, device=weight.device)
        inside: Tensor = _Collect.apply(self.blocks_of(ones))
        sums: Tensor = _Collect.apply(self.blocks_of(weight))
        return sums / inside.clamp(min=1)

    def expand(self, columns: Tensor) -> Tensor:
        """Columns (gates * positions, p, q, k) → the weight tensor."""
        if exporting():
            rows = torch.arange(self.block, device=columns.device)
            blocks = columns[..., (rows[:, None] - rows[None, :]) % self.block]
            return self.weight_of(blocks.transpose(2, 3))
        return self.weight_of(_Expand.apply(columns))


class BlockCirculant(nn.Module):
    """A parametrization for `torch.nn.utils.parametrize`: a weight of circulant blocks, `C[r, c] = w[(r - c) mod k]`.

    The parameter (`parametrizations.weight.original`) is the array of first columns, (gates * positions, p, q, k),
    that `swm.BlockCirculant` and `BlockCirculantConv` hold, too. Assigning a weight projects it.

    Args:
        shape: of the weight: (m, n) of a product, (M, C, kernel...) of a convolution, (gates * m, n) of a recurrent
            layer.
        block: k.
        gates: see `Layout`.
        bits: round the spectra of the columns to so many bits at a power of two, as hardware stores them
            (docs/arithmetic.md 3); the gradient passes as if nothing were rounded. None: no rounding.

    Raises:
        OptionError: an impossible block or shape.
    """

    def __init__(self, shape: tuple[int, ...], block: int, gates: int = 1, bits: int | None = None) -> None:
        """Nothing is stored but how the weight is cut."""
        super().__init__()
        self.layout = Layout(shape, block, gates)
        self.spectrum = None if bits is None else FixedPoint(bits)

    @property
    def block(self) -> int:
        """K."""
        return self.layout.block

    def forward(self, columns: Tensor) -> Tensor:
        """Columns (gates * positions, p, q, k) → the weight."""
        if self.spectrum is not None:
            half = torch.fft.rfft(columns)
            rounded = self.spectrum(torch.view_as_real(half))
            columns = torch.fft.irfft(torch.view_as_complex(rounded.contiguous()), n=self.block)
        return self.layout.expand(columns)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The columns of the nearest such weight."""
        return self.layout.project(weight)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        stored, dense = math.prod(self.layout.stored), math.prod(self.layout.shape)
        return f"block={self.block}, {dense} weights in {stored}"
