# SPDX-License-Identifier: Apache-2.0
"""What a conversion changed and what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from swm.compress.evaluation import TestAccuracy

__all__ = ["ConversionReport", "LayerReport"]


@dataclass(frozen=True)
class LayerReport:
    """One weighted layer before and after.

    `weight_error` is the relative Frobenius error of the weights, `output_error` the relative error of the layer's
    outputs over at most 512 samples that the fit has not seen, against the dense network's own; None where there are
    none. Then `fitted_error` is the same over calibration samples, which the fit has seen: of few samples it says
    nothing. W and R of a recurrent layer have a row each, with one error. Bits are those of the stored arrays: real
    numbers at 32, codes and indices at their own.

    `correction` is the rank of the dense part beside the structured one, 0 without one; what is counted counts both.

    `positions` says how often an inference runs the product: 1, output pixels of a convolution, tokens of a sequence,
    steps of a recurrent layer. Operations are real multiplications of an inference, all positions and directions,
    counted; where `positions` is None, because the model's shapes are free and no inputs were given, of one position.
    """

    name: str
    shape: tuple[int, int]
    structure: str
    reason: str
    block: int
    words_before: int
    words_after: int
    bits_before: int
    bits_after: int
    positions: int | None
    multiplications_before: int
    multiplications_after: int
    weight_error: float
    output_error: float | None
    fitted_error: float | None
    correction: int = 0

    @property
    def becomes(self) -> str:
        """Structure and size, or the rule by which it stays dense."""
        beside = f" + rank {self.correction}" if self.correction else ""
        return f"{self.structure}: {self.reason}" if self.reason else f"{self.structure} {self.block}{beside}"


@dataclass(frozen=True)
class ConversionReport:
    """The whole conversion.

    Attributes:
        method: how weights were found.
        block: one size, or sizes by layer.
        calibration_samples: samples that the fit has seen.
        layers: one by one.
        float_bits: bits of a stored number.
        accuracy: of both networks on samples that the fit has not seen; figures on others are never given.
        warnings: what is wrong with the calibration or the outcome, each with what to do about it.
    """

    method: str
    block: int | dict[str, int]
    calibration_samples: int
    layers: tuple[LayerReport, ...]
    float_bits: int
    accuracy: TestAccuracy = field(default_factory=TestAccuracy)
    warnings: tuple[str, ...] = ()

    @property
    def parameters_before(self) -> int:
        """Weights of all weighted layers before."""
        return sum(layer.words_before for layer in self.layers)

    @property
    def parameters_after(self) -> int:
        """Stored weights after."""
        return sum(layer.words_after for layer in self.layers)

    @property
    def bits_before(self) -> int:
        """Bits of all these weights before, at `float_bits` a number."""
        return sum(layer.bits_before for layer in self.layers)

    @property
    def bits_after(self) -> int:
        """Bits of what is stored after: real numbers at `float_bits`, codes and indices at their own."""
        return sum(layer.bits_after for layer in self.layers)

    @property
    def multiplications(self) -> tuple[int, int] | None:
        """Multiplications of an inference by all weighted layers before and after; None if one's positions are free."""
        if any(layer.positions is None for layer in self.layers):
            return None
        before, after = ([getattr(x, f"multiplications_{when}") for x in self.layers] for when in ("before", "after"))
        return sum(before), sum(after)

    @property
    def compression(self) -> float:
        """Weights before over stored weights after; 1 for a network without weights that could be structured."""
        return self.parameters_before / self.parameters_after if self.layers else 1.0

    def to_json(self) -> dict[str, Any]:
        """Plain types for JSON, totals included; of multiplications only where all positions are known."""
        before, after = self.multiplications or (None, None)
        return {
            **asdict(self),
            "parameters_before": self.parameters_before,
            "parameters_after": self.parameters_after,
            "bits_before": self.bits_before,
            "bits_after": self.bits_after,
            "compression": self.compression,
            "multiplications_before": before,
            "multiplications_after": after,
        }
