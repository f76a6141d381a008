# SPDX-License-Identifier: Apache-2.0
"""A guard around C++ that may abort, hang or swallow memory on hostile models: it runs in a child process first.

The child is a fork: it costs milliseconds, and the model is already in its memory. A fork takes along locks that other
threads held, so a forked child may wait for ever through no fault of the model. One that ran out of time without using
the processor is therefore tried again in a fresh process, which costs half a second of imports. Where there is no fork
(Windows) every child is a fresh process, and its memory is not limited.

Only bytes come back from a child, never pickles: what runs there is not trusted.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Outcome", "guarded"]

_GIB = 1 << 30
_POLL = 0.02  # seconds between two looks at the child's memory
_START = 30.0  # seconds that a fresh process may take for its imports
_IDLE = 0.2  # a child that used less of the processor than this share of its time was waiting, not working
_STARVED = 4  # times its limit that a child may take which got less than half of its limit of the processor
# Address space that a thread of a session reserves (stack and malloc arena) without using it.
_THREAD = 160 << 20
_FRESH = (
    "import pickle, sys; stream = sys.stdin.buffer; sys.path[:] = pickle.load(stream);"
    "from swm.guard import _serve; _serve(stream)"
)


@dataclass(frozen=True)
class Outcome:
    """What became of a guarded call.

    Attributes:
        data: what the function returned; None if it did not return.
        error: text of the exception that it raised.
        fate: how the child ended if it neither returned nor raised, as the predicate of a sentence.
    """

    data: bytes | None = None
    error: str = ""
    fate: str = ""


@dataclass(frozen=True)
class _End:
    """A child that is over: all it wrote, and how it ended."""

    written: bytes
    signal: int = 0
    reason: str = ""  # why we ended it
    idle: bool = False


def guarded(
    function: Callable[..., bytes], *args: object, seconds: float, memory: int, fresh: bool | None = None
) -> Outcome:
    """Call a function in a child process.

    Args:
        function: a function of a module, since a fresh process imports it by name.
        args: what it takes; pickled for a fresh process.
        seconds: how long it may run; four times that where the machine is busy and the child hardly runs.
        memory: bytes that it may take beyond what this process has.
        fresh: whether to start a fresh process; None forks where it can.
    """
    if fresh is None:
        fresh = not hasattr(os, "fork")
    if not fresh:
        end = _forked(function, args, seconds, memory)
        if not end.idle:
            return _outcome(end)
    return _outcome(_started(function, args, seconds, memory))


def _outcome(end: _End) -> Outcome:
    mark, body = end.written[1:2], end.written[2:]
    if end.reason:
        return Outcome(fate=end.reason)
    if mark == b"+":
        return Outcome(data=body)
    if mark == b"-":
        return Outcome(error=body.decode("utf-8", "replace"))
    if end.signal:
        with contextlib.suppress(ValueError):
            return Outcome(fate=f"crashed ({signal.Signals(end.signal).name})")
    return Outcome(fate="crashed")


def _forked(function: Callable[..., bytes], args: tuple[object, ...], seconds: float, memory: int) -> _End:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads; see the module's docstring
        child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            _work(writer, function, args, memory)
        finally:
            os._exit(0)  # without any of the parent's clean-up
    os.close(writer)
    start = time.monotonic()
    try:
        written, reason = _watch(reader, child, seconds, memory)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # not reaped yet, so the number is still its own
        status, busy = _reap(child)
    lasted = time.monotonic() - start
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return _End(written, killed, reason, bool(reason) and lasted >= seconds and busy < _IDLE * lasted)


def _reap(child: int) -> tuple[int, float]:
    """Exit status and processor seconds of a child."""
    try:
        _, status, usage = os.wait4(child, 0)
    except ChildProcessError:  # the process ignores SIGCHLD, so the system has reaped it
        return 0, 0.0
    return status, usage.ru_utime + usage.ru_stime


def _watch(reader: int, child: int, seconds: float, memory: int) -> tuple[bytes, str]:
    """All that the child writes, or why it must end."""
    parts: list[bytes] = []
    start, first = time.monotonic(), _resident(child)
    while True:
        ready, _, _ = select.select([reader], [], [], _POLL)
        if ready:
            part = os.read(reader, 1 << 20)
            if not part:
                return b"".join(parts), ""
            parts.append(part)
            continue
        if _resident(child) - first > memory:
            return b"", _swelled(memory)
        if _over(child, start, seconds):
            return b"", _late(seconds)


def _over(child: int, start: float, seconds: float) -> bool:
    """Whether a child had its time: more of it where others keep the processor busy and the child got little."""
    lasted = time.monotonic() - start
    return lasted > seconds and (lasted > _STARVED * seconds or _busy(child) > seconds / 2)


def _late(seconds: float) -> str:
    return f"did not end in {seconds:.3g} s"


def _swelled(memory: int) -> str:
    return f"took more than {memory / _GIB:.3g} GiB of memory"


def _started(function: Callable[..., bytes], args: tuple[object, ...], seconds: float, memory: int) -> _End:
    """The same in a fresh process."""
    with tempfile.TemporaryFile() as stdin:  # a file, so that a child that reads late or never cannot block us
        pickle.dump(sys.path, stdin)
        pickle.dump((function, args, memory), stdin)
        stdin.seek(0)
        child = subprocess.Popen([sys.executable, "-c", _FRESH], stdin=stdin, stdout=subprocess.PIPE)
    started, first = time.monotonic(), 0
    try:
        while True:
            try:
                written, _ = child.communicate(timeout=_POLL)
                break
            except subprocess.TimeoutExpired as late:
                if late.output and not first:
                    started, first = time.monotonic(), max(_resident(child.pid), 1)
                elif first and _resident(child.pid) - first > memory:
                    return _End(b"", reason=_swelled(memory))
                elif _over(child.pid, started, seconds) if first else time.monotonic() > started + _START:
                    return _End(b"", reason=_late(seconds))
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    return _End(written, max(-child.returncode, 0))


def _serve(stream: object) -> None:
    """What a fresh process does: the call that it finds on its input."""
    function, args, memory = pickle.load(stream)  # type: ignore[arg-type]  # a file; written by our own parent
    writer = os.dup(1)
    _work(writer, function, args, memory)
    os._exit(0)


def _work(writer: int, function: Callable[..., bytes], args: tuple[object, ...], memory: int) -> None:
    """Write "." at the start, then "+" and the result, or "-" and the text of an exception."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)  # a failed assertion prints itself
    faulthandler.disable()  # it would print the parent's stack
    _write(writer, b".")
    _limit(memory)
    try:
        answer = b"+" + function(*args)
    except Exception as error:  # C++ throws what it likes; the parent turns the text into an error of its own
        text = str(error).strip() or type(error).__name__
        answer = b"-" + text[:4096].encode("utf-8", "replace")
    _write(writer, answer)


def _write(writer: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(writer, rest) :]


def _limit(memory: int) -> None:
    """No core files; and so little address space that one absurd allocation fails instead of filling the machine."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    now = _pages(os.getpid(), 0)
    if now:
        most = now + memory + memory // 2 + _THREAD * (os.cpu_count() or 1)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _resident(process: int) -> int:
    """Bytes in memory of a process; 0 where the system does not say."""
    return _pages(process, 1)


def _busy(process: int) -> float:
    """Processor seconds that a process has used; without end where the system does not say."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return math.inf


def _pages(process: int, column: int) -> int:
    """A column of Linux's statm, in bytes; 0 on other systems and of processes that are over."""
    try:
        with open(f"/proc/{process}/statm", encoding="ascii") as file:
            return int(file.read().split()[column]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
