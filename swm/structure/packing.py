# SPDX-License-Identifier: Apache-2.0
"""Integers of few bits packed into bytes: what a structure's codes and indices take in a memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.errors import OptionError
from swm.structure.base import WeightStructure

__all__ = ["decode", "encode", "index_bits", "pack", "unpack"]


def index_bits(count: int) -> int:
    """Bits that tell `count` things apart: 0 for one."""
    return max(count - 1, 0).bit_length()


def pack(values: NDArray[Any], bits: int) -> bytes:
    """Integers as `bits` bits each, least significant bit first, without gaps; negative ones in two's complement.

    Args:
        values: integers of any shape, in C order.
        bits: 0 to 32. Of 0 bits nothing is left: all values are 0.

    Raises:
        OptionError: a value does not fit.
    """
    flat = np.asarray(values, dtype=np.int64).ravel()
    low, high = -(1 << bits >> 1), 1 << bits
    if flat.size and (flat.min() < low or flat.max() >= high or (flat.min() < 0 and flat.max() >= high >> 1)):
        raise OptionError(f"values from {flat.min()} to {flat.max()} do not fit {bits} bits")
    picked = (flat[:, None] >> np.arange(bits)) & 1
    return np.packbits(picked.astype(np.uint8).ravel(), bitorder="little").tobytes()


def unpack(packed: bytes, bits: int, count: int, *, signed: bool) -> NDArray[np.int64]:
    """The integers that `pack` packed, (count,).

    Raises:
        OptionError: there are too few bytes.
    """
    if len(packed) * 8 < bits * count:
        raise OptionError(f"{len(packed)} bytes hold fewer than {count} values of {bits} bits")
    picked = np.unpackbits(np.frombuffer(packed, np.uint8), count=bits * count, bitorder="little")
    values = picked.reshape(count, bits).astype(np.int64) @ (1 << np.arange(bits, dtype=np.int64))
    return np.where(values >= 1 << (bits - 1), values - (1 << bits), values) if signed and bits else values


def encode(weight: WeightStructure) -> dict[str, bytes]:
    """What is stored, array by array: codes packed in the bits that `WeightStructure.bits` counts, others float32."""
    widths = weight.code_bits
    return {
        name: pack(a, widths[name]) if name in widths else np.asarray(a, "<f4").tobytes()
        for name, a in weight.arrays.items()
    }


def decode(
    kind: type[WeightStructure], shape: tuple[int, int], size: int, stored: dict[str, bytes], widths: dict[str, int]
) -> WeightStructure:
    """The structure that `encode` stored.

    Args:
        kind: its class.
        shape: (m, n).
        size: see `WeightStructure.size`.
        stored: bytes by array.
        widths: bits of an entry of each array of codes (`WeightStructure.code_bits`).

    Raises:
        OptionError: too few bytes, or arrays that contradict themselves.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, dimensions in kind.array_shapes(shape, size).items():
        count = int(np.prod(dimensions))
        if name in widths:
            values: NDArray[Any] = unpack(stored[name], widths[name], count, signed=name in kind.signed)
        else:
            values = np.frombuffer(stored[name], "<f4", count)
        arrays[name] = values.reshape(dimensions)
    return kind.from_arrays(shape, size, arrays)
