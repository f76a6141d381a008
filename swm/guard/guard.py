# SPDX-License-Identifier: Apache-2.0
"""Calls in a child process, watched: limits of time and memory, and what became of them."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swm.guard.child import work, write_request
from swm.guard.process import busy, resident
from swm.guard.server import COMMAND, child, demand, enough_forks, prepare

__all__ = ["Outcome", "guarded", "observers"]

_GIB = 1 << 30
_POLL = 0.02  # seconds between two looks at the child's memory
_START = 30.0  # seconds that a child may take before its call, for imports
_IDLE = 0.5  # seconds without any use of the processor after which a fork of this process counts as stuck
_STARVED = 4  # times its limit that a child may take which got less than half of its limit of the processor
_STUCK = "waited for another thread's lock"


@dataclass(frozen=True)
class Outcome:
    """What became of a guarded call.

    Attributes:
        data: what the function returned; None if it did not return.
        error: text of the exception that it raised.
        fate: how the child ended if it neither returned nor raised, as the predicate of a sentence.
        busy: processor seconds of the child, 0 where they are not known.
        peak: largest bytes in its memory, 0 where they are not known.
    """

    data: bytes | None = None
    error: str = ""
    fate: str = ""
    busy: float = 0.0
    peak: int = 0


@dataclass(frozen=True)
class _End:
    """A child that is over: all it wrote, and how it ended."""

    written: bytes
    signal: int = 0
    reason: str = ""  # why we ended it
    busy: float = 0.0
    peak: int = 0
    stuck: bool = False


# Called with every outcome: for campaigns that measure what children cost.
observers: list[Callable[[Outcome], None]] = []


def guarded(
    function: Callable[..., bytes], *args: object, seconds: float, memory: int, modules: Sequence[str] = ()
) -> Outcome:
    """Call a function in a child process.

    Args:
        function: a function of a module, since the child finds it by name.
        args: what it takes; pickled.
        seconds: how long it may run; four times that where the machine is busy and the child hardly runs.
        memory: bytes that it may take beyond what a child has at the start.
        modules: what the function imports itself. Such calls always go to the server: it keeps what it imported, and
            in a fork of this process an import may wait for another thread's.
    """
    try:
        outcome = _outcome(_call(function, args, seconds, memory, modules))
    except OSError as error:
        outcome = Outcome(fate=f"could not be tried in a process of its own ({error})")
    except ValueError as error:
        outcome = Outcome(error=str(error))
    for observer in observers:
        observer(outcome)
    return outcome


def _call(
    function: Callable[..., bytes], args: tuple[object, ...], seconds: float, memory: int, modules: Sequence[str]
) -> _End:
    if sys.platform.startswith("linux"):
        if not modules and not enough_forks():
            prepare((function.__module__,))
            with contextlib.suppress(OSError):  # no memory to copy a large process: the server is small
                end = _forked(function, args, seconds, memory)
                if not end.stuck:
                    return end
            demand()
        for _ in range(2):  # a server that was killed is started once more
            with contextlib.suppress(OSError):
                return _served(function, args, seconds, memory, (function.__module__, *modules))
    return _started(function, args, seconds, memory)


def _outcome(end: _End) -> Outcome:
    data, error, fate = None, "", end.reason
    mark, body = end.written[1:2], end.written[2:]
    if not fate and mark == b"+":
        data = body
    elif not fate and mark == b"-":
        error = body.decode("utf-8", "replace")
    elif not fate:
        fate = "crashed"
        with contextlib.suppress(ValueError):
            fate += f" ({signal.Signals(end.signal).name})"
    return Outcome(data, error, fate, end.busy, end.peak)


def _forked(function: Callable[..., bytes], args: tuple[object, ...], seconds: float, memory: int) -> _End:
    """In a fork of this process, which has imported all and holds the arguments."""
    reader, writer = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads; see `swm.guard`
            process = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if process == 0:
        try:
            os.close(reader)
            work(writer, function, args, memory)
        finally:
            os._exit(0)  # without any of the parent's clean-up
    os.close(writer)
    try:
        written, reason = _watch(reader, process, seconds, memory, idle=_IDLE)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)  # not reaped yet, so the number is still its own
        try:
            _, status, usage = os.wait4(process, 0)
            cost = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
        except ChildProcessError:  # the process ignores SIGCHLD, so the system has reaped it
            status, cost = 0, (0.0, 0)
    return _ended(written, status, reason, *cost)


def _served(
    function: Callable[..., bytes], args: tuple[object, ...], seconds: float, memory: int, modules: Sequence[str]
) -> _End:
    """In a child of the server."""
    with child(function, args, memory, modules) as forked:
        written, reason = _watch(forked.reader, forked.process, seconds, memory)
        status, used, peak = forked.end()
    return _ended(written, status, reason, used, peak)


def _ended(written: bytes, status: int, reason: str, used: float, peak: int) -> _End:
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return _End(written, killed, reason, used, peak, stuck=reason == _STUCK)


def _watch(reader: int, process: int, seconds: float, memory: int, idle: float = math.inf) -> tuple[bytes, str]:
    """All that a child writes, or why it must end. Limits count from its first byte.

    `idle` is how long it may do nothing at all.
    """
    parts: list[bytes] = []
    start, first = time.monotonic(), 0
    worked, since = 0.0, start
    poll = select.poll()  # select knows no file beyond the 1024th
    poll.register(reader, select.POLLIN)
    while True:
        ready = poll.poll(1000 * _POLL)
        now = time.monotonic()
        if ready:
            part = os.read(reader, 1 << 20)
            if not part:
                return b"".join(parts), ""
            if not parts:
                start, first = now, resident(process)
            parts.append(part)
            continue
        if (used := busy(process)) > worked:
            worked, since = used, now
        elif now - since > idle:
            return b"", _STUCK
        if not parts:
            if now - start > _START:
                return b"", _late(_START)
        elif resident(process) - first > memory:
            return b"", _swelled(memory)
        elif _over(process, start, seconds):
            return b"", _late(seconds)


def _over(process: int, start: float, seconds: float) -> bool:
    """Whether a child had its time: more of it where others keep the processor busy and the child got little."""
    lasted = time.monotonic() - start
    return lasted > seconds and (lasted > _STARVED * seconds or busy(process) > seconds / 2)


def _late(seconds: float) -> str:
    return f"did not end in {seconds:.3g} s"


def _swelled(memory: int) -> str:
    return f"took more than {memory / _GIB:.3g} GiB of memory"


def _started(function: Callable[..., bytes], args: tuple[object, ...], seconds: float, memory: int) -> _End:
    """In a fresh process."""
    with tempfile.TemporaryFile() as stdin:  # a file, so that a child that reads late or never cannot block us
        write_request(stdin, function, args, memory)
        fresh = subprocess.Popen([*COMMAND], stdin=stdin, stdout=subprocess.PIPE)
    started, first = time.monotonic(), 0
    try:
        while True:
            try:
                written, _ = fresh.communicate(timeout=_POLL)
                break
            except subprocess.TimeoutExpired as late:
                if late.output and not first:
                    started, first = time.monotonic(), max(resident(fresh.pid), 1)
                elif first and resident(fresh.pid) - first > memory:
                    return _End(b"", reason=_swelled(memory))
                elif _over(fresh.pid, started, seconds) if first else time.monotonic() > started + _START:
                    return _End(b"", reason=_late(seconds))
    finally:
        fresh.kill()
        fresh.wait()
        if fresh.stdout is not None:
            fresh.stdout.close()
    return _End(written, max(-fresh.returncode, 0))
