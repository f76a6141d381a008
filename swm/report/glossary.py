# SPDX-License-Identifier: Apache-2.0
"""The words and names of a report, explained where they are read."""

from __future__ import annotations

__all__ = ["GLOSSARY"]

GLOSSARY = (
    ("beat", "what a stream moves in one cycle: some words side by side"),
    (
        "V, V'",
        "words a beat at a layer's input (in_vec) and output (out_vec); a width process turns beats of V into V'",
    ),
    ("PO", "mac_rows: block rows (outputs) multiplied side by side in a block-circulant layer"),
    ("QP", "mac_columns: block columns (inputs) multiplied side by side"),
    ("PF", "mac_bins: words of a block's half spectrum multiplied side by side"),
    (
        "LI",
        "lanes of the FFT and of the inverse FFT: blocks transformed side by side; they follow from V, V' and block",
    ),
    ("rows, columns", "PE and SIMD of a dense layer: rows and columns of the matrix multiplied side by side"),
    ("products", "real multipliers of one complex product: 3 or 4"),
    ("fabric_rows", "how many of the rows multiply in LUTs instead of DSP blocks"),
    ("packed", "1 where two rows share a DSP block"),
    ("storage", "where weights lie: bram, lut or uram"),
    ("II", "initiation interval: cycles from the start of one iteration of a loop to the start of the next"),
    ("process", "one pipelined loop: a function in the C++, a module in the circuit; rfft, mac and irfft make a layer"),
    ("interval", "cycles from one frame to the next at full speed; clock / interval is inferences per second"),
    ("latency", "from the first beat in to the last beat out of a frame alone"),
    (
        "useful share",
        "DSP-cycles that multiply something needed, as a part of the multipliers of DSP blocks x interval",
    ),
    ("block", "size k of a block-circulant matrix: k x k weights are stored as k numbers"),
    ("output error", "norm of a layer's outputs' difference from the dense network's, over the norm of those"),
    ("answers as dense", "share of samples whose largest output is that of the dense network"),
    ("95%", "interval that the number of samples allows (Wilson)"),
    ("dense twin", "the same network without weight structure, built by the same library for the same board"),
    ("HLS, routed", "what a synthesis report of the C++ would show, and what is left after place and route"),
    ("DSP, BRAM18, URAM", "multiplier blocks, 18 Kb and 288 Kb memories of the device"),
    ("ALUT, M10K", "look-up tables of Intel devices, two an adaptive logic module (ALM), and their 10 Kb memories"),
    ("LUT, FF", "look-up tables and flip-flops"),
)
"""Term and meaning, in the order of a report's tables."""
