#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write hls/swm/tables.h: cosines and sines as integers (docs/arithmetic.md section 1).

Run as `python hls/tools/make_tables.py > hls/swm/tables.h`; a test compares the file with what this script prints.
"""

from __future__ import annotations

from math import cos, floor, pi, sin

FRAC = 16
TEMPLATE = """// SPDX-License-Identifier: Apache-2.0
/// \\file tables.h
/// \\brief ROM contents, 16 fractional bits. Written by hls/tools/make_tables.py; do not edit.
#pragma once

#include "fixed.h"

namespace swm {
namespace tables {
"""


def rounded(value: float) -> int:
    """Nearest integer at 16 fractional bits, half rounds up."""
    return floor(value * (1 << FRAC) + 0.5)


def rom(name: str, text: str, bits: int, values: list[int]) -> str:
    """One function that holds its table: HLS makes it a ROM, and no table exists that nobody reads."""
    rows = (", ".join(map(str, values[i : i + 12])) for i in range(0, len(values), 12))
    body = ",\n      ".join(rows)
    return (
        f"\n/// {text}\ninline int_t<{bits}> {name}(int i) {{\n  SWM_INLINE\n"
        f"  static const int_t<{bits}> rom[{len(values)}] = {{\n      {body}}};\n  SWM_ROM(rom)\n  return rom[i];\n}}\n"
    )


def main() -> None:
    """Print the header."""
    angles = [2 * pi * t / 256 for t in range(64)]
    print(
        TEMPLATE
        + rom("cosine", "cos(2 pi i / 256), 0 <= i < 64.", 18, [rounded(cos(a)) for a in angles])
        + rom("sine", "sin(2 pi i / 256), 0 <= i < 64.", 18, [rounded(sin(a)) for a in angles])
        + rom(
            "cosine_minus_sine",
            "cos - sin of 2 pi i / 256, 0 <= i < 64.",
            18,
            [rounded(cos(a)) - rounded(sin(a)) for a in angles],
        )
        + rom(
            "cosine_plus_sine",
            "cos + sin of 2 pi i / 256, 0 <= i < 64.",
            18,
            [rounded(cos(a)) + rounded(sin(a)) for a in angles],
        )
        + "\n}  // namespace tables\n}  // namespace swm",
    )


if __name__ == "__main__":
    main()
