# SPDX-License-Identifier: Apache-2.0
"""Weights of a model that one ONNX file cannot hold: written to a second file beside it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnx import ModelProto, TensorProto

from swm.errors import OutputError
from swm.onnx_io.tensors import walk_tensors

__all__ = ["offloaded", "stored_bytes"]

SMALLEST = 1024  # bytes of a tensor that moves; shapes and axes stay inside, where type inference reads them
ALIGNMENT = 4096  # of a tensor in the file, so that runtimes can map it
_PADDING = bytes(ALIGNMENT)


def stored_bytes(model: ModelProto) -> int:
    """Bytes of all tensors; serialising a model past 2 GiB to learn its size would fail."""
    return sum(len(t.raw_data) for t in walk_tensors(model))


@contextmanager
def offloaded(model: ModelProto, target: Path) -> Iterator[None]:
    """Write the initialisers to `<target>.<hash>.data`, refer to it, and let the caller write the model.

    The name follows from the content: until the caller has replaced the model file, an older model there keeps its
    own data, and no reader ever sees one model with the data of another. If the caller fails, the new file goes; if
    it succeeds, data files of earlier models of this name go.

    Raises:
        OutputError: the file cannot be written.
    """
    moving = [t for t in model.graph.initializer if len(t.raw_data) >= SMALLEST]
    name = f"{target.name}.{_digest(moving)}.data"
    path = target.parent / name
    fresh = not path.exists()
    try:
        _write(path, moving)
    except (OSError, ValueError) as exc:
        raise OutputError(f"cannot write {str(path)!r}: {exc}; check permissions and free space") from exc
    offset = 0
    for tensor in moving:
        size = len(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", name), ("offset", str(offset)), ("length", str(size))):
            tensor.external_data.add(key=key, value=value)
        offset += size + -size % ALIGNMENT
    try:
        yield
    except BaseException:
        if fresh:
            with contextlib.suppress(OSError):
                path.unlink()
        raise
    ours = re.compile(rf"{re.escape(target.name)}\.[0-9a-f]{{16}}\.data")
    for other in target.parent.iterdir():
        if ours.fullmatch(other.name) and other.name != name:
            with contextlib.suppress(OSError):  # what cannot be removed only takes room
                other.unlink()


def _digest(tensors: list[TensorProto]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.raw_data)
    return digest.hexdigest()[:16]


def _write(path: Path, tensors: list[TensorProto]) -> None:
    temporary = path.parent / f".swm-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("xb") as stream:
            for tensor in tensors:
                stream.write(tensor.raw_data)
                stream.write(_PADDING[: -len(tensor.raw_data) % ALIGNMENT])
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
