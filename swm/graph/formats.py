# SPDX-License-Identifier: Apache-2.0
"""The number formats that weights were trained in: a quantizer on a constant is folded, what it said stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["WEIGHT_FORMATS", "WeightFormat", "read_formats", "write_formats"]

WEIGHT_FORMATS = "swm.weight_formats"  # metadata property of a model, so that it survives save and load
_LARGEST = 1 << 20  # characters of it that are believed


@dataclass(frozen=True)
class WeightFormat:
    """Integers of `bits`, times a scale.

    Attributes:
        bits: width.
        signed: whether they go below zero.
        narrow: whether the end of the range is left out, so that -127 to 127 remain of 8 bits.
        scale: what an integer counts; None where it differs between channels.
    """

    bits: float
    signed: bool
    narrow: bool
    scale: float | None


def write_formats(formats: Mapping[str, Mapping[str, WeightFormat]]) -> str:
    """As text: by node name and by role ("weight", "bias", ...)."""
    return json.dumps({node: {role: asdict(f) for role, f in roles.items()} for node, roles in formats.items()})


def read_formats(text: str) -> dict[str, dict[str, WeightFormat]]:
    """From text; nothing where it is not of that form, for anyone may have written it."""
    if len(text) > _LARGEST:
        return {}
    try:
        found = json.loads(text)
        return {
            str(node): {
                str(role): WeightFormat(
                    float(f["bits"]),
                    bool(f["signed"]),
                    bool(f["narrow"]),
                    None if f["scale"] is None else float(f["scale"]),
                )
                for role, f in roles.items()
            }
            for node, roles in found.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
