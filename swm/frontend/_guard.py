# SPDX-License-Identifier: Apache-2.0
"""A guard around C++ that may abort, hang or swallow memory on hostile input: it runs in a forked child."""

from __future__ import annotations

import faulthandler
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable

__all__ = ["attempt", "guarded"]

_SECONDS = 4.0
_MEMORY = 2 << 30  # bytes that the child may take beyond what the process has


def guarded(function: Callable[[], bytes]) -> bytes | None:
    """What a function returns, or None if it raised, crashed, hung or ran out of memory.

    onnx's shape inference asserts in C++, which ends the process (a Slice backwards over an axis of length 0 is
    enough). A fork costs a few milliseconds; a fresh process would cost half a second of imports. Where there is no
    fork the function runs unguarded.
    """
    if not hasattr(os, "fork"):
        return attempt(function)
    reader, writer = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of forking beside threads: the child takes no lock of ours
        child = os.fork()
    if child == 0:
        _be_child(function, reader, writer)
    os.close(writer)
    try:
        data = _read(reader, time.monotonic() + _SECONDS)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # not reaped yet, so the number is still its own
        os.waitpid(child, 0)
    return data[1:] if data[:1] == b"+" else None


def _be_child(function: Callable[[], bytes], reader: int, writer: int) -> None:
    """Write "+" and the result, and end without any of the parent's clean-up."""
    try:
        os.close(reader)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 2)  # a failed assertion prints itself
        faulthandler.disable()  # it would print the parent's stack
        _limit()
        result = attempt(function)
        if result is not None:
            rest = memoryview(b"+" + result)
            while rest:
                rest = rest[os.write(writer, rest) :]
    finally:
        os._exit(0)


def _limit() -> None:
    import resource  # POSIX only, as this branch is

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return  # no way to tell what the process has already
    resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY, now + _MEMORY))


def attempt(function: Callable[[], bytes]) -> bytes | None:
    """What a function returns, or None if it raised."""
    try:
        return function()
    except Exception:  # C++ throws what it likes, and to the caller all of it means the same
        return None


def _read(reader: int, deadline: float) -> bytes:
    """All that comes until the end of the pipe; nothing if that does not come in time."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([reader], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return b""
        part = os.read(reader, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)
