# SPDX-License-Identifier: Apache-2.0
"""The network and images that travel with swm, so that the demo and the tests need no download.

``tools/train_bundled.py`` wrote the files; ``LICENSE.md`` beside them states origin, licences and accuracy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibration", "model_path", "test"]

_HERE = Path(__file__).resolve().parent


def model_path() -> Path:
    """Give the path of the trained float32 MLP 784-512-512-10.

    Returns:
        Path of an ONNX file: input ``image`` float32 (batch, 784), output ``logits`` float32 (batch, 10).
    """
    return _HERE / "mnist_mlp.onnx"


def calibration() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load 2,000 MNIST training images, every 30th of the 60,000.

    The network was trained on these too: measure accuracy on `test`.

    Returns:
        Images, float32 (2000, 784) in [0, 1], and their digits, int64 (2000,).
    """
    return _load("mnist_calibration.npz")


def test() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Load the first 1,000 of the 10,000 MNIST test images.

    Returns:
        Images, float32 (1000, 784) in [0, 1], and their digits, int64 (1000,).
    """
    return _load("mnist_test.npz")


# pytest collects any imported function of this name; this one is not a test.
test.__test__ = False  # type: ignore[attr-defined]


def _load(name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    with np.load(_HERE / name) as file:
        images = file["images"].astype(np.float32) / np.float32(255)
        return images, file["labels"].astype(np.int64)
