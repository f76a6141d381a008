# SPDX-License-Identifier: Apache-2.0
"""Bytes of model files: read with clear errors, written all or nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from swm.errors import ModelError, OutputError

__all__ = ["read_bytes", "write_atomic"]


def read_bytes(path: Path) -> bytes:
    """The content of a model file.

    Raises:
        ModelError: missing, no regular file, unreadable, empty, or a Git LFS pointer instead of a model.
    """
    name = repr(str(path))
    try:
        if path.is_dir():
            raise ModelError(f"{name} is a directory; give the .onnx file in it")
        if not path.exists():
            raise ModelError(f"there is no file {name}; check the path")
        if not path.is_file():  # a pipe or device could block for ever
            raise ModelError(f"{name} is not a regular file; copy the model into one")
        data = path.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a null byte in the path
        raise ModelError(f"cannot read {name}: {exc}; check the path and its permissions") from exc
    if not data:
        raise ModelError(f"{name} is empty; export or download the model again")
    if data.startswith(b"version https://git-lfs"):
        raise ModelError(f"{name} is a Git LFS pointer, not a model; fetch the model with `git lfs pull`")
    return data


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that its name holds the old content or all of the new, whenever the process dies.

    Raises:
        OutputError: the folder is missing, or the file cannot be written.
    """
    name = repr(str(path))
    try:
        if path.is_dir():
            raise OutputError(f"{name} is a directory; give a file name")
        if not path.parent.is_dir():
            raise OutputError(f"cannot write {name}: there is no directory {str(path.parent)!r}; create it first")
        _replace(path, data)
    except (OSError, ValueError) as exc:
        raise OutputError(f"cannot write {name}: {exc}; check permissions and free space") from exc


def _replace(path: Path, data: bytes) -> None:
    # A short name of our own beside the target: same file system, and no limit on the target's name is hit.
    temporary = path.parent / f".swm-{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some systems cannot open a directory; the file itself is complete
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
