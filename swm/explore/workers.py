# SPDX-License-Identifier: Apache-2.0
"""Who does the steps: processes of this machine, or a cluster's workers through Dask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import swm
from swm.errors import OptionError, SwmError

__all__ = ["StepError", "Submit", "on_cluster", "on_this_machine"]

COMMAND = (sys.executable, "-m", "swm.explore.worker")
Submit = Callable[[str, str, str, Mapping[str, Any]], "Future[dict[str, Any]]"]
"""submit(task, folder, key, arguments): see `swm.explore.tasks.run`."""


class StepError(SwmError):
    """A step failed; the message says why."""


class _Worker:
    """One process; started when it is first needed, and again after it died."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    def do(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """Have a step done; a process that dies in it is replaced, and the step tried once more."""
        for _ in range(2):
            process = self._started()
            assert process.stdin is not None and process.stdout is not None
            try:
                process.stdin.write(json.dumps(step) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (OSError, ValueError):
                line = ""
            if line.endswith("\n"):
                answer = json.loads(line)
                if "error" in answer:
                    raise StepError(answer["error"])
                return cast(dict[str, Any], answer["result"])
            self._kill()
            if self._stopped:
                raise StepError("interrupted")
        raise StepError("the process that did this step was killed, twice; it may have run out of memory")

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            root = str(Path(swm.__file__).parents[1])
            paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
            # One thread each, as there are as many processes as cores; a session of its own, as Ctrl-C is the parent's.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "SWM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        return self._process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()

    def stop(self) -> None:
        """End the process, whatever it is at: what it has kept is whole."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """After `stop`, or when all is done."""
        self._kill()


@contextmanager
def on_this_machine(count: int, command: Sequence[str] = COMMAND) -> Iterator[Submit]:
    """So many processes of this machine. Whoever leaves, by Ctrl-C too, leaves none behind.

    Args:
        count: processes at a time.
        command: of a process that answers as `swm.explore.worker` does.
    """
    workers = [_Worker(command) for _ in range(count)]
    own = threading.local()
    free = list(workers)

    def take() -> None:
        own.worker = free.pop()

    pool = ThreadPoolExecutor(count, thread_name_prefix="swm-explore", initializer=take)

    def submit(task: str, folder: str, key: str, arguments: Mapping[str, Any]) -> Future[dict[str, Any]]:
        step = {"task": task, "folder": folder, "key": key, "arguments": dict(arguments)}
        return pool.submit(lambda: own.worker.do(step))

    try:
        yield submit
    finally:
        for worker in workers:
            worker.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        for worker in workers:
            worker.close()


@contextmanager
def on_cluster(address: str) -> Iterator[Submit]:
    """The workers of a Dask cluster; they must see the store's folder and have the same swm.

    Args:
        address: of the scheduler, as "tcp://host:8786".

    Raises:
        OptionError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client  # type: ignore[import-not-found]
    except ImportError as error:
        raise OptionError("a cluster needs Dask: pip install 'swm-fpga[cluster]'") from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise OptionError(f"no Dask scheduler answers at {address!r}: {error}") from error
    from swm.explore.tasks import run

    # A worker that dies has its steps given to others; those that it had finished are found in the store.
    executor = client.get_executor(pure=False, retries=3)

    def submit(task: str, folder: str, key: str, arguments: Mapping[str, Any]) -> Future[dict[str, Any]]:
        return cast("Future[dict[str, Any]]", executor.submit(run, task, folder, key, dict(arguments)))

    try:
        yield submit
    finally:
        executor.shutdown(wait=False)
        client.close()
