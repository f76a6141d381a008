# SPDX-License-Identifier: Apache-2.0
"""Numbers of few bits while training: rounded in the forward pass, passed through as they are in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from swm.errors import OptionError

__all__ = ["FewBits", "FixedPoint", "exporting", "gentle", "straight_through"]

MOST_FRAC = 40  # as swm.layers.formats: all-zero tensors get some binary point
START = {2: 1.5, 3: 0.85, 4: 0.4}  # first scale of FewBits, times mean |w|


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rounded: Tensor, exact: Tensor) -> Tensor:
        return rounded.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def straight_through(rounded: Tensor, exact: Tensor) -> Tensor:
    """The value of `rounded`, to the last bit, with the gradient of `exact` (Bengio et al. 2013)."""
    if exporting():
        return rounded
    found: Tensor = _Straight.apply(rounded, exact)
    return found


class _Rounded(torch.autograd.Function):
    """Values on a grid, in few passes over memory: the gradient passes where nothing saturates."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: float, low: float, high: float) -> Tensor:
        steps = values / scale
        ctx.save_for_backward((steps >= low) & (steps <= high))
        return steps.add_(0.5).floor_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = ctx.saved_tensors
        return gradients[0] * inside, None, None, None


def exporting() -> bool:
    """Whether torch writes the program down: plain operators then, which every ONNX opset has."""
    return torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()


class FixedPoint(nn.Module):
    """Two's complement numbers of `bits` bits at a binary point, for weights (as a parametrization) and activations.

    Values round half up to multiples of 2^-frac and saturate, as `swm.layers.values.Format` does; the gradient passes
    where nothing saturates. The binary point is chosen at the first use, and by `choose`, with the least mean squared
    error of three (`swm.layers.formats.best_format`). With `learn` it is learnt: the scale is a parameter, a power of
    two in the forward pass, with the gradient of "learned step size quantization" (Esser et al. 2020).

    Args:
        bits: 2 to 24.
        learn: make the scale a parameter.

    Raises:
        OptionError: impossible bits.
    """

    frac: Tensor

    def __init__(self, bits: int, *, learn: bool = False) -> None:
        """The binary point is not chosen yet."""
        super().__init__()
        if not isinstance(bits, int) or isinstance(bits, bool) or not 2 <= bits <= 24:
            raise OptionError(f"{bits!r} bits are impossible for training: choose 2 to 24")
        self.bits = bits
        self.log_scale = nn.Parameter(torch.zeros(())) if learn else None
        self.register_buffer("frac", torch.tensor(float("nan")))

    @torch.no_grad()
    def choose(self, values: Tensor) -> None:
        """Take the binary point that suits some values."""
        flat = values.detach().reshape(-1).to(torch.float64)
        largest = float(flat.abs().max()) if len(flat) else 0.0
        frac = min(self.bits - 1, MOST_FRAC)
        if largest > 0:
            holds = self.bits - 1 - int(torch.ceil(torch.log2(torch.tensor(largest, dtype=torch.float64))))
            candidates = [min(holds + finer, MOST_FRAC) for finer in range(3)]
            errors = [float((self._rounded(flat, 2.0**-f) - flat).square().mean()) for f in candidates]
            frac = candidates[errors.index(min(errors))]
        self.frac.fill_(float(frac))
        if self.log_scale is not None:
            self.log_scale.fill_(-float(frac))

    def forward(self, values: Tensor) -> Tensor:
        """Values of the same shape, on the grid."""
        if not torch.compiler.is_compiling() and bool(self.frac.isnan()):  # torch.export follows no numbers
            self.choose(values)
        if self.log_scale is None:
            if exporting():
                return self._rounded(values, torch.pow(2.0, -self.frac).to(values.dtype))
            low, high, scale = -(2.0 ** (self.bits - 1)), 2.0 ** (self.bits - 1) - 1, 2.0 ** -float(self.frac)
            found: Tensor = _Rounded.apply(values, scale, low, high)
            return found
        exponent = straight_through(self.log_scale.round(), self.log_scale)
        scale = gentle(
            torch.pow(2.0, exponent),  # not exp2, which torch's older exporter lacks
            values.numel() * 2 ** (self.bits - 1),
        ).to(values.dtype)
        steps = (values / scale).clamp(-(2.0 ** (self.bits - 1)), 2.0 ** (self.bits - 1) - 1)
        return straight_through(torch.floor(steps + 0.5), steps) * scale

    def right_inverse(self, values: Tensor) -> Tensor:
        """The values themselves: what is trained is not rounded."""
        return values

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"bits={self.bits}" + ("" if self.log_scale is None else ", learnt")

    def _rounded(self, values: Tensor, scale: Tensor | float) -> Tensor:
        low, high = -(2.0 ** (self.bits - 1)), 2.0 ** (self.bits - 1) - 1
        return (torch.floor(values / scale + 0.5)).clamp(low, high) * scale


