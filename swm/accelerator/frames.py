# SPDX-License-Identifier: Apache-2.0
"""Samples in the frames that hardware takes: one each, or several sequences that take turns (`interleave.py`).

A frame of n sequences holds step 0 of every one, then step 1 of every one, and so on: (time, batch, channels), the
order in which ONNX lays sequences out. Where states come in front of the steps, a frame begins with those of every one.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tokens", "from_frames", "to_frames"]

Tokens: TypeAlias = tuple[tuple[int, int], ...]
"""Those of a sample, in order: so many, of so many values each, then others."""

T = TypeVar("T", bound=np.generic)


def to_frames(samples: NDArray[T], sequences: int, tokens: Tokens) -> NDArray[T]:
    """(samples, values) → (frames, sequences * values).

    Samples that do not fill the last frame are followed by the last of them again.
    """
    if sequences == 1:
        return samples
    missing = -len(samples) % sequences
    whole = np.concatenate([samples, samples[-1:].repeat(missing, axis=0)]) if missing else samples
    each, parts, at = whole.reshape(-1, sequences, samples.shape[1]), [], 0
    for count, channels in tokens:
        part = each[:, :, at : at + count * channels].reshape(-1, sequences, count, channels)
        parts.append(part.swapaxes(1, 2).reshape(len(each), -1))
        at += count * channels
    return np.concatenate(parts, axis=1)


def from_frames(frames: NDArray[T], sequences: int, tokens: Tokens, samples: int) -> NDArray[T]:
    """(frames, sequences * values) → (samples, values), without what only filled the last frame."""
    if sequences == 1:
        return frames
    parts, at = [], 0
    for count, channels in tokens:
        part = frames[:, at : at + sequences * count * channels].reshape(-1, count, sequences, channels)
        parts.append(part.swapaxes(1, 2).reshape(len(frames), sequences, -1))
        at += sequences * count * channels
    return np.concatenate(parts, axis=2).reshape(len(frames) * sequences, -1)[:samples]
