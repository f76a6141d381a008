# SPDX-License-Identifier: Apache-2.0
"""Running a tool: in its own group of processes, with a time limit, its log kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from swm.errors import ToolError
from swm.progress import Note, quiet

__all__ = ["LIMIT_S", "ended_with_us", "in_parallel", "run_logged"]

_Result = TypeVar("_Result")

LIMIT_S = 3600.0
"""Seconds that one start of a tool may take, where the caller does not say otherwise."""
LOOK_S = 0.2
LAST_LINES = 12
GRACE_S = 2.0


def run_logged(
    command: Sequence[str],
    folder: Path,
    log: Path,
    *,
    limit_s: float = LIMIT_S,
    note: Note = quiet,
    stop: threading.Event | None = None,
) -> float:
    """Run a tool and wait for it.

    A tool that takes too long, and one that Ctrl-C leaves behind, is ended with all that it started.

    Args:
        command: program and arguments; no shell sees them.
        folder: where it runs; YoWASP's tools see this folder and those in it, and no others.
        log: takes all that it prints; kept, whatever happens.
        limit_s: wall seconds.
        note: hears every second how long it has run.
        stop: ends it once it is set.

    Returns:
        Wall seconds.

    Raises:
        ToolError: it does not start, fails, or takes too long; the message has its last lines and names the log.
    """
    name = Path(command[0]).name
    start = said = time.monotonic()
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ToolError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            while process.poll() is None:
                now = time.monotonic()
                _go_on(name, log, stop, late=now - start > limit_s, limit_s=limit_s)
                if now - said >= 1:
                    said = now
                    note(f"{name}, {now - start:.0f} s")
                time.sleep(LOOK_S)
        except BaseException:
            _end_group(process)
            raise
    if process.returncode != 0:
        how = f"status {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
        raise ToolError(f"{name} failed ({how})\n{_end(log)}")
    return time.monotonic() - start


@contextlib.contextmanager
def ended_with_us() -> Iterator[None]:
    """Let SIGTERM end the tools as Ctrl-C does: it leaves the block as SystemExit, status 143.

    Only the main thread of a program can; in another, SIGTERM does what it did.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _go_on(name: str, log: Path, stop: threading.Event | None, *, late: bool, limit_s: float) -> None:
    if late:
        raise ToolError(f"{name} did not end within {limit_s:g} s\n{_end(log)}")
    if stop is not None and stop.is_set():
        raise ToolError(f"{name} was stopped, as another one failed")


def in_parallel(jobs: Iterable[Callable[[threading.Event], _Result]], workers: int) -> Iterator[_Result]:
    """Run jobs side by side; results come as they are ready.

    Each job takes an event to hand to `run_logged`: it is set when one fails, or the caller stops listening, so that no
    tool outlives the work.

    Raises:
        SwmError: the first that a job raises.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(job, stop) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            stop.set()
            for future in futures:
                future.cancel()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, kind)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            continue


def _end(log: Path) -> str:
    """The last lines of a log, and where it lies."""
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()][-LAST_LINES:]
    clean = ("".join(c if c.isprintable() else "?" for c in line) for line in lines)
    return "\n".join([*clean, f"(log: {log})"])
