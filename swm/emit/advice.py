# SPDX-License-Identifier: Apache-2.0
"""What to do where fixed point answers otherwise than the float network: more bits, or a better calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, log2

from swm.accelerator.saturation import Saturation
from swm.layers.formats import MAX_BITS

__all__ = ["Distance", "agreement_advice"]

POOR_AGREEMENT = 0.95
POOR_ERROR = 0.1  # of outputs that are no classes
GOOD_ERROR = 0.02  # that more bits aim at; each halves the error of rounding
MANY = 0.001  # of the values of a place: saturation beyond that shows in the answers
TIMES = 3  # the share of the calibration inputs, which the formats were chosen for
SHOWN = 3


@dataclass(frozen=True)
class Distance:
    """Fixed-point outputs against those of a float network on the same vectors.

    Attributes:
        agreement: share of samples with the same largest output; None where outputs are no classes.
        error: norm of the difference over that of the float network's; None where the outputs are class numbers.
    """

    agreement: float | None
    error: float | None

    @property
    def poor(self) -> bool:
        """Whether a user should do something about it."""
        return (self.error or 0) > POOR_ERROR if self.agreement is None else self.agreement < POOR_AGREEMENT


def agreement_advice(
    reference: Distance,
    own: Distance | None,
    bits: int,
    saturated: Mapping[str, Saturation],
    calibrated: Mapping[str, Saturation],
) -> Iterator[str]:
    """Sentences on what to do; none where the fixed-point network answers as the reference does.

    Args:
        reference: distance to the network that was given to compare with.
        own: distance to the float network that the numbers were quantized from, where that is another one.
        bits: data and weight bits.
        saturated: values that saturated on the vectors, by place.
        calibrated: the same of the calibration inputs, where known.
    """
    if not reference.poor:
        return
    rounding = own or reference
    if not rounding.poor:
        yield (
            "what differs is the conversion, not the fixed point, which answers as the converted float network does: "
            "convert again with more calibration samples or a smaller block"
        )
        return
    further = [(s.share, p) for p, s in saturated.items() if p in calibrated and _further(s, calibrated[p])]
    if further:
        places = ", ".join(
            f"{place} {100 * share:.1f} %, of the calibration inputs {100 * calibrated[place].share:.1f} %"
            for share, place in sorted(further, reverse=True)[:SHOWN]
        )
        yield (
            f"values saturate ({places}): these vectors reach further than the calibration inputs did; emit again with "
            "calibration inputs that cover what the network will see (--calibration)"
        )
        return
    if bits >= MAX_BITS:
        yield f"{bits} bits are the most there are: smaller blocks sum fewer rounded products (swm convert --block)"
        return
    wanted = max(2, ceil(log2(rounding.error / GOOD_ERROR))) if rounding.error else 2
    more = min(MAX_BITS, bits + wanted)
    left = "are too few"
    if rounding.error is not None:
        left = f"leave an error of {100 * rounding.error:.1f} % of the outputs' norm"
    yield f"{bits} bits {left}: emit again with --bits {more} (each bit halves what rounding costs)"


def _further(found: Saturation, calibrated: Saturation) -> bool:
    return found.share > MANY and found.share > TIMES * calibrated.share
