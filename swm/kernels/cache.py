# SPDX-License-Identifier: Apache-2.0
"""The user's cache folder: compiled kernels, FFTW wisdom, measured constants. Every file in it can be made again."""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import platform
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

from swm.errors import OptionError

__all__ = ["cache_folder", "cores", "cpu_name", "machine_key", "replace_file"]

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """`$SWM_CACHE`, else `$XDG_CACHE_HOME/swm`, else `~/.cache/swm`; made on first use, private to the user.

    Where none can be written, a folder for the life of this process: nobody else may place files in it, since
    libraries are loaded from there.
    """
    named = os.environ.get("SWM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path("~").expanduser() / ".cache"
    return _writable(Path(named) if named else Path(base) / "swm")


@lru_cache
def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        other = Path(tempfile.mkdtemp(prefix="swm-"))
        atexit.register(shutil.rmtree, other, ignore_errors=True)
        _log.warning("the cache folder %s cannot be written (%s); using %s for now", folder, error.strerror, other)
        return other


def replace_file(path: Path, content: bytes) -> None:
    """Write a file in one step: readers see the old content or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def cores() -> int:
    """Cores to use: SWM_THREADS of the environment, else all that this process may use.

    Raises:
        OptionError: SWM_THREADS is no number from 1.
    """
    wanted = os.environ.get("SWM_THREADS")
    if wanted:
        if not wanted.isascii() or not wanted.isdigit() or int(wanted) < 1:
            raise OptionError(f"$SWM_THREADS is {wanted!r}: give a number of threads, 1 or more")
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache
def _cpu_fields() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def cpu_name() -> str:
    """The processor's name, as the system tells it, with family and model where names are vague."""
    fields = _cpu_fields()
    name = fields.get("model name") or platform.processor() or platform.machine()
    detail = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    return f"{name} ({', '.join(detail)})" if detail else name


@lru_cache
def machine_key() -> str:
    """A short hash of the processor and its instruction sets: what is tuned for one machine never serves another."""
    fields = _cpu_fields()
    flags = " ".join(sorted((fields.get("flags") or fields.get("Features") or "").split()))
    text = "\n".join([platform.system(), platform.machine(), cpu_name(), flags])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
