# SPDX-License-Identifier: Apache-2.0
"""What is known of a network beside its schedule: accuracy and its samples, errors of layers, verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from swm.accelerator.saturation import Saturation
from swm.report.measured import Measured

__all__ = ["ACCURACY_KEYS", "Accuracy", "Evidence", "Loss", "Verified", "fixed_point_cost", "loss"]

ACCURACY_KEYS = ("dense_float", "converted_float", "fixed")
"""Networks whose accuracy every report shows, "not measured" when nothing is known of it."""

Quantity = Literal["accuracy", "agreement", "error"]


@dataclass(frozen=True)
class Accuracy:
    """One measured figure.

    Attributes:
        network: one of `ACCURACY_KEYS`, or a name of the caller's.
        share: a fraction; None: not measured. Of an error it may exceed 1.
        samples: how many; 0 where the caller did not say.
        interval: its 95 % interval (Wilson); None where the number of samples is not known.
        origin: whose samples, and when it was measured; figures of the same origin and number of samples compare.
        quantity: "accuracy" on labels; "agreement": share of samples whose largest output is that of the dense
            original; "error": norm of the outputs' difference from the dense original's over the norm of those.
    """

    network: str
    share: float | None
    samples: int = 0
    interval: tuple[float, float] | None = None
    origin: str = ""
    quantity: Quantity = "accuracy"


@dataclass(frozen=True)
class Verified:
    """The last `swm verify` of a project; `stale`: its files, or the design, changed since.

    `interval_cycles` and `latency_cycles` were measured where RTL was simulated; else None.
    """

    ok: bool
    words: int
    mismatches: int
    samples: int
    compiler: str
    date: str
    swm: str
    stale: bool
    interval_cycles: float | None = None
    latency_cycles: float | None = None


@dataclass(frozen=True)
class Evidence:
    """Everything measured that stands in a report.

    Attributes:
        accuracies: measured now first, then what the model remembers.
        layer_errors: relative error of the outputs of converted layers, by the name of the layer in hardware.
        layer_errors_of: on which samples these were measured.
        original: file name of the dense network that was converted; empty where it is not known.
        original_sha256: of that file.
        fitted_samples: samples that the conversion's fit saw; None where it is not known.
        format_samples: calibration samples that set the number formats; None where there are no formats yet.
        saturated: of them, what the formats cut off, by tensor; empty where there are no formats yet.
        project: whether the report is one of a project folder.
        verified: of a project; None where it was never verified.
        measured: what open tools made of a project.
        remarks: what a reader has to know of the figures.
        remedy: the command that measures what is missing; empty where nothing is.
    """

    accuracies: tuple[Accuracy, ...] = ()
    layer_errors: Mapping[str, float] = field(default_factory=dict)
    layer_errors_of: str = ""
    original: str = ""
    original_sha256: str = ""
    fitted_samples: int | None = None
    format_samples: int | None = None
    saturated: Mapping[str, Saturation] = field(default_factory=dict)
    project: bool = False
    verified: Verified | None = None
    measured: Measured = field(default_factory=Measured)
    remarks: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Loss:
    """What conversion, and fixed point where `after` is fixed, cost.

    Attributes:
        after: the network that is judged: this very design, or the converted one before fixed point.
        before: what it is held against on the same samples; None where `after` compares with the original by itself.
    """

    after: Accuracy
    before: Accuracy | None = None

    @property
    def points(self) -> float | None:
        """Percentage points of accuracy lost; None where agreement or an error is all that is known."""
        if self.before is None or self.before.share is None or self.after.share is None:
            return None
        return 100 * (self.before.share - self.after.share)


def loss(accuracies: tuple[Accuracy, ...]) -> Loss | None:
    """The best answer to "how much do I lose": of the fixed-point design first, by accuracy first; None: not known."""
    for network in ("fixed", "converted_float"):
        found = _pair(accuracies, network, "dense_float")
        if found is not None:
            return found
        for quantity in ("agreement", "error"):
            for one in accuracies:
                if one.network == network and one.quantity == quantity and one.share is not None:
                    return Loss(one)
    return None


def fixed_point_cost(accuracies: tuple[Accuracy, ...]) -> Loss | None:
    """What fixed point costs beyond the conversion; None: not known."""
    return _pair(accuracies, "fixed", "converted_float")


def _pair(accuracies: tuple[Accuracy, ...], network: str, before: str) -> Loss | None:
    """Accuracies of two networks on the same samples: only those are compared."""
    known = [a for a in accuracies if a.share is not None and a.quantity == "accuracy"]
    others = {(a.origin, a.samples): a for a in known if a.network == before}
    for one in known:
        if one.network == network and (one.origin, one.samples) in others:
            return Loss(one, others[one.origin, one.samples])
    return None
