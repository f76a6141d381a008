# SPDX-License-Identifier: Apache-2.0
"""Structure that comes by and by: weights blended into their projections, or pulled there by ADMM."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from swm.errors import OptionError
from swm.structure import BlockCirculant, WeightStructure, structure_named
from swm.torch.attach import put, put_chain, put_matrix, register, take_off
from swm.torch.chains import chain_of, move_places, nearest, stored_of, through
from swm.torch.circulant import Layout
from swm.torch.places import Place, choose_blocks, places
from swm.torch.sparse import as_matrix

__all__ = ["Admm", "Gradual", "admm", "gradual"]

CHOICES = 20  # of places and blocks that are kept, made anew while a blend goes from 0 to 1


class Blend(nn.Module):
    """A parametrization: `(1 - a) W + a P(W)`, P the projection; a goes from 0 to 1."""

    share: Tensor

    def __init__(self) -> None:
        """Begin with the dense weight."""
        super().__init__()
        self.register_buffer("share", torch.zeros(()))

    def near(self, weight: Tensor) -> Tensor:
        """P(W), with a gradient."""
        raise NotImplementedError

    def forward(self, weight: Tensor) -> Tensor:
        """The blend, of the weight's shape."""
        return torch.lerp(weight, self.near(weight), self.share.to(weight.dtype))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself."""
        return weight

    def choose(self, weight: Tensor) -> None:
        """Choose what is kept by the weight as it is now; nothing where P is linear."""

    def settle(self, place: Place) -> None:
        """Make what is stored the parameter."""
        raise NotImplementedError


class CirculantBlend(Blend):
    """P: the mean of each wrapped diagonal."""

    def __init__(self, place: Place, size: int) -> None:
        """See Blend."""
        super().__init__()
        self.layout = Layout(tuple(place.weight.shape), size, place.gates)

    def near(self, weight: Tensor) -> Tensor:
        """See Blend."""
        return self.layout.expand(self.layout.project(weight))

    def settle(self, place: Place) -> None:
        """See Blend."""
        take_off(place.module, place.tensor)
        put(place, self.layout.block)


class ChainBlend(Blend):
    """P: the parametrizations of any other structure; scales of few bits and of signs are trained along."""

    def __init__(self, place: Place, size: int, kind: type[WeightStructure]) -> None:
        """See Blend."""
        super().__init__()
        self.kind, self.size = kind, size
        weight = place.weight.detach()
        chain, _ = chain_of(kind.project(as_matrix(weight), size), weight)
        self.chain = nn.ModuleList(chain).to(weight.device)

    def near(self, weight: Tensor) -> Tensor:
        """See Blend."""
        return through(list(self.chain), weight)

    def choose(self, weight: Tensor) -> None:
        """See Blend."""
        move_places(list(self.chain), self.kind.project(as_matrix(weight), self.size), weight.detach())

    def settle(self, place: Place) -> None:
        """See Blend."""
        weight = place.module.parametrizations[place.tensor].original.detach()
        take_off(place.module, place.tensor)
        chain = list(self.chain)
        put_chain(place, chain, stored_of(chain, weight))


def _chosen(
    model: nn.Module, block: int | Mapping[str, int], structure: str | type[WeightStructure]
) -> tuple[list[tuple[Place, int]], type[WeightStructure]]:
    kind = structure_named(structure) if isinstance(structure, str) else structure
    found = places(model)
    sizes = choose_blocks(found, block, kind)
    taken = [(place, sizes[place.name][0]) for place in found if not sizes[place.name][1]]
    if not taken:
        raise OptionError("no weight takes a structure at these block sizes")
    return taken, kind


class Gradual:
    """Weights that become structured over so many steps; the parameters stay the dense ones until `finish`.

    Scales of few bits and of ternary weights are parameters from the beginning: make the optimiser afterwards. Which
    blocks or places are kept is chosen anew twenty times on the way.

    The blend's share of the projection is `1 - (1 - t)^3` of the time t, as sparsity grows in Zhu and Gupta (2017).
    """

    def __init__(
        self,
        model: nn.Module,
        block: int | Mapping[str, int],
        steps: int,
        structure: str | type[WeightStructure] = "circulant",
    ) -> None:
        """Put the blends on the model."""
        if steps < 1:
            raise OptionError(f"{steps} steps are impossible: choose 1 or more")
        self._steps, self._done = steps, 0
        taken, kind = _chosen(model, block, structure)
        self._blends: list[tuple[Place, Blend]] = []
        for place, size in taken:
            circulant = kind is BlockCirculant
            blend = CirculantBlend(place, size) if circulant else ChainBlend(place, size, kind)
            register(place, blend)
            self._blends.append((place, blend))

    @property
    def share(self) -> float:
        """Of the projection in the weights: 0 at first, 1 at the end."""
        return 1 - (1 - min(self._done / self._steps, 1.0)) ** 3

    def step(self) -> None:
        """After each step of the optimiser."""
        self._done += 1
        anew = self._done < self._steps and self._done % max(1, self._steps // CHOICES) == 0
        for place, blend in self._blends:
            blend.share.fill_(self.share)
            if anew:
                blend.choose(place.module.parametrizations[place.tensor].original)

    def finish(self) -> None:
        """From now on what is stored are the parameters: make a new optimiser. Before the end: projects."""
        for place, blend in self._blends:
            blend.settle(place)


class Admm:
    """Alternating directions (E-RNN, Li et al. 2019): the loss pulls weights W to their projections Z.

    Add `penalty()`, `rho / 2 sum |W - Z + U|^2`, to the loss of each batch; `step()` once in a while (an epoch):
    `Z = P(W + U)`, `U = U + W - Z`; `finish()` in the end projects, and training goes on in what is stored.
    """

    def __init__(
        self,
        model: nn.Module,
        block: int | Mapping[str, int],
        rho: float = 1e-3,
        structure: str | type[WeightStructure] = "circulant",
    ) -> None:
        """Begin with Z = P(W), U = 0."""
        if not rho > 0:
            raise OptionError(f"rho must be above 0, got {rho!r}")
        self.rho = rho
        self._taken, self._kind = _chosen(model, block, structure)
        self._u = [torch.zeros_like(place.weight) for place, _ in self._taken]
        self._z = [self._near(i, torch.zeros_like(u)) for i, u in enumerate(self._u)]

    @torch.no_grad()
    def _near(self, i: int, u: Tensor) -> Tensor:
        place, size = self._taken[i]
        return nearest(place.weight + u, place.gates, size, self._kind)[1]

    def penalty(self) -> Tensor:
        """To add to the loss."""
        parts = [
            (place.weight - z + u).square().sum()
            for (place, _), z, u in zip(self._taken, self._z, self._u, strict=True)
        ]
        return torch.stack(parts).sum() * (self.rho / 2)

    @torch.no_grad()
    def step(self) -> None:
        """Project anew, and move U by what is missing."""
        for i, (place, _) in enumerate(self._taken):
            self._z[i] = self._near(i, self._u[i])
            self._u[i] = self._u[i] + place.weight - self._z[i]

    @torch.no_grad()
    def residual(self) -> float:
        """Norm of W - P(W) over that of W: 0 where the weights have the structure."""
        wrong = total = 0.0
        for i, (place, _) in enumerate(self._taken):
            near = self._near(i, torch.zeros_like(self._u[i]))
            wrong += float((place.weight - near).square().sum())
            total += float(place.weight.square().sum())
        return (wrong / max(total, 1e-30)) ** 0.5

    def finish(self) -> None:
        """Project, and make what is stored the parameters: make a new optimiser."""
        for place, size in self._taken:
            if self._kind is BlockCirculant:
                put(place, size)
            else:
                put_matrix(place, self._kind.project(as_matrix(place.weight), size), latent=True)


def gradual(
    model: nn.Module,
    block: int | Mapping[str, int],
    steps: int,
    *,
    structure: str | type[WeightStructure] = "circulant",
) -> Gradual:
    """Blend the weights of a model into block-circulant ones, or into ones of another structure, see `Gradual`.

    Args:
        model: dense; changed in place.
        block: as for `swm.torch.structure`.
        steps: of the optimiser until the weights have the structure.
        structure: as for `swm.torch.structure`.

    Raises:
        OptionError: impossible sizes, names that match nothing, nothing to structure.
    """
    return Gradual(model, block, steps, structure)


def admm(
    model: nn.Module,
    block: int | Mapping[str, int],
    rho: float = 1e-3,
    *,
    structure: str | type[WeightStructure] = "circulant",
) -> Admm:
    """Pull the weights of a model to block-circulant ones, or to ones of another structure, see `Admm`.

    Args:
        model: dense; its weights change in `finish` alone.
        block: as for `swm.torch.structure`.
        rho: weight of the pull.
        structure: as for `swm.torch.structure`.

    Raises:
        OptionError: impossible sizes, names that match nothing, nothing to structure, rho not above 0.
    """
    return Admm(model, block, rho, structure)
