# SPDX-License-Identifier: Apache-2.0
"""Samples in the frames that hardware takes: one each, or several sequences that take turns (`interleave.py`).

A frame of n sequences holds step 0 of every one, then step 1 of every one, and so on: (time, batch, channels), the
order in which ONNX lays sequences out.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_frames", "to_frames"]

T = TypeVar("T", bound=np.generic)


def to_frames(samples: NDArray[T], sequences: int, channels: int) -> NDArray[T]:
    """(samples, steps * channels) → (frames, steps * sequences * channels).

    Samples that do not fill the last frame are followed by the last of them again.
    """
    if sequences == 1:
        return samples
    missing = -len(samples) % sequences
    whole = np.concatenate([samples, samples[-1:].repeat(missing, axis=0)]) if missing else samples
    turned = whole.reshape(-1, sequences, samples.shape[1] // channels, channels).swapaxes(1, 2)
    return turned.reshape(-1, sequences * samples.shape[1])


def from_frames(frames: NDArray[T], sequences: int, channels: int, samples: int) -> NDArray[T]:
    """(frames, steps * sequences * channels) → (samples, steps * channels), without what only filled the last frame."""
    if sequences == 1:
        return frames
    turned: NDArray[Any] = frames.reshape(len(frames), -1, sequences, channels).swapaxes(1, 2)
    return turned.reshape(len(frames) * sequences, -1)[:samples]
