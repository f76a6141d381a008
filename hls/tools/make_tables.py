#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write hls/swm/tables.h: cosines, sigmoid and tanh as integers (docs/arithmetic.md sections 1 and 5).

Run as `python hls/tools/make_tables.py > hls/swm/tables.h`; a test compares the file with what this script prints.
"""

from __future__ import annotations

from math import cos, exp, floor, pi, sin, tanh

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
    points = [n / 16 - 8 for n in range(257)]
    logistic = [rounded(1 / (1 + exp(-x))) for x in points]
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
        + rom("sigmoid", "1 / (1 + exp(-x)) at x = i / 16 - 8, 0 <= i <= 256.", 18, logistic)
        + rom("tanh", "tanh(x) at x = i / 16 - 8, 0 <= i <= 256.", 18, [rounded(tanh(x)) for x in points])
        + "\n}  // namespace tables\n}  // namespace swm",
    )


if __name__ == "__main__":
    main()
