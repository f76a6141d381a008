# SPDX-License-Identifier: Apache-2.0
"""What a network answers: the class that its output names, be it by a score for each or by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["classes", "names_classes"]


def names_classes(outputs: NDArray[Any]) -> bool:
    """Whether outputs are class numbers, one a sample (of ArgMax or TopK of one), and not scores."""
    return outputs.dtype.kind in "iu" and outputs.ndim > 0 and outputs.size == len(outputs)


def classes(outputs: NDArray[Any]) -> NDArray[np.integer]:
    """The class of each answer: (samples,) class numbers as they are, of scores the place of the largest."""
    return outputs.reshape(-1) if names_classes(outputs) else outputs.argmax(axis=-1)
