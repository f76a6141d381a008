# SPDX-License-Identifier: Apache-2.0
"""Compiles one library into the cache: a function, and a program of its own that outlives the process that wants it.

The program needs the standard library alone, so that it starts in a hundredth of a second: it is run by its path, as

    python -I -S builder.py TARGET SECONDS COMMAND...

One library at a time is built in a cache folder, by whichever process comes first; whoever waits finds it there. A
target appears whole or not at all. What an ended build left is removed by the next. A build that fails in the
background leaves its reason in `TARGET.failed`, which `swm.kernels.background` reads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

try:
    import fcntl
except ImportError:  # not Unix: processes may build twice, and the last replaces the other's equal file
    fcntl = None  # type: ignore[assignment]

__all__ = ["FAILED", "build"]

FAILED = ".failed"
_PART = ".part"
_NICE = 5


def build(target: Path, command: Sequence[str], seconds: float, *, anew: bool = False) -> str:
    """Run `command... -o <file>` and move the file to the target, unless it is there.

    Args:
        target: in a folder that exists.
        command: the compiler and its arguments, without its output.
        seconds: after which the compiler is ended.
        anew: replace what is there, which does not load.

    Returns:
        The compiler's complaint; empty if the target is there.
    """
    with _alone(target.parent):
        if target.exists() and not anew:
            return ""
        _sweep(target.parent, seconds)
        handle, part = tempfile.mkstemp(dir=target.parent, prefix=target.stem, suffix=_PART)
        os.close(handle)
        try:
            done = subprocess.run(
                [*command, "-o", part], stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
            if done.returncode:
                return done.stderr.decode("utf-8", "replace").strip()[-2000:] or f"exit status {done.returncode}"
            os.replace(part, target)
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        finally:
            Path(part).unlink(missing_ok=True)
    return ""


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process at a time; the lock ends with its holder, whatever ends that."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(folder: Path, seconds: float) -> None:
    """Remove files of builds that were ended from outside; those of this moment are younger."""
    for part in folder.glob(f"*{_PART}"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > 2 * seconds:
                part.unlink()


def _main(target: Path, seconds: float, command: Sequence[str]) -> int:
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(ending, lambda *_: sys.exit(1))  # the compiler's file goes, as in any orderly end
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)  # whoever wants the library is computing meanwhile, perhaps on one core that it is bound to
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    reason = build(target, command, seconds)
    if reason:
        with contextlib.suppress(OSError):  # the folder may be gone
            target.with_name(target.name + FAILED).write_text(reason, encoding="utf-8")
    return int(bool(reason))


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
