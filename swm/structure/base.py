# SPDX-License-Identifier: Apache-2.0
"""What every weight structure answers, and the dense matrix as the first of them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.transforms import Transforms

__all__ = [
    "ConvStructure",
    "Dense",
    "FunctionBody",
    "Operations",
    "Rows",
    "WeightStructure",
    "WrittenOut",
    "register",
    "structure_called",
    "unregister",
]


@dataclass(frozen=True)
class Operations:
    """Real multiplications and additions of one matrix-vector product, counted from the algorithm's loops."""

    multiplications: int
    additions: int

    def __add__(self, other: Operations) -> Operations:
        """Sum, part by part."""
        return Operations(self.multiplications + other.multiplications, self.additions + other.additions)


class FunctionBody(Protocol):
    """Where a structure writes, in standard ONNX operators, how its matrix comes out of what it stores.

    `swm.onnx_io` offers it for any opset. Each method appends to the body and returns the name of the new tensor.
    """

    def integers(self, name: str, values: Sequence[int] | NDArray[np.integer]) -> str:
        """A constant of int64."""

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """A standard operator, in a form that is the same at all opsets from 7 on."""

    def slice(self, x: str, ends: Sequence[int], axes: Sequence[int], output: str) -> str:
        """The first elements of a tensor along some axes."""


# Calibration rows of one layer, anew at each call: inputs (rows, n), and wanted outputs, bias included (rows, m).
Rows = Callable[[], Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]]]


