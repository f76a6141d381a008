# SPDX-License-Identifier: Apache-2.0
"""Programs that stand in for a tool: what swm does with one that hangs, dies or lies."""

from __future__ import annotations

import sys
from pathlib import Path

PYTHON = sys.executable  # as it is now: tests put others in its place


def program(folder: Path, name: str, body: str) -> str:
    """A Python program on disk; its path."""
    file = folder / name
    file.write_text(f"#!{PYTHON}\nimport os, subprocess, sys, time\n{body}\n", encoding="utf-8")
    file.chmod(0o755)
    return str(file)


def yosys(folder: Path, body: str = "", version: str = "0.70") -> str:
    """One that says its version, and else does what `body` says."""
    return program(
        folder, "yosys", f'if sys.argv[1:] == ["-V"]:\n    print("Yosys {version} (fake)")\n    sys.exit()\n{body}'
    )
