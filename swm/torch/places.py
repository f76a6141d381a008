# SPDX-License-Identifier: Apache-2.0
"""The weights of a torch model that may take a structure: where they are, how they are cut, why some stay dense."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor, nn

from swm.compress import reason_against_groups
from swm.errors import OptionError
from swm.structure import BlockCirculant, CoarseGrain, FewBits, Hierarchical, WeightStructure
from swm.structure.coarse_few_bits import CoarseFewBits
from swm.structure.n_of_m import NofM
from swm.structure.ternary import Ternary

__all__ = ["Place", "choose_blocks", "places"]

_GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}
# Rows that belong together; of structures that are none of these, blocks of their size.
_SIDES = ((FewBits, 1), (Ternary, 1), (NofM, 1), (CoarseGrain, 16), (CoarseFewBits, 16), (Hierarchical, 64))
_NO_PRODUCTS = (nn.Embedding, nn.EmbeddingBag, nn.Bilinear, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, eq=False)
class Place:
    """One weight of a model.

    Attributes:
        module: that owns it.
        owner: the module's name in the model; empty for the model itself.
        tensor: the weight's name in the module.
        gates: matrices below each other in its rows: 4 of an LSTM, 3 of a GRU and of the projections of attention.
        group: groups of a convolution.
    """

    module: nn.Module
    owner: str
    tensor: str
    gates: int = 1
    group: int = 1

    @property
    def name(self) -> str:
        """As in `named_parameters`."""
        return f"{self.owner}.{self.tensor}" if self.owner else self.tensor

    @property
    def weight(self) -> Tensor:
        """Its value now."""
        value: Tensor = getattr(self.module, self.tensor)
        return value

    def reason_against(self, block: int, kind: type[WeightStructure] = BlockCirculant) -> str:
        """Why it stays dense at a block size; empty if it does not. The rules of `swm.convert`."""
        m, n = self.weight.shape[0] // self.gates, self.weight.shape[1]
        if self.group > 1:
            return reason_against_groups(self.group, (m // self.group, n), block, kind)
        if kind is not BlockCirculant:
            rows, columns = len(self.weight), self.weight.numel() // len(self.weight)
            against = kind.reason_against((rows, columns), block)
            side = next((side for one, side in _SIDES if issubclass(kind, one)), block)
            if self.gates > 1 and side > 1 and m % side and not against:  # exporters put gates in another order
                return f"a block of {side} would straddle two gates of {m} cells"
            return f"{against} in a {rows} x {columns} matrix" if against else ""
        if BlockCirculant.reason_against((m, n), block):
            return f"fewer than two blocks of {block} in a {m} x {n} matrix"
        if self.gates > 1 and m % block:
            return f"a block of {block} would straddle two gates of {m} cells"
        return ""


def places(model: nn.Module) -> tuple[Place, ...]:
    """Every weight that multiplies activations, in the order of `named_modules`.

    Of modules that torch does not have: a float parameter `weight` of two axes is taken for a product's, of three or
    four for a convolution's. A weight that is parametrized already is left out.
    """
    found: dict[int, Place] = {}
    for owner, module in model.named_modules():
        for place in _places_of(module, owner):
            value = module._parameters.get(place.tensor)  # none where it is parametrized already
            if value is not None and value.is_floating_point():
                found.setdefault(id(value), place)  # tied weights once
    return tuple(found.values())


def _places_of(module: nn.Module, owner: str) -> list[Place]:
    if isinstance(module, nn.RNNBase):
        gates = next(count for kind, count in _GATES.items() if isinstance(module, kind))
        names = [name for name in module._flat_weights_names if name.startswith("weight")]
        return [Place(module, owner, name, 1 if name.startswith("weight_hr") else gates) for name in names]
    if isinstance(module, nn.MultiheadAttention):
        each = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
        joint = module.in_proj_weight is not None
        return [Place(module, owner, "in_proj_weight", 3)] if joint else [Place(module, owner, name) for name in each]
    weight = module._parameters.get("weight")
    if weight is None or not 2 <= weight.ndim <= 4 or isinstance(module, _NO_PRODUCTS):
        return []
    return [Place(module, owner, "weight", group=int(getattr(module, "groups", 1)))]


def choose_blocks(
    found: tuple[Place, ...], block: int | Mapping[str, int], kind: type[WeightStructure] = BlockCirculant
) -> dict[str, tuple[int, str]]:
    """Block size of each weight, or whatever the size of a structure is; 1 where it stays dense, and then why.

    A map's keys are names of weights (`lstm.weight_hh_l0`) or of their modules (`fc1`), or glob patterns of either; an
    exact name prevails over a pattern, a later pattern over an earlier one. The last weight of the model, which gives
    the answer, stays dense unless a map names it.

    Raises:
        OptionError: an impossible size, or a key that matches nothing.
    """
    last = found[-1].owner if found and not isinstance(found[-1].module, nn.RNNBase) else None
    sizes: dict[str, int] = dict.fromkeys((p.name for p in found), 0)
    named: set[str] = set()
    if isinstance(block, Mapping):
        for key, size in sorted(block.items(), key=lambda item: any(item[0] in (p.name, p.owner) for p in found)):
            dense = size == 1 and kind.one_is_dense and not isinstance(size, bool)
            checked = 1 if dense else kind.check_size(size)
            exact = [p for p in found if key in (p.name, p.owner)]
            matched = exact or [p for p in found if fnmatchcase(p.name, key) or fnmatchcase(p.owner, key)]
            if not matched:
                names = [p.name for p in found]
                near = difflib.get_close_matches(key, names, n=3, cutoff=0.0)
                offered = ", ".join(map(repr, near)) or "none: the model has no such weight"
                raise OptionError(f"no weight is named or matches {key!r}; the nearest names are {offered}")
            sizes.update(dict.fromkeys((p.name for p in matched), checked))
            named |= {p.name for p in exact}
    else:
        sizes = dict.fromkeys(sizes, kind.check_size(block))
    return {p.name: _chosen(p, sizes[p.name], kind, last=p.owner == last and p.name not in named) for p in found}


def _chosen(place: Place, size: int, kind: type[WeightStructure], *, last: bool) -> tuple[int, str]:
    if size == 0:
        return 1, "not named in the map of block sizes"
    if last:
        return 1, "last layer with weights, converted only when a map of block sizes names it"
    if size == 1 and kind.one_is_dense:
        return 1, "block size 1 asked for"
    against = place.reason_against(size, kind)
    return (1, against) if against else (size, "")
