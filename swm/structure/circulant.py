# SPDX-License-Identifier: Apache-2.0
"""Block-circulant matrices: each k x k block is one vector of k numbers, its first column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import FunctionBody, Operations, WeightStructure, register
from swm.structure.fit import least_squares, project
from swm.structure.transforms import Transforms, default_transforms

if TYPE_CHECKING:  # imported when first used: who only converts needs no compiled kernels
    from swm.kernels import CompiledProduct

__all__ = ["MAX_BLOCK", "BlockCirculant", "check_block"]

MAX_BLOCK = 4096  # hardware has a limit of its own, which lowering names
WORTH_BUILDING = 1 << 14  # words of the circulant vectors times samples: below that numpy is no slower


def check_block(block: int) -> int:
    """Return `block` if it is a power of two from 2 to 4096.

    Raises:
        OptionError: it is not.
    """
    if (
        isinstance(block, bool)
        or not isinstance(block, int | np.integer)
        or not 2 <= block <= MAX_BLOCK
        or block & (block - 1)
    ):
        raise OptionError(f"block size {block!r} is impossible: choose a power of two from 2 to {MAX_BLOCK}")
    return int(block)


@register
@dataclass(frozen=True, eq=False)
class BlockCirculant(WeightStructure):
    """A matrix of p x q circulant blocks of size k, given by the first column w of each.

    `C[r, c] = w[(r - c) mod k]`, so that `C x = irfft(rfft(w) * rfft(x))` (docs/arithmetic.md; CirCNN draws w as
    the first row instead, which needs a conjugate). The logical shape (m, n) may be smaller than (p*k, q*k): inputs
    are padded with zeros, surplus outputs are dropped.

    Attributes:
        columns: float32 or float64 array (p, q, k).
        logical: (m, n); None means (p*k, q*k).

    Raises:
        OptionError: columns are not a (p, q, k) array with blocks in it, k is not a power of two from 2 to 4096, or
            (m, n) does not fit.
    """

    label: ClassVar[str] = "block-circulant"
    function: ClassVar[str] = "BlockCirculant"

    columns: NDArray[np.float32]
    logical: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check what the class text promises."""
        if self.columns.ndim != 3 or not self.columns.size:
            raise OptionError(f"columns must have shape (p, q, k), got {self.columns.shape}")
        p, q, k = self.columns.shape
        check_block(k)
        if self.logical is not None:
            m, n = self.logical
            if not ((p - 1) * k < m <= p * k and (q - 1) * k < n <= q * k):
                raise OptionError(f"a matrix of shape {self.logical} is not made of {p} x {q} blocks of {k}")

    @classmethod
    def from_dense(
        cls, matrix: NDArray[np.floating], *, block: int, calibration: NDArray[np.floating] | None = None
    ) -> Self:
        """The nearest block-circulant matrix.

        Without calibration, nearest in the Euclidean norm of the weights: each w[d] is the mean of the entries on its
        wrapped diagonal. With calibration inputs (samples, n), nearest in the mean squared output error over them: one
        small ridge system per frequency bin (`least_squares`).

        Args:
            matrix: (m, n), any shape; padded with zeros to multiples of the block.
            block: power of two, 2 to 4096.
            calibration: (samples, n) inputs, or None.

        Raises:
            OptionError: impossible block size or array shapes.
        """
        k = check_block(block)
        weight = np.asarray(matrix)
        if weight.ndim != 2:
            raise OptionError(f"from_dense needs a matrix, got an array of shape {weight.shape}")
        m, n = weight.shape
        if calibration is None:
            columns = project(weight, k)
        else:
            if calibration.ndim != 2 or calibration.shape[1] != n or not len(calibration):
                raise OptionError(f"calibration must have shape (samples, {n}), got {calibration.shape}")
            inputs = np.asarray(calibration, dtype=np.float64)
            columns = least_squares(inputs, inputs @ weight.T.astype(np.float64), k).columns
        return cls(columns.astype(np.float32), (m, n))

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """(m, n): outputs, inputs."""
        p, q, k = self.columns.shape
        return self.logical or (p * k, q * k)

    @property
    def block(self) -> int:
        """Block size k."""
        return int(self.columns.shape[2])

    @property
    def size(self) -> int:
        """Block size k."""
        return self.block

    @classmethod
    def check_size(cls, size: int) -> int:
        """See `check_block`."""
        return check_block(size)

    @classmethod
    def reason_against(cls, shape: tuple[int, int], size: int) -> str:
        """Fewer than two blocks in a direction."""
        return f"fewer than two blocks of {size}" if min(shape) < 2 * size else ""

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """See `from_dense` without calibration."""
        return cls.from_dense(matrix, block=size)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns."""
        return {"columns": self.columns}

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """(p, q, k)."""
        m, n = shape
        return {"columns": (-(-m // size), -(-n // size), size)}

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """See the class."""
        del size
        return cls(arrays["columns"], shape)

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Columns gathered into blocks, blocks into the matrix, padding cut off."""
        (p, q, k), (m, n) = cls.array_shapes(shape, size)["columns"], shape
        # Columns repeated twice need no remainder in the index: entry k + r - c is w[(r - c) mod k].
        repeated = body.node("Concat", ["columns", "columns"], "repeated", axis=2)
        rows = body.integers("rows", np.arange(k, 2 * k)[:, None])
        cols = body.integers("cols", np.arange(k)[None, :])
        index = body.node("Sub", [rows, cols], "index")
        blocks = body.node("Gather", [repeated, index], "blocks", axis=2)  # (p, q, r, c)
        interleaved = body.node("Transpose", [blocks], "interleaved", perm=(1, 3, 0, 2))  # (q, c, p, r)
        padded_shape = body.integers("padded_shape", np.array([q * k, p * k]))
        padded = body.node("Reshape", [interleaved, padded_shape], "padded")
        return padded if (m, n) == (p * k, q * k) else body.slice(padded, [n, m], [0, 1], "matrix")

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """The convention in full."""
        (m, n), columns = shape, cls.array_shapes(shape, size)["columns"]
        return (
            f"y = x W^T with a block-circulant matrix W of {m} x {n}. columns has shape {columns}: "
            f"columns[i, j] is the first column w of block (i, j) of W, whose entry in row r and column c is "
            f"w[(r - c) mod {size}], so that block times vector = irfft(rfft(w) * rfft(vector)). "
            f"Rows from {m} and columns from {n} on are padding and are cut off."
        )

    @cached_property
    def spectrum(self) -> NDArray[np.complexfloating]:
        """Half spectrum of every block, (k/2+1, q, p): a small matrix per bin, for batched products."""
        half = default_transforms().forward(self.columns)
        return np.ascontiguousarray(half.transpose(2, 1, 0))

    @cached_property
    def _spectrum64(self) -> NDArray[np.complexfloating]:
        return np.ascontiguousarray(np.fft.rfft(self.columns.astype(np.float64)).transpose(2, 1, 0))

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, (m, n)."""
        p, q, k = self.columns.shape
        rows, cols = np.indices((k, k))
        blocks = self.columns[:, :, (rows - cols) % k]  # (p, q, k, k)
        m, n = self.shape
        return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3).reshape(p * k, q * k)[:m, :n])

    def spectral_product(
        self, x: NDArray[np.floating], transforms: Transforms | None = None
    ) -> NDArray[np.complexfloating]:
        """Spectra of all p output blocks, (batch, p, k/2+1), from x (batch, n): q forward transforms per sample."""
        transforms = transforms or default_transforms()
        _, q, k = self.columns.shape
        batch, n = x.shape
        if n != q * k:
            x = np.concatenate([x, np.zeros((batch, q * k - n), x.dtype)], axis=1)
        half = transforms.forward(x.reshape(batch, q, k))
        weights = self.spectrum if half.dtype == np.complex64 else self._spectrum64
        return np.matmul(half.transpose(2, 0, 1), weights).transpose(1, 2, 0)

    def matmul(self, x: NDArray[np.floating], transforms: Transforms | None = None) -> NDArray[np.floating]:
        """`x W^T` in O(n log n): (..., n) → (..., m).

        For float32 by the compiled kernel of `swm.kernels`, on all cores, once that is built: the first product large
        enough to gain from it has it built in the background. Until then, and with `transforms`, by those and numpy.

        q forward transforms, p*q*(k/2+1) spectral products summed in the frequency domain, p inverse transforms for
        each row of x, instead of p*q of each (the decoupling of C-LSTM, Wang et al., FPGA 2018).

        Raises:
            OptionError: the last axis of x is not n long.
        """
        if transforms is None and x.dtype == np.float32 and x.ndim == 2 and x.shape[1] == self._inputs:
            product = self.__dict__.get("_product") or self._compiled(len(x))
            if product is not None:
                compiled: NDArray[np.float32] = product(x)
                return compiled
        m, n = self.shape
        if transforms is None and x.dtype == np.float32 and x.ndim != 2 and x.ndim and x.shape[-1] == n:
            return self.matmul(x.reshape(math.prod(x.shape[:-1]), n)).reshape(*x.shape[:-1], m)
        transforms = transforms or default_transforms()
        if x.ndim == 0 or x.shape[-1] != n:
            raise OptionError(f"matmul needs (..., {n}), got an array of shape {x.shape}")
        x = x if x.dtype in (np.float32, np.float64) else x.astype(np.float32)
        p, _, k = self.columns.shape
        flat = x.reshape(-1, n)
        product = np.ascontiguousarray(self.spectral_product(flat, transforms))
        y = transforms.inverse(product, k).reshape(len(flat), p * k)[:, :m]
        return np.ascontiguousarray(y).reshape(*x.shape[:-1], m)

    def reference(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """See WeightStructure: `matmul` by the default transforms and numpy."""
        return self.matmul(x, default_transforms())

    @cached_property
    def _inputs(self) -> int:
        return self.shape[1]

    def _compiled(self, batch: int) -> CompiledProduct | None:
        """The compiled product, kept once there is one; asked for by products of some size only."""
        p, q, k = self.columns.shape
        if batch * p * q * k < WORTH_BUILDING:
            return None
        from swm.kernels import CompiledProduct, cores, wanted_library

        if wanted_library("matmul.cpp", k).library is None:
            return None
        product = CompiledProduct(self.columns, self.shape, threads=cores())
        self.__dict__["_product"] = product  # as cached_property does: a fact about the value, not a change of it
        return product

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and pickled: the fields, not what was made ready for this process."""
        return {"columns": self.columns, "logical": self.logical}

    @property
    def words(self) -> int:
        """p*q*k: the half spectrum of a real block is k real numbers too."""
        return int(self.columns.size)

    @property
    def operations(self) -> Operations:
        """Real operations of one product, counted from the kernels of docs/arithmetic.md.

        A transform of k points runs k/4 butterflies in each of log2(k)-2 multiplying passes, of which one in each
        sub-transform has no multiplication; a general butterfly is 4 multiplications and 6 additions, the first pass
        8 additions per unit. A spectral product of a block is 2 real and k/2-1 complex products.
        """
        p, q, k = self.columns.shape
        transform, product = transform_cost(k), product_cost(k)
        return Operations(
            (p + q) * transform.multiplications + p * q * product.multiplications,
            (p + q) * transform.additions + p * q * product.additions + p * (q - 1) * k,
        )


def transform_cost(k: int) -> Operations:
    """Real operations of one transform of k points, either way."""
    stages = k.bit_length() - 1
    units = max(k // 4, 1)
    transform = Operations(0, 2) if k == 2 else Operations(0, 8 * units)
    for stage in range(3, stages + 1):
        plain = k >> stage  # sub-transforms of this stage, each with one unit without a multiplication
        transform += Operations(4 * (units - plain), 6 * (units - plain) + 2 * plain)
    return transform


def product_cost(k: int) -> Operations:
    """Real operations of one product of half spectra."""
    return Operations(2 + 4 * (k // 2 - 1), 2 * (k // 2 - 1))
