# SPDX-License-Identifier: Apache-2.0
"""Counts in words."""

from __future__ import annotations

__all__ = ["many"]


def many(count: int, what: str) -> str:
    """A count and what is counted, in the plural but for one: "1 sample", "1,200 samples"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
