# SPDX-License-Identifier: Apache-2.0
"""What Linux tells of processes in /proc; elsewhere nothing is known."""

from __future__ import annotations

import math
import os

__all__ = ["busy", "reserved", "resident"]


def resident(process: int) -> int:
    """Bytes in memory of a process; 0 where the system does not say."""
    return _pages(process, 1)


def reserved(process: int) -> int:
    """Bytes of address space of a process; 0 where the system does not say."""
    return _pages(process, 0)


def busy(process: int) -> float:
    """Processor seconds that a process has used; without end where the system does not say."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return math.inf


def _pages(process: int, column: int) -> int:
    """A column of statm, in bytes; 0 on other systems and of processes that are over."""
    try:
        with open(f"/proc/{process}/statm", encoding="ascii") as file:
            return int(file.read().split()[column]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