class FewBits(nn.Module):
    """Weights of 1 to 8 bits times a learnt scale, as a parametrization.

    `b >= 2`: `s * clip(round(w / s), -L, L)` with `L = 2^(b-1) - 1`, s learnt with the gradient of Esser et al. 2020.
    `b = 1`: `a * sign(w)` with `a = mean |w|` (Rastegari et al. 2016). What is trained is the weight before rounding;
    the gradient passes where nothing is clipped. Numbers that were equal stay equal under one scale, so the rounding
    may follow a structure.

    Args:
        weight: from which the first scale is taken.
        bits: 1 to 8.
        rows: a scale for each row (output) instead of one of the whole weight. Rows of a circulant block need one.
        kept: of a sparse weight, which of its numbers are there (`Sparse.kept`): the others do not count, and stay 0.

    Raises:
        OptionError: impossible bits.
    """

    kept: Tensor | None

    def __init__(self, weight: Tensor, bits: int, *, rows: bool = False, kept: Tensor | None = None) -> None:
        """Only the shape and the mean of the weight matter."""
        super().__init__()
        if not isinstance(bits, int) or isinstance(bits, bool) or not 1 <= bits <= 8:
            raise OptionError(f"{bits!r} bits are impossible for few-bit weights: choose 1 to 8")
        self.bits, self.rows = bits, rows
        self.register_buffer("kept", kept)
        first = self._mean(weight.detach()) * START.get(bits, 4.0 / 2 ** (bits - 1))
        self.scale = nn.Parameter(first) if bits > 1 else None

    def forward(self, weight: Tensor) -> Tensor:
        """(m, ...) → (m, ...), each a multiple of its scale."""
        codes, scale = self.codes(weight)
        return codes * scale

    def codes(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Whole numbers of the weight's shape, and the scale, (1, ...) or a row each (m, 1, ...)."""
        if self.scale is None:
            mean = self._mean(weight)
            signs = torch.where(weight < 0, -1.0, 1.0).to(weight.dtype)
            if self.kept is not None:
                signs = signs * self.kept
            return straight_through(signs, (weight / mean).clamp(-1, 1)), mean
        top = 2 ** (self.bits - 1) - 1
        count = weight.numel() // self.scale.numel() if self.kept is None else int(self._count().min())
        scale = gentle(self.scale.abs().clamp(min=1e-12), max(count, 1) * max(top, 1))
        steps = (weight / scale).clamp(-top, top)
        return straight_through(steps.round(), steps), scale

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The weight itself."""
        return weight

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"bits={self.bits}" + (", a scale a row" if self.rows else "")

    def _mean(self, weight: Tensor) -> Tensor:
        size = weight.abs().to(torch.float64)  # the mean of equal numbers is then that number
        if self.kept is None:
            mean = size.mean(self._axes(weight), keepdim=True)
        else:
            mean = (size * self.kept).sum(self._axes(weight), keepdim=True) / self._count().clamp(min=1)
        return mean.to(weight.dtype).clamp(min=1e-12)

    def _count(self) -> Tensor:
        assert self.kept is not None  # callers have looked
        return self.kept.sum(self._axes(self.kept), keepdim=True)

    def _axes(self, weight: Tensor) -> tuple[int, ...]:
        return tuple(range(1 if self.rows else 0, weight.ndim))


def gentle(scale: Tensor, count: int) -> Tensor:
    """The same scale with a gradient smaller by sqrt(count): that of all its weights adds up in it."""
    factor = 1 / count**0.5
    return straight_through(scale, scale * factor)
