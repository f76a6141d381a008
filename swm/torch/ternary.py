# SPDX-License-Identifier: Apache-2.0
"""Structured sparse ternary weights as a parametrization: patterns in the forward pass, straight through backward."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from swm.errors import OptionError
from swm.structure.ternary import TERNARY
from swm.torch.bits import gentle, straight_through
from swm.torch.sparse import as_matrix

__all__ = ["StructuredTernary"]


class StructuredTernary(nn.Module):
    """A parametrization: of `group` consecutive weights of a row at most `kept` are +-alpha of that row, the others 0.

    What is trained are the weights before that, and a scale for each row with the gradient of "learned step size
    quantization" (Esser et al. 2020): signs of the `kept` largest |w| of each group, where |w| > alpha / 2
    (`swm.structure.ternary`). The gradient passes to all weights within the scale, those that are 0 now too, so
    patterns change. Groups lie along the inputs of a product, and along (C, kernel...) of a convolution.

    Args:
        weight: (m, ...), from which the first scales are taken.
        kept: k.
        group: N: 4, 8 or 16.

    Raises:
        OptionError: impossible numbers.
    """

    def __init__(self, weight: Tensor, kept: int, *, group: int = 8) -> None:
        """Fit the scales."""
        super().__init__()
        if group not in TERNARY:
            raise OptionError(
                f"groups of {group!r} weights are impossible: choose one of {', '.join(map(str, TERNARY))}"
            )
        self.group, self.kept = group, TERNARY[group].check_size(kept)
        alpha = TERNARY[group].project(as_matrix(weight), kept).alpha
        self.alpha = nn.Parameter(torch.from_numpy(alpha.copy()).to(weight.device, weight.dtype))

    def forward(self, weight: Tensor) -> Tensor:
        """(m, ...) → (m, ...)."""
        patterns, alpha = self.patterns(weight)
        return (patterns * alpha).reshape(weight.shape)

    def patterns(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Signs (m, n) of -1, 0 and 1, and scales (m, 1)."""
        m, n = len(weight), math.prod(weight.shape[1:])
        flat = weight.reshape(m, n)
        alpha = gentle(self.alpha.abs().clamp(min=1e-12), n)
        padded = nn.functional.pad(flat.detach().abs(), (0, -n % self.group)).reshape(m, -1, self.group)
        largest = padded.topk(self.kept, dim=-1).indices
        chosen = torch.zeros_like(padded).scatter(-1, largest, 1.0) > 0
        kept = (chosen & (padded > alpha.detach()[..., None] / 2)).reshape(m, -1)[:, :n]
        steps = (flat / alpha).clamp(-1, 1)
        return straight_through(flat.detach().sign() * kept, steps), alpha

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself."""
        return weight

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.kept} signs of {self.group} weights"
