# SPDX-License-Identifier: Apache-2.0
"""AMD's tools on an emitted project: found, run step after step, their reports read back."""

from swm.vendortools.build import build_with_vendor
from swm.vendortools.steps import steps_of

__all__ = ["build_with_vendor", "steps_of"]
