# SPDX-License-Identifier: Apache-2.0
"""Libraries that are compiled in the background, while slower engines answer.

`wanted_library` never waits: it gives the library if the cache has it, and otherwise sees to it that it is built. The
build is a process of its own (`builder.py`) that no signal of the terminal reaches: it goes on if this one ends first,
so that even short processes leave the library to the next one.

SWM_BUILD in the environment says otherwise: "wait" builds at once and waits, "never" builds nothing in the background.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from swm.errors import OptionError, ToolError
from swm.kernels import build, builder

__all__ = ["BUILDING", "Wanted", "wanted_library"]

BUILDING = "it is being built in the background"
MODE = "SWM_BUILD"
_MODES = ("background", "wait", "never")
_AGAIN = 0.05  # seconds between looks for a library that is being built
_RETRY = 24 * 3600.0  # seconds after which a build that failed is tried again: the disk may have been full

_lock = threading.Lock()
_running: dict[Path, subprocess.Popen[bytes]] = {}
_answers: dict[tuple[object, ...], tuple[float, Wanted]] = {}


@dataclass(frozen=True)
class Wanted:
    """A library, or why there is none yet.

    Attributes:
        library: None if it cannot be had now.
        reason: then why not.
        coming: whether it is being built, so that asking later may find it.
    """

    library: ctypes.CDLL | None
    reason: str = ""
    coming: bool = False


def wanted_library(name: str, block: int) -> Wanted:
    """The library of a source of ours for one block size, now or later; returns at once.

    Args:
        name: file name of the source in `cpp/`.
        block: SWM_K.

    Raises:
        OptionError: SWM_BUILD is no mode.
    """
    loaded = build.loaded_library(name, {"SWM_K": block})
    if loaded is not None:
        return Wanted(loaded)
    key = (name, block, *map(os.environ.get, (MODE, "SWM_CACHE", "CXX", "PATH")))
    before, now = _answers.get(key), time.monotonic()
    if before is not None and now - before[0] < _AGAIN:
        return before[1]  # looking costs more than a small product
    found = _found(name, {"SWM_K": block}, _mode())
    if found.library is None:
        _answers[key] = now, found
    return found


def _found(name: str, defines: dict[str, int], mode: str) -> Wanted:
    source = build.SOURCES / name
    try:
        path = build.library_path(source, defines, build.compiler())
        if mode == "wait" or path.exists():
            return Wanted(build.load_library(name, defines))
        command = build.command(source, defines, build.compiler())
    except ToolError as error:
        return Wanted(None, str(error))
    return _started(path, command) if mode == "background" else Wanted(None, f"it is not built, and ${MODE} is never")


def _mode() -> str:
    mode = os.environ.get(MODE) or "background"
    if mode not in _MODES:
        raise OptionError(f"${MODE} is {mode!r}: choose {', '.join(_MODES)}")
    return mode


def _started(path: Path, command: list[str]) -> Wanted:
    with _lock:
        process = _running.get(path)
        if process is not None and process.poll() is None:
            return Wanted(None, BUILDING, coming=True)
        if path in _running and path.exists():  # it ended since we looked
            return Wanted(None, BUILDING, coming=True)
        failed = _failure(path)
        if failed:
            return Wanted(None, failed)
        if path in _running:  # it ended, and left neither a library nor a reason: it was ended from outside
            return Wanted(None, "its building in the background was ended from outside")
        if not sys.executable:
            return Wanted(
                None, "there is no Python interpreter to build it in the background; SWM_BUILD=wait builds it"
            )
        arguments = [sys.executable, "-I", "-S", str(Path(builder.__file__)), str(path), str(build.TIMEOUT), *command]
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/" if os.name == "posix" else None,  # whoever wants to remove our folder can
            )
        except OSError as error:
            return Wanted(None, f"it cannot be built in the background: {error}")
        _running[path] = process
        # Someone has to wait for it, or it would stay as a zombie.
        threading.Thread(target=process.wait, name="swm-build", daemon=True).start()
    return Wanted(None, BUILDING, coming=True)


def _failure(path: Path) -> str:
    """Why the last build failed; empty if there was none, or long ago."""
    note = path.with_name(path.name + builder.FAILED)
    try:
        if time.time() - note.stat().st_mtime > _RETRY:
            note.unlink()
            return ""
        text = note.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"the compiler failed: {next(iter(text.splitlines()), 'no reason given')} (all of it in {note})"
