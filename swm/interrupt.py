# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while the command line is still being imported ends in one line, too. Libraries' processes are left alone."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

__all__ = ["INTERRUPTED"]

INTERRUPTED = "swm: interrupted; nothing is left half written"


def _install() -> None:
    """Say it in one line if this process is the command `swm` or `python -m swm`."""
    module = sys.argv[:1] == ["-m"] and sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] == ["swm"]
    if module or (sys.argv and Path(sys.argv[0]).name == "swm"):
        sys.excepthook = _hook


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"{INTERRUPTED}\n")
    else:
        sys.__excepthook__(kind, error, trace)


_install()
