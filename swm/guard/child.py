# SPDX-License-Identifier: Apache-2.0
"""What a guarded child does, however it was started: the call, under limits, and its answer as bytes."""

from __future__ import annotations

import faulthandler
import os
import pickle
import sys
from collections.abc import Callable
from typing import IO, Any

from swm.guard.process import reserved

__all__ = ["read_request", "serve_once", "work", "write_request"]

# Address space that a thread of a session reserves (stack and malloc arena) without using it.
_THREAD = 160 << 20


def write_request(file: IO[bytes], function: Callable[..., bytes], args: tuple[object, ...], memory: int) -> None:
    """A call for a child, in two parts: where modules are found, which must be known before the rest is read.

    Raises:
        OSError: the file does not take it.
        ValueError: it cannot be written, as messages of more than 2 GiB.
    """
    pickle.dump((sys.path, os.getcwd()), file)
    try:
        pickle.dump((function, args, memory), file, protocol=5)
    except OSError:
        raise
    except Exception as error:  # each library has its own
        raise ValueError(str(error).strip() or type(error).__name__) from error
    file.seek(0)


def read_request(file: IO[bytes]) -> Any:
    """(function, args, memory), in a child."""
    sys.path[:], folder = pickle.load(file)
    os.chdir(folder)
    return pickle.load(file)


def serve_once(file: IO[bytes]) -> None:
    """What a fresh process does: the call that it finds on its input, the answer to its output."""
    function, args, memory = read_request(file)
    writer = os.dup(1)
    work(writer, function, args, memory)
    os._exit(0)


def work(writer: int, function: Callable[..., bytes], args: tuple[object, ...], memory: int) -> None:
    """Write "." at the start, then "+" and the result, or "-" and the text of an exception."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)  # a failed assertion prints itself
    faulthandler.disable()
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
    now = reserved(os.getpid())
    if now:
        most = now + memory + memory // 2 + _THREAD * (os.cpu_count() or 1)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
