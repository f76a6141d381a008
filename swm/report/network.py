# SPDX-License-Identifier: Apache-2.0
"""Counts of the network itself, the same on every board: bits, blocks, weights, compression."""

from __future__ import annotations

from dataclasses import dataclass

from swm.accelerator.design import Schedule
from swm.layers.values import LayerSpec
from swm.report.value import Report

__all__ = ["FLOAT_BITS", "NetworkFigures", "block_of", "network_figures"]

FLOAT_BITS = 32


@dataclass(frozen=True)
class NetworkFigures:
    """Counted from the shapes of all layers.

    Attributes:
        data_bits: widths of tensors, each once.
        weight_bits: widths of weights, each once.
        blocks: by block size (1: dense), how many layers with weights have it.
        dense_weights: weights of the dense twin.
        stored_weights: numbers that are stored.
        stored_bits: bits that they take.
        dense_bits: bits of the dense twin's weights at the same widths.
    """

    data_bits: tuple[int, ...]
    weight_bits: tuple[int, ...]
    blocks: dict[int, int]
    dense_weights: int
    stored_weights: int
    stored_bits: int
    dense_bits: int

    @property
    def fewer(self) -> float:
        """Dense weights over stored ones."""
        return self.dense_weights / self.stored_weights if self.stored_weights else 1.0

    @property
    def compression(self) -> float:
        """Bits of the dense weights as float32 over bits that are stored."""
        return self.dense_weights * FLOAT_BITS / self.stored_bits if self.stored_bits else 1.0

    @property
    def structured(self) -> bool:
        """Whether any layer has a weight structure."""
        return any(block > 1 for block in self.blocks)


def block_of(spec: LayerSpec) -> int:
    """Block size of a layer; 1 of a dense one, 0 of one without weights."""
    return getattr(spec, "block", 1) if spec.stored_words else 0


def network_figures(report: Report) -> NetworkFigures:
    """The counts of a report's network; its first board, or chip, stands for all."""
    if report.boards:
        own, dense = _specs(report.boards[0].structured.plan), _specs(report.boards[0].dense.plan)
    else:
        own, dense = list(report.chips[0].structured.specs), list(report.chips[0].dense.specs)
    stored = [spec for spec in own if spec.stored_words]
    blocks = sorted(map(block_of, stored), reverse=True)
    return NetworkFigures(
        data_bits=tuple(sorted({shape.bits for spec in own for shape in (*spec.inputs, spec.output)})),
        weight_bits=tuple(sorted({spec.stored_bits // spec.stored_words for spec in stored})),
        blocks={block: blocks.count(block) for block in dict.fromkeys(blocks)},
        dense_weights=sum(spec.stored_words for spec in dense),
        stored_weights=sum(spec.stored_words for spec in stored),
        stored_bits=sum(spec.stored_bits for spec in stored),
        dense_bits=sum(spec.stored_bits for spec in dense),
    )


def _specs(plan: Schedule) -> list[LayerSpec]:
    return [layer.spec for layer in plan.layers]
