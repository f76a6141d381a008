# SPDX-License-Identifier: Apache-2.0
"""Compiles the C++ in `cpp/` on first use and loads it; the result is kept in the cache by content."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from swm.engine.kernels.cache import cache_folder, machine_key
from swm.errors import ToolError

__all__ = ["FLAGS", "compiler", "is_built", "load_library", "note_once"]

_log = logging.getLogger(__name__)

# No -ffast-math: the kernels are written in explicit vectors, so it gains nothing, and a library linked with it
# switches denormal numbers off for the whole process.
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-pthread")
TIMEOUT = 300  # seconds
_SOURCES = Path(__file__).parent / "cpp"

_lock = threading.Lock()
_loaded: dict[tuple[str, str], ctypes.CDLL] = {}
_noted: set[str] = set()


def note_once(text: str) -> None:
    """Log a warning the first time it is given in this process."""
    if text not in _noted:
        _noted.add(text)
        _log.warning("%s", text)


def compiler() -> str:
    """Path of the C++ compiler: `$CXX`, else c++, g++ or clang++.

    Raises:
        ToolError: there is none.
    """
    wanted = os.environ.get("CXX")
    for name in [wanted] if wanted else ["c++", "g++", "clang++"]:
        found = shutil.which(name)
        if found:
            return found
    what = f"$CXX names {wanted!r}, which" if wanted else "a C++ compiler"
    raise ToolError(f"{what} was not found; install g++ or clang++ (Debian: apt install g++)")


@lru_cache
def _version(path: str, changed: int) -> str:
    del changed  # part of the key: an upgraded compiler is asked again
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"the C++ compiler {path} does not run: {error}") from error
    return done.stdout


def library_path(source: Path, defines: Mapping[str, int], cxx: str) -> Path:
    """Where the library of a source and its defines lives: named by everything that decides its bytes."""
    digest = hashlib.sha256()
    for part in (source, *sorted(_SOURCES.glob("*.h"))):
        digest.update(part.read_bytes())
    parts = (_version(cxx, Path(cxx).stat().st_mtime_ns), *FLAGS, *_options(defines), machine_key())
    digest.update("\0".join(parts).encode())
    label = "-".join([source.stem, *(str(v) for v in defines.values())])
    return cache_folder() / f"{label}-{digest.hexdigest()[:24]}.so"


def is_built(name: str, block: int) -> bool:
    """Whether the library of a source of ours for one block size waits in the cache; False without a compiler."""
    defines = {"SWM_K": block}
    if (str(_SOURCES / name), str(sorted(defines.items()))) in _loaded:
        return True
    try:
        return library_path(_SOURCES / name, defines, compiler()).exists()
    except ToolError:
        return False


def load_library(name: str, defines: Mapping[str, int] | None = None, folder: Path = _SOURCES) -> ctypes.CDLL:
    """Compile `folder/name` with the defines, unless the cache has it, and load it.

    Two processes that do this at once both compile, and the last to finish replaces the other's equal file; nobody
    ever loads a half-written one.

    Args:
        name: file name of the source.
        defines: preprocessor constants.
        folder: where it lies.

    Raises:
        ToolError: no compiler, or it rejects the source.
    """
    defines = defines or {}
    key = (str(folder / name), str(sorted(defines.items())))
    with _lock:
        if key not in _loaded:
            cxx = compiler()
            path = library_path(folder / name, defines, cxx)
            if not path.exists():
                _compile(cxx, folder / name, defines, path)
            try:
                _loaded[key] = ctypes.CDLL(str(path))
            except OSError:  # a damaged file: a full disk, a crash while it was written
                _compile(cxx, folder / name, defines, path)
                _loaded[key] = ctypes.CDLL(str(path))
        return _loaded[key]


def _options(defines: Mapping[str, int]) -> list[str]:
    return [f"-D{name}={value}" for name, value in defines.items()]


def _compile(cxx: str, source: Path, defines: Mapping[str, int], target: Path) -> None:
    handle, part = tempfile.mkstemp(dir=target.parent, prefix=target.stem, suffix=".part")
    os.close(handle)
    command = [cxx, *FLAGS, *_options(defines), str(source), "-o", part]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if done.returncode:
            raise ToolError(f"{cxx} could not compile {source.name}:\n{done.stderr.strip()[-2000:]}")
        os.replace(part, target)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{cxx} could not compile {source.name}: {error}") from error
    finally:
        Path(part).unlink(missing_ok=True)
