# SPDX-License-Identifier: Apache-2.0
"""Batches changed at random while training: images moved and mirrored, speech moved, masked and mixed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

__all__ = ["Augment", "distort", "flip_and_shift", "masked_frames", "mixed", "stretched_frames"]

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


def masked_frames(move: int, level: float) -> Augment:
    """Move each recording (n, frames, bands) in time, hide some bands and some frames, and add noise.

    What is hidden, and what comes in at the ends, is 0, the mean of a band (SpecAugment, Park et al. 2019).
    """

    def augment(feeds: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        ((name, batch),) = feeds.items()
        n, frames, bands = batch.shape
        moves = torch.randint(-move, move + 1, (n, 1), generator=generator)
        place = torch.arange(frames)[None] + moves
        inside = (place >= 0) & (place < frames)
        found = batch.gather(1, place.clamp(0, frames - 1)[..., None].expand(-1, -1, bands)) * inside[..., None]
        for axis, size, most in ((1, frames, 6), (2, bands, 5)):
            first = torch.randint(0, size, (n, 1), generator=generator)
            width = torch.randint(0, most + 1, (n, 1), generator=generator)
            every = torch.arange(size)[None]
            hidden = (every >= first) & (every < first + width)
            found = found.masked_fill(hidden.unsqueeze(3 - axis), 0.0)
        return {name: found + level * torch.randn(found.shape, generator=generator)}

    return augment


def stretched_frames(move: float, stretch: float, gain: float, level: float) -> Augment:
    """Move recordings (n, frames, bands, 1) in time by up to so many frames, and stretch them, the ends repeated.

    Each band is scaled by 1 +- `gain` and shifted by as much of its deviation; noise comes up to `level` deviations.
    """

    def augment(feeds: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        ((name, batch),) = feeds.items()
        n, frames, bands = batch.shape[:3]
        deviation = batch.std((0, 1, 3))
        uniform = torch.rand((3, n), generator=generator)
        scale, moved = 1 + (uniform[:2] * 2 - 1) * torch.tensor([[stretch], [2 * move / frames]])
        none, one = torch.zeros(n), torch.ones(n)
        affine = torch.stack([one, none, none, none, scale, moved - 1], dim=1).reshape(n, 2, 3)
        grid = functional.affine_grid(affine, [n, 1, frames, bands], align_corners=False)
        found = functional.grid_sample(
            batch.reshape(n, 1, frames, bands), grid, padding_mode="border", align_corners=False
        )[:, 0]
        drawn = gain * torch.randn((2, n, 1, bands), generator=generator)
        found = found * (1 + drawn[0]) + deviation * drawn[1]
        loud = level * uniform[2][:, None, None] * deviation
        found = found + loud * torch.randn(found.shape, generator=generator)
        return {name: found.reshape(batch.shape)}

    return augment


def mixed(first: Augment, share: float, spliced: float) -> Augment:
    """Blend a share of the samples (n, frames, ...) with others of the batch, and splice some at a moment in time.

    Such samples have no label: the teacher alone says what they are (mixup, Zhang et al. 2018, with its answers in
    place of blended labels), so that a few recordings give as many inputs as training takes.
    """

    def augment(feeds: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        ((name, batch),) = first(feeds, generator).items()
        n, frames = batch.shape[:2]
        ones = (n,) + (1,) * (batch.ndim - 1)
        other = batch[torch.randperm(n, generator=generator)]
        part, blend, moment, splice = torch.rand((4, *ones), generator=generator)
        found = torch.lerp(batch, other, 0.5 * part * (blend < share))
        place = torch.arange(frames).reshape(1, frames, *ones[2:])
        return {name: torch.where((place < moment * frames) & (splice < spliced), other, found)}

    return augment