class WeightStructure(ABC):
    """A constant m x n matrix in some stored form, with one number that sets how much is stored.

    A structure of one's own is a subclass in a file of its own and `swm.structure.register`. All of swm that is not
    hardware then takes it: `swm.convert(..., structure=...)` fits it, the float engine runs it, reports count it, and
    ONNX files hold it as a model-local function that any runtime can run. What only speed asks for, a compiled kernel,
    is added in `swm.engine.kernels.products`.

    Attributes:
        label: what reports call it.
        function: what its function in ONNX files is called, letters only; empty if files hold the matrix itself.
        letter: one small letter for `size` in the names of these functions.
        codes: which of `arrays` hold integers; the others are float32 in files.
        signed: which of `codes` may be negative.
        one_is_dense: whether size 1 stands for a matrix that stays dense, as it does for block sizes and ratios.
        candidates: the sizes among which a budget chooses.
    """

    label: ClassVar[str]
    function: ClassVar[str] = ""
    letter: ClassVar[str] = "k"
    codes: ClassVar[frozenset[str]] = frozenset()
    signed: ClassVar[frozenset[str]] = frozenset()
    one_is_dense: ClassVar[bool] = True
    candidates: ClassVar[tuple[int, ...]] = (2, 4, 8, 16, 32, 64)
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """The number that sets how much is stored: a block size, a rank; 1 where there is none."""
        return 1

    @abstractmethod
    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, shape (m, n)."""

    @abstractmethod
    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: (..., n) → (..., m), float32 in float32 out, float64 in float64 out."""

    def reference(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`matmul` in arithmetic that depends on nothing this machine has compiled: what conversions go by."""
        return self.matmul(x)

    @property
    @abstractmethod
    def words(self) -> int:
        """Real numbers stored, padding included."""

    @property
    @abstractmethod
    def operations(self) -> Operations:
        """Cost of one product with a vector."""

    @property
    def code_bits(self) -> Mapping[str, int]:
        """Bits of an entry of each array of `codes`; empty where there are none, or where `words` counts them."""
        return {}

    def bits(self, word_bits: int) -> int:
        """Storage in bits at `word_bits` bits per real number: counted from the arrays, codes at their own bits."""
        widths = self.code_bits
        if not widths:
            return self.words * word_bits
        return sum(array.size * widths.get(name, word_bits) for name, array in self.arrays.items())

    @classmethod
    def check_size(cls, size: int) -> int:
        """Return a size that this structure can have.

        Raises:
            OptionError: it cannot.
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise OptionError(f"size {size!r} is impossible for {cls.label} weights: choose a number from 1")
        return int(size)

    @classmethod
    def reason_against(cls, shape: tuple[int, int], size: int) -> str:
        """Why a matrix of a shape is better left dense; empty if it is not."""
        del shape, size
        return ""

    @classmethod
    def project(cls, matrix: NDArray[np.floating], size: int) -> Self:
        """The nearest such matrix in the Euclidean norm.

        Raises:
            OptionError: an impossible size, or no way to project.
        """
        raise OptionError(f"{cls.label} weights cannot be projected to; choose another structure")

    @classmethod
    def fit(cls, matrix: NDArray[np.floating], size: int, rows: Rows) -> tuple[Self, NDArray[np.float32]]:
        """The matrix and the bias (m,) that answer calibration rows best.

        By default the projection, and the bias that makes the means right.

        Args:
            matrix: (m, n).
            size: see `size`.
            rows: gives inputs and wanted outputs, chunk by chunk.

        Raises:
            OptionError: as `project`.
        """
        found = cls.project(matrix, size)
        total, count = np.zeros(matrix.shape[0]), 0
        for x, y in rows():
            total += (y - found.reference(x)).sum(axis=0, dtype=np.float64)
            count += len(x)
        return found, (total / max(count, 1)).astype(np.float32)

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is stored, by name: the inputs of its function in ONNX files besides x."""
        raise NotImplementedError(f"{type(self).__name__} has no form in files")

    @classmethod
    def array_shapes(cls, shape: tuple[int, int], size: int) -> dict[str, tuple[int, ...]]:
        """Shapes of `arrays`, in the same order."""
        raise NotImplementedError(f"{cls.__name__} has no form in files")

    @classmethod
    def from_arrays(cls, shape: tuple[int, int], size: int, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The structure that stores these arrays, whose shapes are right.

        Raises:
            OptionError: what they hold contradicts itself.
        """
        raise NotImplementedError(f"{cls.__name__} has no form in files")

    @classmethod
    def write_transposed(cls, body: FunctionBody, shape: tuple[int, int], size: int) -> str:
        """Append operators that make W^T, (n, m), of the tensors that are called like `arrays`; name the result."""
        raise NotImplementedError(f"{cls.__name__} has no form in files")

    @classmethod
    def describe(cls, shape: tuple[int, int], size: int) -> str:
        """Documentation of its function in ONNX files."""
        m, n = shape
        return f"y = x W^T with a {cls.label} matrix W of {m} x {n}, {cls.letter} = {size}."


class WrittenOut(WeightStructure):
    """A structure whose products take the matrix written out: this processor has no faster way for it."""

    @abstractmethod
    def expanded(self) -> NDArray[np.float32]:
        """The matrix, (m, n), made anew."""

    @cached_property
    def _dense(self) -> NDArray[np.float32]:
        return self.expanded()

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix written out, (m, n); made once."""
        return self._dense

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: (..., n) → (..., m), with the matrix written out."""
        out: NDArray[np.floating] = x @ self._dense.T.astype(x.dtype, copy=False)
        return out


class ConvStructure(WeightStructure):
    """A convolution's kernel; as a matrix it is (M, C * positions), with columns in ONNX order.

    Attributes:
        channels: (M, C).
        kernel: size of each spatial axis; their product is the number of positions.
    """

    channels: tuple[int, int]
    kernel: tuple[int, ...]

    @abstractmethod
    def to_tensor(self) -> NDArray[np.float32]:
        """The kernel written out, (M, C, kernel...)."""

    @abstractmethod
    def convolve(
        self,
        x: NDArray[np.floating],
        strides: tuple[int, ...],
        dilations: tuple[int, ...],
        pads: tuple[int, ...],
        transforms: Transforms | None = None,
    ) -> NDArray[np.float32]:
        """Convolution of (N, C, spatial...) → (N, M, spatial...), float32.

        Args:
            x: the input.
            strides: a number for each spatial axis.
            dilations: likewise.
            pads: zeros before, then after, each spatial axis.
            transforms: for structures that use any, the pair of transforms to use.

        Raises:
            OptionError: x has another number of channels or axes, or is smaller than the kernel.
        """


_BY_FUNCTION: dict[str, type[WeightStructure]] = {}
_Kind = TypeVar("_Kind", bound=type[WeightStructure])


def register(kind: _Kind) -> _Kind:
    """Let files that hold a structure be read back as it; usable as a decorator of the class.

    Raises:
        OptionError: it has no name for its function, or another structure has that name.
    """
    if re.fullmatch("[A-Za-z]+", kind.function) is None or re.fullmatch("[a-z]", kind.letter) is None:
        raise OptionError(f"{kind.__name__} needs a `function` of letters and a `letter`, to be known by in files")
    if _BY_FUNCTION.setdefault(kind.function, kind) is not kind:
        raise OptionError(f"the name {kind.function!r} of a structure is taken by {_BY_FUNCTION[kind.function]}")
    return kind


def unregister(kind: type[WeightStructure]) -> None:
    """Files that hold this structure are from now on run as any other function."""
    _BY_FUNCTION.pop(kind.function, None)


def structure_called(function: str) -> type[WeightStructure] | None:
    """The registered structure whose function has this name."""
    return _BY_FUNCTION.get(function)


@dataclass(frozen=True, eq=False)
class Dense(WeightStructure):
    """A plain matrix of shape (m, n), float32."""

    label: ClassVar[str] = "dense"

    matrix: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Raise OptionError unless the array is a matrix."""
        if self.matrix.ndim != 2:
            raise OptionError(f"a dense weight needs a matrix, got an array of shape {self.matrix.shape}")

    @property
    def shape(self) -> tuple[int, int]:  # type: ignore[override]
        """(m, n): outputs, inputs."""
        m, n = self.matrix.shape
        return m, n

    def to_dense(self) -> NDArray[np.float32]:
        """The matrix itself."""
        return self.matrix

    def matmul(self, x: NDArray[np.floating]) -> NDArray[np.floating]:
        """`x W^T`: (..., n) → (..., m)."""
        out: NDArray[np.floating] = x @ self.matrix.T.astype(x.dtype, copy=False)
        return out

    @property
    def words(self) -> int:
        """Entries of the matrix, m * n."""
        return int(self.matrix.size)

    @property
    def operations(self) -> Operations:
        """m*n multiplications, m*(n-1) additions."""
        m, n = self.shape
        return Operations(m * n, m * (n - 1))
