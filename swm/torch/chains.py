# SPDX-License-Identifier: Apache-2.0
"""Weight structures as chains of parametrizations, and back: where the numbers are, then how many bits they have."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swm.errors import OptionError
from swm.structure import BlockCirculant, WeightStructure
from swm.structure import FewBits as FewBitsMatrix
from swm.structure.coarse_few_bits import CoarseFewBits
from swm.structure.ternary import Ternary
from swm.torch.bits import FewBits
from swm.torch.circulant import Layout
from swm.torch.sparse import Sparse, as_matrix
from swm.torch.ternary import StructuredTernary

__all__ = [
    "FLOAT_BITS",
    "chain_of",
    "given_back",
    "move_places",
    "nearest",
    "reason_against_training",
    "stored_of",
    "through",
]

FLOAT_BITS = 32  # of a stored real number


@torch.no_grad()
def nearest(weight: Tensor, gates: int, size: int, kind: type[WeightStructure]) -> tuple[int, Tensor]:
    """Bits that the nearest weight of a structure stores, and that weight written out, of the same shape.

    Args:
        weight: (gates * m, n, kernel...).
        gates: see `Layout`; of other structures than the block-circulant one they do not count.
        size: block size, ratio, bits, numbers kept.
        kind: the structure.
    """
    if kind is BlockCirculant:
        layout = Layout(tuple(weight.shape), size, gates)
        columns = layout.project(weight)
        return columns.numel() * FLOAT_BITS, layout.expand(columns)
    matrix = kind.project(as_matrix(weight), size)
    near = torch.from_numpy(matrix.to_dense().copy()).reshape(weight.shape)
    return matrix.bits(FLOAT_BITS), near.to(weight.device, weight.dtype)


@torch.no_grad()
def chain_of(weight: WeightStructure, dense: Tensor) -> tuple[list[nn.Module], Tensor]:
    """Parametrizations that give what a structure holds, and the parameter behind them.

    Weights of few bits start from their codes. Block-circulant weights have their own road (`swm.torch.circulant`).

    Args:
        weight: the structure.
        dense: the weight written out, (m, n) or (M, C, kernel...).

    Raises:
        OptionError: no parametrization is known for the structure.
    """
    if isinstance(weight, FewBitsMatrix):
        return [_few_bits(dense, weight.width, weight.scales)], dense
    if isinstance(weight, Ternary):
        ternary = StructuredTernary(dense, weight.kept, group=weight.group)
        ternary.alpha.copy_(torch.from_numpy(weight.alpha.copy()))
        return [ternary], dense
    if isinstance(weight, CoarseFewBits):
        coarse = Sparse(dense, type(weight.coarse), weight.size, matrix=weight.coarse)
        scales = weight.scales[: weight.shape[0]]
        return [coarse, _few_bits(dense, weight.width, scales, coarse.kept)], coarse.right_inverse(dense)
    sparse = Sparse(dense, type(weight), weight.size, matrix=weight)
    return [sparse], sparse.right_inverse(dense)


def _few_bits(dense: Tensor, bits: int, scales: NDArray[np.float32], kept: Tensor | None = None) -> FewBits:
    made = FewBits(dense, bits, rows=True, kept=kept)
    if made.scale is not None:
        made.scale.copy_(torch.from_numpy(scales.copy()).reshape(made.scale.shape))
    return made


def stored_of(chain: list[nn.Module], weight: Tensor) -> Tensor:
    """The parameter behind a chain of `chain_of` for a weight: what lies in its places, or the weight itself."""
    first = chain[0]
    return first.right_inverse(weight) if isinstance(first, Sparse) else weight


def through(chain: list[nn.Module], weight: Tensor) -> Tensor:
    """What a chain of `chain_of` makes of a weight, with gradients: as if that were in the parameter."""
    found = stored_of(chain, weight)
    for one in chain:
        found = one(found)
    return found


@torch.no_grad()
def move_places(chain: list[nn.Module], weight: WeightStructure, dense: Tensor) -> None:
    """Give a chain of `chain_of` the places of another matrix of its structure and size; scales stay."""
    if not isinstance(chain[0], Sparse):
        return  # codes and signs follow the weight anyway
    other, _ = chain_of(weight, dense)
    assert isinstance(other[0], Sparse)
    chain[0].take_places(other[0])
    for few in chain[1:]:
        if isinstance(few, FewBits):
            few.kept = chain[0].kept


@torch.no_grad()
def given_back(weight: WeightStructure, chain: list[nn.Module], stored: Tensor) -> WeightStructure:
    """The structure as it is now: written out it is, to the last bit, what the chain gives.

    Args:
        weight: of which `chain_of` made the chain.
        chain: what it gave; a `FixedPoint` behind it does not count.
        stored: the parameter.
    """
    first = chain[0]
    if isinstance(first, StructuredTernary):
        assert isinstance(weight, Ternary)
        patterns, alpha = first.patterns(stored)
        return weight.from_patterns(_array(patterns).astype(np.int8), _array(alpha), weight.kept)
    if isinstance(first, FewBits):
        codes, scales = first.codes(stored)
        code = _array(codes).astype(np.int8).reshape(weight.shape)
        return FewBitsMatrix(code, _array(scales).reshape(-1, 1), first.bits)
    assert isinstance(first, Sparse)
    if isinstance(weight, CoarseFewBits):
        few = chain[1]
        assert isinstance(few, FewBits)
        codes, scales = few.codes(first(stored))
        code = _array(first.right_inverse(codes)).astype(np.int8)
        if few.bits == 1:
            code[code == 0] = 1  # of padding: there is no 0
        padded = np.ones(weight.scales.shape, np.float32)
        padded[: len(scales)] = _array(scales).reshape(-1, 1)
        return type(weight)(code, weight.ids, padded, weight.shape, weight.ratio)
    return first.holding(_array(stored))


def reason_against_training(weight: WeightStructure) -> str:
    """Why a structure has no gradient here; empty if it has one."""
    try:
        chain_of(weight, torch.from_numpy(np.array(weight.to_dense())))
    except OptionError:
        return f"{weight.label} weights have no gradient here"
    return ""


def _array(values: Tensor) -> NDArray[np.float32]:
    return np.array(values.detach().cpu().numpy(), np.float32, order="C")
