# SPDX-License-Identifier: Apache-2.0
"""What is trained in the table of docs/results.md: model, data, augmentation, options. Run by run.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from accuracy import CASES, Case

Augment = Callable[[dict[str, torch.Tensor], torch.Generator], dict[str, torch.Tensor]]


def distort(turn: float, zoom: float, shift: float, sides: int = 28) -> Augment:
    """Turn (degrees), zoom (relative) and shift (pixels) every image a little, each in its own way."""

    def augment(feeds: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        ((name, batch),) = feeds.items()
        uniform = torch.rand((4, len(batch)), generator=generator).to(batch.device) * 2 - 1
        angle, scale = uniform[0] * torch.deg2rad(torch.tensor(turn)), 1 + uniform[1] * zoom
        moved = uniform[2:] * (shift * 2 / sides)  # affine_grid measures in half image widths
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        affine = torch.stack([cos, -sin, moved[0], sin, cos, moved[1]], dim=1).reshape(-1, 2, 3)
        images = batch.reshape(len(batch), 1, sides, sides)
        ground = images[:, :, :1, :1]  # of the corner: black, whatever the normalisation
        grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
        found = functional.grid_sample(images - ground, grid, align_corners=False) + ground
        return {name: found.reshape(batch.shape)}

    return augment


def flip_and_shift(pixels: int) -> Augment:
    """Mirror half of the images, and shift each by up to so many pixels, zeros coming in."""

    def augment(feeds: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        ((name, batch),) = feeds.items()
        mirrored = torch.rand(len(batch), generator=generator).to(batch.device) < 0.5
        images = torch.where(mirrored[:, None, None, None], batch.flip(-1), batch)
        moves = torch.randint(0, 2 * pixels + 1, (2,), generator=generator).tolist()  # one for the batch: cheap
        padded = functional.pad(images, (pixels,) * 4)
        height, width = images.shape[-2:]
        return {name: padded[..., moves[0] : moves[0] + height, moves[1] : moves[1] + width].contiguous()}

    return augment


def noise(level: float) -> Augment:
    """Add noise of so many standard deviations of the batch: 400 samples would be learnt by heart."""

    def augment(feeds: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        ((name, batch),) = feeds.items()
        drawn = torch.randn(batch.shape, generator=generator).to(batch.device)
        return {name: batch + level * batch.std() * drawn}

    return augment


@dataclass(frozen=True)
class Recipe:
    """One row of the table.

    Attributes:
        name: of the row.
        case: the model and its data, by name in benchmarks/accuracy.py.
        options: of `swm.finetune`.
        augment: of the batches, or None.
        goal: accuracy to reach, a fraction.
    """

    name: str
    case: str
    options: dict[str, Any]
    goal: float
    augment: Augment | None = None
    note: str = ""

    @property
    def model(self) -> Case:
        """Where model and data are."""
        return next(case for case in CASES if case.name == self.case)


_IMAGES = distort(6.0, 0.06, 1.0)  # as tools/train_bundled.py
_MLP = {"bits": 12, "epochs": 12, "batch": 256, "rate": 3e-3, "distillation": 0.7}

RECIPES = (
    Recipe("bundled MLP, block 8", "bundled MLP", {**_MLP, "block": 8}, 0.985, _IMAGES),
    Recipe("bundled MLP, block 16", "bundled MLP", {**_MLP, "block": 16}, 0.982, _IMAGES),
    Recipe("mnist-net 256x2, block 8", "mnist-net 256x2", {**_MLP, "block": 8}, 0.975, _IMAGES),
    Recipe(
        "LeNet-5, block 8",
        "LeNet-5",
        {"block": 8, "bits": 12, "epochs": 5, "batch": 256, "rate": 2e-3, "distillation": 0.7},
        0.983,
        _IMAGES,
    ),
    Recipe(
        "alibaba kws, budget 2x",
        "alibaba kws",
        {"budget": "2x", "epochs": 60, "batch": 32, "rate": 2e-3, "distillation": 0.7},
        0.90,
        noise(0.05),
        "only the 1,000 test inputs exist: half of them, drawn once, are the data, the other half the test",
    ),
    Recipe(
        "resnet_2b, budget 4x",
        "VNN-COMP resnet_2b",
        {"budget": "4x", "epochs": 8, "batch": 128, "rate": 2e-3, "distillation": 0.5},
        0.676,
        flip_and_shift(2),
    ),
    Recipe(
        "biasfield base, budget 4x",
        "VNN-COMP biasfield base",
        {"budget": "4x", "epochs": 3, "batch": 128, "rate": 1e-3, "distillation": 0.5},
        0.791,
        flip_and_shift(2),
    ),
)
