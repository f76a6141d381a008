# SPDX-License-Identifier: Apache-2.0
"""How far long work has come: a callback, a bar on a terminal, or a line now and then where there is none.

Work reports by calling `progress(what, done, total)`: what it is at, after how many steps of how many. It calls at
least once a step, and more often, with the same count, within steps that may take seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Lines", "Note", "Progress", "quiet", "told"]

Progress = Callable[[str, int, int], None]
Note = Callable[[str], None]  # what a step is at, from within it

PAUSE = 3.0  # seconds between two lines
LOOK = 0.5  # seconds between two looks at the clock; a busy machine may add one: nothing is silent for more than 5 s


def quiet(what: str, done: int = 0, total: int = 0) -> None:
    """Tells nobody: the progress, or the note, of those who asked for none."""


class Lines:
    """A line each few seconds; what takes less says nothing.

    Args:
        write: takes a line.
        clock: seconds, from any start.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known of the work yet."""
        self._write, self._clock = write, clock
        self._start = self._said = clock()
        self._state = ("working", 0, 0)
        self._lock = threading.Lock()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of where the work is."""
        self._state = (what, done, total)
        self.look()

    def look(self) -> None:
        """Write a line if it is time; whoever does the work may be in one step for minutes, so another thread looks."""
        with self._lock:
            now = self._clock()
            if now - self._said < PAUSE:
                return
            self._said = now
            what, done, total = self._state
            steps = f" (step {min(done + 1, total)} of {total})" if total > 1 else ""
            self._write(f"swm: {_plain(what)}{steps}, {now - self._start:.0f} s")


@contextmanager
def told(progress: Progress | bool | None) -> Iterator[Progress]:
    """What work should call: the callable given; for True a bar, or lines, on standard error; else nothing."""
    if callable(progress):
        yield progress
    elif not progress:
        yield quiet
    elif sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with _bar() as bar:
            yield bar
    else:
        with _lines() as lines:
            yield lines


@contextmanager
def _bar() -> Iterator[Progress]:
    # Here, as nobody else should wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(what: str, done: int, total: int) -> None:
            bar.update(task, description=_plain(what), completed=done, total=total or None)

        yield update


@contextmanager
def _lines() -> Iterator[Progress]:
    lines = Lines(lambda line: print(line, file=sys.stderr, flush=True))
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK):
            lines.look()

    watcher = threading.Thread(target=watch, name="swm-progress", daemon=True)
    watcher.start()
    try:
        yield lines
    finally:
        over.set()
        watcher.join()


def _plain(text: str) -> str:
    """In one line: names come from models, and could hold anything."""
    return "".join(c if c.isprintable() else "?" for c in text)
