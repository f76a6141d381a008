# SPDX-License-Identifier: Apache-2.0
"""Where a kernel lies on a grid of positions, and where it sees something at each output."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """Where a kernel lies on a grid: rows and columns; a sequence is a grid of one column.

    Attributes:
        grid: input positions along each axis.
        kernel: taps along each axis.
        strides: from output to output.
        dilations: from tap to tap.
        pads: positions before the grid along each axis.
        out: output positions along each axis; taps of the last ones may lie behind the grid.
    """

    grid: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int]
    out: tuple[int, int]

    @property
    def taps(self) -> int:
        """Positions that a kernel sees."""
        return prod(self.kernel)

    @classmethod
    def of(
        cls,
        grid: tuple[int, ...],
        kernel: tuple[int, ...],
        strides: tuple[int, ...],
        dilations: tuple[int, ...],
        pads: tuple[int, ...],
        ceil: bool = False,
    ) -> Geometry | None:
        """One or two axes as ONNX gives them.

        Args:
            grid: input positions.
            kernel: taps.
            strides: from output to output.
            dilations: from tap to tap.
            pads: positions before, then after, each axis.
            ceil: a last output that sees some of the grid and some of what lies behind its padding counts (pooling).

        Returns:
            The geometry; None where the padded grid is smaller than the kernel.
        """
        rank = len(grid)
        out = []
        for axis in range(rank):
            span = grid[axis] + pads[axis] + pads[rank + axis] - dilations[axis] * (kernel[axis] - 1) - 1
            steps = (-(-span // strides[axis]) if ceil else span // strides[axis]) if span >= 0 else -1
            if ceil and steps * strides[axis] >= grid[axis] + pads[axis]:
                steps -= 1  # it would see padding alone
            out.append(steps + 1)
        if min(out) < 1:
            return None
        more = (1,) * (2 - rank)
        return cls(
            _pair(grid, more),
            _pair(kernel, more),
            _pair(strides, more),
            _pair(dilations, more),
            _pair(pads[:rank], (0,) * (2 - rank)),
            _pair(tuple(out), more),
        )

    def side_by_side(self) -> list[tuple[int, int]]:
        """Numbers of kernel rows and columns that can leave in one beat, none of them padding.

        Columns side by side lie in banks of their own, so their distance has no divisor in common with the banks.
        """
        rows, columns = ([d for d in range(1, n + 1) if n % d == 0] for n in self.kernel)
        return [(r, c) for r in rows for c in columns if gcd(self.dilations[1], c) == 1]


def _pair(values: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, int]:
    first, second = (*values, *more)
    return first, second
