# SPDX-License-Identifier: Apache-2.0
"""Structure that comes by and by: weights blended into their projections, or pulled there by ADMM."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from swm.errors import OptionError
from swm.torch.attach import put, register, take_off
from swm.torch.circulant import Layout
from swm.torch.places import Place, choose_blocks, places

__all__ = ["Admm", "Gradual", "admm", "gradual"]


class Blend(nn.Module):
    """A parametrization: `(1 - a) W + a P(W)`, P the projection; a goes from 0 to 1."""

    share: Tensor

    def __init__(self, layout: Layout) -> None:
        """Begin with the dense weight."""
        super().__init__()
        self.layout = layout
        self.register_buffer("share", torch.zeros(()))

    def forward(self, weight: Tensor) -> Tensor:
        """The blend, of the weight's shape."""
        near = self.layout.expand(self.layout.project(weight))
        return torch.lerp(weight, near, self.share.to(weight.dtype))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself."""
        return weight


def _chosen(model: nn.Module, block: int | Mapping[str, int]) -> list[tuple[Place, int]]:
    found = places(model)
    sizes = choose_blocks(found, block)
    taken = [(place, sizes[place.name][0]) for place in found if sizes[place.name][0] > 1]
    if not taken:
        raise OptionError("no weight takes a structure at these block sizes")
    return taken


class Gradual:
    """Weights that become block-circulant over so many steps; the parameters stay the dense ones until `finish`.

    The blend's share of the projection is `1 - (1 - t)^3` of the time t, as sparsity grows in Zhu and Gupta (2017).
    """

    def __init__(self, model: nn.Module, block: int | Mapping[str, int], steps: int) -> None:
        """Put the blends on the model."""
        if steps < 1:
            raise OptionError(f"{steps} steps are impossible: choose 1 or more")
        self._steps, self._done = steps, 0
        self._taken = _chosen(model, block)
        for place, size in self._taken:
            blend = Blend(Layout(tuple(place.weight.shape), size, place.gates))
            register(place, blend)

    @property
    def share(self) -> float:
        """Of the projection in the weights: 0 at first, 1 at the end."""
        return 1 - (1 - min(self._done / self._steps, 1.0)) ** 3

    def step(self) -> None:
        """After each step of the optimiser."""
        self._done += 1
        for place, _ in self._taken:
            (blend,) = place.module.parametrizations[place.tensor]
            blend.share.fill_(self.share)

    def finish(self) -> None:
        """From now on the columns themselves are the parameters: make a new optimiser. Before the end: projects."""
        for place, size in self._taken:
            take_off(place.module, place.tensor)
            put(place, size)


class Admm:
    """Alternating directions (E-RNN, Li et al. 2019): the loss pulls weights W to their projections Z.

    Add `penalty()`, `rho / 2 sum |W - Z + U|^2`, to the loss of each batch; `step()` once in a while (an epoch):
    `Z = P(W + U)`, `U = U + W - Z`; `finish()` in the end projects, and training goes on in the columns.
    """

    def __init__(self, model: nn.Module, block: int | Mapping[str, int], rho: float = 1e-3) -> None:
        """Begin with Z = P(W), U = 0."""
        if not rho > 0:
            raise OptionError(f"rho must be above 0, got {rho!r}")
        self.rho = rho
        self._taken = _chosen(model, block)
        self._layouts = [Layout(tuple(place.weight.shape), size, place.gates) for place, size in self._taken]
        self._u = [torch.zeros_like(place.weight) for place, _ in self._taken]
        self._z = [self._near(i, torch.zeros_like(u)) for i, u in enumerate(self._u)]

    @torch.no_grad()
    def _near(self, i: int, u: Tensor) -> Tensor:
        layout = self._layouts[i]
        return layout.expand(layout.project(self._taken[i][0].weight + u))

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
        """Norm of W - P(W) over that of W: 0 where the weights are block-circulant."""
        wrong = total = 0.0
        for i, (place, _) in enumerate(self._taken):
            near = self._near(i, torch.zeros_like(self._u[i]))
            wrong += float((place.weight - near).square().sum())
            total += float(place.weight.square().sum())
        return (wrong / max(total, 1e-30)) ** 0.5

    def finish(self) -> None:
        """Project, and make the columns the parameters: make a new optimiser."""
        for place, size in self._taken:
            put(place, size)


def gradual(model: nn.Module, block: int | Mapping[str, int], steps: int) -> Gradual:
    """Blend the weights of a model into block-circulant ones, see `Gradual`.

    Args:
        model: dense; changed in place.
        block: as for `swm.torch.structure`.
        steps: of the optimiser until the weights are block-circulant.

    Raises:
        OptionError: impossible sizes, names that match nothing, nothing to structure.
    """
    return Gradual(model, block, steps)


def admm(model: nn.Module, block: int | Mapping[str, int], rho: float = 1e-3) -> Admm:
    """Pull the weights of a model to block-circulant ones, see `Admm`.

    Args:
        model: dense; its weights change in `finish` alone.
        block: as for `swm.torch.structure`.
        rho: weight of the pull.

    Raises:
        OptionError: impossible sizes, names that match nothing, nothing to structure, rho not above 0.
    """
    return Admm(model, block, rho)
