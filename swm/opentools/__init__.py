# SPDX-License-Identifier: Apache-2.0
"""Open tools for FPGAs: found, run, and what they measured of an RTL project."""

from swm.opentools.build import build_bitstream
from swm.opentools.families import FAMILIES, Family, family_of, find_family
from swm.opentools.keep import Kept, keep, kept
from swm.opentools.run import ended_with_us
from swm.opentools.synth import synthesise

__all__ = [
    "FAMILIES",
    "Family",
    "Kept",
    "build_bitstream",
    "ended_with_us",
    "family_of",
    "find_family",
    "keep",
    "kept",
    "synthesise",
]
