# SPDX-License-Identifier: Apache-2.0
"""The process that forks guarded children, and this process's end of it.

For each call the server is sent three file descriptors: the request (a file), where the child writes its answer (a
pipe), and a socket for this call alone. On that socket the server tells the child's process number. It ends and reaps
the child when it is asked to, or when the socket closes, and then tells how the child ended. Until then the number is
the child's own, so that watching it is safe. When the main socket closes, because this process closed it or is gone,
the server ends its children and itself; if it is killed, the system ends its children.

The server has one thread, so that no fork of it takes along a lock that another one holds. OpenBLAS starts its threads
at import unless told otherwise, onnxruntime one that sends telemetry (`swm/telemetry.py`).
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from swm.guard.child import read_request, work, write_request
from swm.guard.start import SCRIPT, bring
from swm.telemetry import QUIET

__all__ = ["COMMAND", "Child", "child", "demand", "enough_forks", "prepare", "serve"]

# -P: no module of the folder where the user happens to be takes the place of one of the standard library.
COMMAND = (sys.executable, "-P", SCRIPT)
_PATIENCE = 30.0  # seconds for the server's imports and a fork
_END = struct.Struct("=qdq")  # a child's status as waitpid gives it, processor seconds, largest bytes in memory
_NUMBER = struct.Struct("=q")
_FORKS = 8  # calls for which this process is forked itself
_AHEAD = 3  # of them are left when the server is started, so that it has its imports done when it is needed
_NAMES = 1 << 16  # bytes of a message, the names of modules to import
_PR_SET_PDEATHSIG = 1
_prepared: set[str] = set()


class Child:
    """A child that works on a call.

    Attributes:
        process: its number.
        reader: the answer comes here; the caller closes it.
    """

    def __init__(self, process: int, reader: int, control: socket.socket) -> None:
        """Made by `child`."""
        self.process, self.reader, self._control = process, reader, control

    def end(self) -> tuple[int, float, int]:
        """End it, if it has not ended itself: its status, processor seconds and largest bytes in memory.

        Raises:
            OSError: the server is gone.
        """
        self._control.send(b".")
        answer = self._control.recv(_END.size)
        if len(answer) < _END.size:
            raise ConnectionResetError("the server of guarded children ended")
        status, seconds, largest = _END.unpack(answer)
        return status, seconds, largest


@contextlib.contextmanager
def child(
    function: Callable[..., bytes], args: tuple[object, ...], memory: int, modules: Sequence[str]
) -> Iterator[Child]:
    """A child at work; it is ended at the latest at the end of the context.

    Args:
        function: of a module.
        args: pickled.
        memory: for `work`.
        modules: what the server imports first, so that this child and later ones need not.

    Raises:
        OSError: no server, or it cannot fork.
        ValueError: the arguments cannot be written.
    """
    with contextlib.ExitStack() as stack:
        request = stack.enter_context(_file())
        write_request(request, function, args, memory)
        reader, writer = os.pipe()
        stack.callback(os.close, reader)
        try:
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            with theirs:
                _send(json.dumps(modules).encode(), [request.fileno(), writer, theirs.fileno()])
        finally:
            os.close(writer)
        ours.settimeout(_PATIENCE)
        number = ours.recv(_NUMBER.size)
        if len(number) < _NUMBER.size:
            raise ConnectionResetError("the server of guarded children ended")
        yield Child(_NUMBER.unpack(number)[0], reader, ours)


def _file() -> IO[bytes]:
    """A file in memory where there are such: what is for a moment only need not go to a disk."""
    with contextlib.suppress(AttributeError, OSError):
        return open(os.memfd_create("swm"), "w+b")
    return tempfile.TemporaryFile()


class _Server:
    """This process's end of its server."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        alone = QUIET | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with contextlib.ExitStack() as unless_started, theirs:
            unless_started.enter_context(ours)
            self._process = subprocess.Popen(
                [*COMMAND, str(theirs.fileno()), json.dumps(sys.path)],
                env=os.environ | alone,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is the user's process's own to answer
            )
            unless_started.pop_all()
        self._socket = ours

    def send(self, message: bytes, files: list[int]) -> None:
        socket.send_fds(self._socket, [message], files)

    def close(self) -> None:
        """The server ends itself."""
        self._socket.close()
        try:
            self._process.wait(_PATIENCE / 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """In a fork of this process, which must not share the server."""
        self._socket.close()
        self._process.returncode = 0  # not our child: nothing to wait for, nothing to warn of


class _Place:
    """Where this process keeps its server, and how often it has done without."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server: _Server | None = None
        self.forks = 0

    def clear(self) -> None:
        if self.server is not None:
            self.server.forget()
        self.lock, self.server = threading.Lock(), None  # another thread may have held the lock

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None


_place = _Place()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_place.clear)
atexit.register(_place.close)


def enough_forks() -> bool:
    """Whether this process has been forked often enough to be worth a server; counts one more."""
    _place.forks += 1
    if _place.forks == _FORKS - _AHEAD:
        with _place.lock, contextlib.suppress(OSError):
            _place.server = _place.server or _Server()
    return _place.forks > _FORKS


def demand() -> None:
    """No more forks of this process."""
    _place.forks = max(_place.forks, _FORKS)


def _send(message: bytes, files: list[int]) -> None:
    """To the server, which is started if there is none, or none any more."""
    with _place.lock:
        if _place.server is not None:
            try:
                return _place.server.send(message, files)
            except OSError:
                _place.close()
        _place.server = _Server()
        _place.server.send(message, files)


# ---------------------------------------------------------------- in the server


def serve(calls: socket.socket) -> None:
    """Fork children until `calls` closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a user's process that ignores it hands that on; we reap ourselves
    prepare(["ctypes"])  # for `_die_with`, once
    running: dict[socket.socket, int] = {}
    while True:
        poll = select.poll()
        for waited in (calls, *running):
            poll.register(waited, select.POLLIN)
        ready = {number for number, _ in poll.poll()}
        for control in [c for c in running if c.fileno() in ready]:
            _finish(control, running.pop(control))
        if calls.fileno() not in ready:
            continue
        message, files, _, _ = socket.recv_fds(calls, _NAMES, 3)
        if not message:
            break
        if len(files) < 3:  # too many are open here; the user's process sees its own ends close
            for file in files:
                os.close(file)
            continue
        request, writer, place = files
        control = socket.socket(fileno=place)
        with open(request, "rb") as given:
            process = _fork(given, writer, json.loads(message), [calls, control, *running])
        os.close(writer)
        if not process:
            control.close()
            continue
        running[control] = process
        with contextlib.suppress(OSError):
            control.send(_NUMBER.pack(process))
    for control, process in running.items():
        _finish(control, process)


def _fork(given: IO[bytes], writer: int, modules: Sequence[str], sockets: Sequence[socket.socket]) -> int:
    """The number of a child that makes a call; 0 if there is none."""
    prepare(modules)
    gc.freeze()  # children do not touch the pages of what is there already
    server = os.getpid()
    try:
        process = os.fork()
    except OSError:
        return 0
    if process == 0:
        try:
            _die_with(server)
            for other in sockets:
                other.close()
            work(writer, *read_request(given))
        finally:
            os._exit(0)
    return process


def _die_with(server: int) -> None:
    """Let the system end this child when the server is killed: nobody else would."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != server:
        os._exit(0)


def prepare(modules: Sequence[str]) -> None:
    """Import modules in a process that will be forked, and call what they have as `before_forks`, once.

    There a module does what libraries do at their first use and each child would do anew.
    """
    for name in modules:
        if name not in _prepared:
            with contextlib.suppress(Exception):  # the child will say what is wrong
                bring(name)
                getattr(sys.modules[name], "before_forks", lambda: None)()
            _prepared.add(name)  # at the end: another thread must not fork while this one is half-way


def _finish(control: socket.socket, process: int) -> None:
    """End and reap a child, and tell how it ended, if anybody still listens."""
    os.kill(process, signal.SIGKILL)  # not reaped yet, so the number is its own
    _, status, usage = os.wait4(process, 0)
    with control, contextlib.suppress(OSError):
        control.send(_END.pack(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))
