# SPDX-License-Identifier: Apache-2.0
"""Names, compiles and loads the C++ in `cpp/`; libraries are kept in the cache by content."""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from swm.errors import ToolError
from swm.kernels.builder import build
from swm.kernels.cache import cache_folder, machine_key

__all__ = [
    "FLAGS",
    "SOURCES",
    "TIMEOUT",
    "command",
    "compiler",
    "is_built",
    "library_path",
    "load_library",
    "loaded_library",
    "note_once",
]

_log = logging.getLogger(__name__)

# No -ffast-math: the kernels are written in explicit vectors, so it gains nothing, and a library linked with it
# switches denormal numbers off for the whole process.
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-pthread")
TIMEOUT = 300  # seconds
SOURCES = Path(__file__).parent / "cpp"

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
    wanted = os.environ.get("CXX", "")
    found = _found(wanted, os.environ.get("PATH", ""))
    if found:
        return found
    what = f"$CXX names {wanted!r}, which" if wanted else "a C++ compiler"
    raise ToolError(f"{what} was not found; install g++ or clang++ (Debian: apt install g++)")


@lru_cache
def _found(wanted: str, folders: str) -> str:
    del folders  # part of the key: with another PATH another is found
    return next(
        (path for name in ([wanted] if wanted else ["c++", "g++", "clang++"]) if (path := shutil.which(name))), ""
    )


@lru_cache
def _version(path: str, changed: int) -> str:
    del changed  # part of the key: an upgraded compiler is asked again
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"the C++ compiler {path} does not run: {error}") from error
    return done.stdout


@lru_cache
def _content(source: Path) -> bytes:
    digest = hashlib.sha256()
    for part in (source, *sorted(SOURCES.glob("*.h"))):
        digest.update(part.read_bytes())
    return digest.digest()


def library_path(source: Path, defines: Mapping[str, int], cxx: str) -> Path:
    """Where the library of a source and its defines lives: named by everything that decides its bytes."""
    digest = hashlib.sha256(_content(source))
    parts = (_version(cxx, Path(cxx).stat().st_mtime_ns), *FLAGS, *_options(defines), machine_key())
    digest.update("\0".join(parts).encode())
    label = "-".join([source.stem, *(str(v) for v in defines.values())])
    return cache_folder() / f"{label}-{digest.hexdigest()[:24]}.so"


def command(source: Path, defines: Mapping[str, int], cxx: str) -> list[str]:
    """The compiler's command line, without its output."""
    return [cxx, *FLAGS, *_options(defines), str(source)]


def loaded_library(name: str, defines: Mapping[str, int]) -> ctypes.CDLL | None:
    """What this process has loaded of a source in `cpp/`, None if it has not."""
    return _loaded.get((str(SOURCES / name), str(sorted(defines.items()))))


def is_built(name: str, block: int) -> bool:
    """Whether the library of a source of ours for one block size waits in the cache; False without a compiler."""
    defines = {"SWM_K": block}
    if loaded_library(name, defines) is not None:
        return True
    try:
        return library_path(SOURCES / name, defines, compiler()).exists()
    except ToolError:
        return False


def load_library(name: str, defines: Mapping[str, int] | None = None, folder: Path = SOURCES) -> ctypes.CDLL:
    """Compile `folder/name` with the defines, unless the cache has it, and load it.

    Of two processes that do this at once one compiles and the other waits; nobody ever loads a half-written file.

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
                _compile(cxx, folder / name, defines, path, anew=True)
                _loaded[key] = ctypes.CDLL(str(path))
        return _loaded[key]


def _options(defines: Mapping[str, int]) -> list[str]:
    return [f"-D{name}={value}" for name, value in defines.items()]


def _compile(cxx: str, source: Path, defines: Mapping[str, int], target: Path, *, anew: bool = False) -> None:
    reason = build(target, command(source, defines, cxx), TIMEOUT, anew=anew)
    if reason:
        raise ToolError(f"{cxx} could not compile {source.name}:\n{reason}")
