# SPDX-License-Identifier: Apache-2.0
"""Sizes of the structured weights of a torch model within a budget, by the error that each weight alone causes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swm.compress.budget import DENSE, choose, measure, parse_budget
from swm.structure import BlockCirculant, WeightStructure
from swm.torch.chains import FLOAT_BITS, nearest
from swm.torch.places import Place

__all__ = ["sizes_within"]

SAMPLES = 256  # of the calibration inputs


def sizes_within(
    model: nn.Module,
    found: tuple[Place, ...],
    budget: int | str,
    inputs: tuple[Tensor, ...] | None,
    kind: type[WeightStructure] = BlockCirculant,
) -> dict[str, int]:
    """A map for `swm.torch.places.choose_blocks`: a size for each weight that does not stay dense.

    Args:
        model: dense.
        found: its weights; the last one stays dense unless it is a recurrent layer's.
        kind: of structure, whose `candidates` are the sizes: block sizes, ratios, bits, numbers kept.
        budget: bits, or a compression like "8x" of the dense weights in float32.
        inputs: of the model; the error is then that of its outputs, else that of the weights themselves.

    Raises:
        OptionError: a budget that is none, or that cannot be met.
    """
    by_name = {place.name: place for place in found}
    last = found[-1].owner if not isinstance(found[-1].module, nn.RNNBase) else None
    dense = {place.name: place.weight.numel() * FLOAT_BITS for place in found}
    free = {
        place.name: [k for k in kind.candidates if place.owner != last and not place.reason_against(k, kind)]
        for place in found
    }
    few = None if inputs is None else tuple(x[:SAMPLES] for x in inputs)
    wanted = None if few is None else _answer(model, few)

    @torch.no_grad()
    def error(name: str, block: int) -> tuple[int, float]:
        place = by_name[name]
        weight = place.weight
        stored, near = nearest(weight, place.gates, block, kind)
        if few is None or wanted is None:
            return stored, float((near - weight).square().sum())
        kept = weight.clone()
        try:
            weight.copy_(near)
            return stored, _distance(_answer(model, few), wanted)
        finally:
            weight.copy_(kept)

    bits = parse_budget(budget, sum(dense.values()))
    choices = measure({name: (dense[name], sizes) for name, sizes in free.items() if sizes}, error)
    fixed = sum(dense[name] for name, sizes in free.items() if not sizes)
    chosen = choose(choices, bits, fixed)
    taken = {name: size for name, size in chosen.items() if size != DENSE}
    return {**dict.fromkeys(free, 1), **taken} if kind.one_is_dense else taken


@torch.no_grad()
def _answer(model: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    training = model.training
    try:
        found: Any = model.eval()(*inputs)
    finally:
        model.train(training)
    while not isinstance(found, Tensor):  # outputs and states of recurrent layers: the outputs
        found = next(iter(found.values())) if isinstance(found, dict) else found[0]
    return found


def _distance(got: Tensor, wanted: Tensor) -> float:
    return float((got - wanted).square().sum() / wanted.square().sum().clamp(min=1e-30))
