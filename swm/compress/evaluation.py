# SPDX-License-Identifier: Apache-2.0
"""What a conversion cost, measured on samples that the fit has not seen, with the interval that their number allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm.answers import names_classes
from swm.compress.activation_pairs import ActivationPairs
from swm.errors import CalibrationError
from swm.graph import Graph
from swm.progress import Note, quiet

__all__ = ["Interval", "TestAccuracy", "accuracy", "check_labels", "evaluate", "wilson"]

Z95 = 1.959963984540054  # standard deviations on both sides of 95 % of a normal distribution

Array = NDArray[Any]
Interval = tuple[float, float]


@dataclass(frozen=True)
class TestAccuracy:
    """The dense and the converted network on samples that the fit has not seen. Fractions; None: not measured.

    Attributes:
        test: accuracy of the converted network; None without labels.
        test_interval: its 95 % interval (Wilson).
        dense: accuracy of the dense network on the same samples.
        dense_interval: its 95 % interval.
        agreement: share of samples whose largest output is the dense network's; None where the output is no classes
            (not two-dimensional, or of one column).
        agreement_interval: its 95 % interval.
        relative_error: norm of the difference of the first outputs over that of the dense network's.
        test_samples: how many samples were measured.
        samples: where they are from: "held out" of the calibration inputs, "given", or "none".
    """

    __test__ = False  # no test class, whatever pytest thinks of the name

    test: float | None = None
    test_interval: Interval | None = None
    dense: float | None = None
    dense_interval: Interval | None = None
    agreement: float | None = None
    agreement_interval: Interval | None = None
    relative_error: float | None = None
    test_samples: int = 0
    samples: str = "none"


def wilson(share: float, count: int) -> Interval:
    """The 95 % interval of a share that was counted in `count` samples (Wilson's score interval).

    Unlike the usual share +- deviation it stays inside 0..1 and does not vanish at 100 %: 20 right answers of 20 are
    consistent with an accuracy of 84 %.
    """
    square = Z95 * Z95 / count
    centre = (share + square / 2) / (1 + square)
    reach = Z95 / (1 + square) * sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def accuracy(outputs: Array, labels: NDArray[np.integer]) -> float:
    """Fraction of samples whose largest output is the labelled class.

    Args:
        outputs: (samples, classes), or a class number a sample (of a network that ends in ArgMax).
        labels: (samples,) class numbers.

    Raises:
        CalibrationError: the shapes do not fit.
    """
    if names_classes(outputs):
        check_labels(labels, len(outputs))
        return float(np.mean(outputs.reshape(-1) == labels))
    check_labels(labels, len(outputs), outputs.reshape(len(outputs), -1).shape[1])
    scores = outputs.reshape(len(outputs), -1)
    return float(np.mean(scores.argmax(axis=1) == labels))


def check_labels(labels: NDArray[np.integer], samples: int, classes: int | None = None) -> None:
    """Refuse labels that are not one class number a sample.

    Raises:
        CalibrationError: another shape or type, or, where the number of classes is known, numbers beyond it.
    """
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != samples:
        raise CalibrationError(
            f"labels must be {samples} integers, one per sample, got {labels.dtype} of shape {labels.shape}"
        )
    if classes is not None and len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise CalibrationError(f"labels must lie in 0..{classes - 1}, got {labels.min()}..{labels.max()}")


def evaluate(
    dense: Graph,
    converted: Graph,
    feeds: Mapping[str, Array],
    labels: NDArray[np.integer] | None,
    samples: str,
    note: Note = quiet,
) -> TestAccuracy:
    """Run both networks on test inputs, chunk by chunk, and hold them against each other and the labels.

    Only the first output counts; one that is no array of floats, a sample a row, nor a class number a sample is not
    measured.
    """
    name = dense.outputs[0].name
    right, dense_right, agreeing, count = 0, 0, 0, 0
    wrong = total = 0.0
    classes, numbers = True, False
    for (got,), (wanted,) in ActivationPairs(dense, converted, feeds, note).chunks((name,), (name,)):
        if not _measurable(got, wanted):
            return TestAccuracy(samples=samples)
        if names_classes(wanted):
            numbers = True
            answered, expected = (a.reshape(-1) for a in (got, wanted))
        else:
            wrong += float(np.sum(np.square(got - wanted), dtype=np.float64))
            total += float(np.sum(np.square(wanted), dtype=np.float64))
            classes = classes and wanted.ndim == 2 and wanted.shape[1] >= 2
            answered, expected = (a.reshape(len(a), -1).argmax(axis=1) for a in (got, wanted))
        agreeing += int(np.sum(answered == expected))
        if labels is not None:
            truth = labels[count : count + len(wanted)]
            right, dense_right = right + int(np.sum(answered == truth)), dense_right + int(np.sum(expected == truth))
        count += len(wanted)
    if not count:
        return TestAccuracy(samples=samples)
    error = None if numbers else sqrt(wrong / max(total, 1e-60))  # class numbers have no distance
    found = TestAccuracy(relative_error=error, test_samples=count, samples=samples)
    if classes:
        share = agreeing / count
        found = replace(found, agreement=share, agreement_interval=wilson(share, count))
    if labels is None or len(labels) != count:
        return found
    test, before = right / count, dense_right / count
    return replace(
        found, test=test, test_interval=wilson(test, count), dense=before, dense_interval=wilson(before, count)
    )


def _measurable(got: Any, wanted: Any) -> bool:
    """Whether two answers are arrays of one shape, of floats with a sample a row or of a class number a sample."""
    arrays = all(isinstance(a, np.ndarray) and a.ndim for a in (got, wanted))
    kinds = arrays and all(a.dtype.kind == "f" or names_classes(a) for a in (got, wanted))
    return kinds and got.shape == wanted.shape and got.dtype == wanted.dtype
