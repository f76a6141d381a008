# SPDX-License-Identifier: Apache-2.0
"""How much of a device a design may fill."""

from __future__ import annotations

from dataclasses import dataclass, fields

from swm.device.board import Capacity
from swm.device.primitives import Usage
from swm.errors import OptionError

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Shares of the device that routed estimates may take; inf = no limit.

    The defaults are FINN's limits for timing closure (Xilinx/finn, `util/platforms.py`).
    """

    lut: float = 0.7
    ff: float = 0.5
    bram18: float = 0.8
    dsp: float = 0.8
    uram: float = 0.8

    def __post_init__(self) -> None:
        """Reject shares that are not a positive number.

        Raises:
            OptionError: A share is zero, negative or NaN.
        """
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise OptionError(
                    f"limit {field.name}: {getattr(self, field.name)} is not a positive share of the device"
                )

    def allowed(self, resource: str, capacity: Capacity) -> float:
        """How much of a resource may be taken; infinitely much where there is no limit, even of what is not there."""
        share: float = getattr(self, resource)
        return share if share == float("inf") else share * capacity.of(resource)

    def excess(self, used: Usage, capacity: Capacity) -> dict[str, float]:
        """By resource, how many times its limit is taken, for those that are above it; empty when the design fits.

        Args:
            used: Routed estimate.
            capacity: What the device holds.
        """
        over = {}
        for name in (f.name for f in fields(self)):
            taken, allowed = getattr(used, name), self.allowed(name, capacity)
            if taken > 0 and not taken <= allowed:
                over[name] = taken / allowed if allowed > 0 else float("inf")
        return over
