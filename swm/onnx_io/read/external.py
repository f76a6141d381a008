# SPDX-License-Identifier: Apache-2.0
"""External data: tensors stored in files beside the model are read into it, from inside its folder only."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import ModelProto, TensorProto

from swm.errors import ModelError
from swm.onnx_io.tensors import byte_size, walk_tensors

__all__ = ["inline_external_data"]


def inline_external_data(model: ModelProto, folder: Path | None) -> None:
    """Replace each reference to external data in `model` by the data.

    Args:
        model: changed in place.
        folder: where the model's file lies; None if it came from no file.

    Raises:
        ModelError: a file is missing, too short, or outside the folder.
    """
    for tensor in walk_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            _inline(tensor, folder)


def _inline(tensor: TensorProto, folder: Path | None) -> None:
    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    what = f"tensor {tensor.name!r} with external data in {location!r}"
    if folder is None:
        raise ModelError(f"{what}: the model was not read from a file, so its folder is unknown; load it from its path")
    path = _inside(folder, location, what)
    needed = byte_size(tensor)
    offset = _number(entries, "offset", 0, what)
    length = _number(entries, "length", needed, what)
    if length != needed:
        raise ModelError(f"{what}: its shape {list(tensor.dims)} needs {needed} bytes, the model says {length}")
    try:
        size = path.stat().st_size
        if offset + needed > size:
            raise ModelError(
                f"{what}: the file has {size} bytes, the tensor needs bytes {offset} to {offset + needed}; it is "
                "incomplete, copy it again"
            )
        with path.open("rb") as stream:
            stream.seek(offset)
            data = stream.read(needed)
    except OSError as exc:
        raise ModelError(f"{what}: cannot be read: {exc}; check its permissions") from exc
    if len(data) != needed:
        raise ModelError(f"{what}: the file ended early; copy it again")
    tensor.raw_data = data
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _inside(folder: Path, location: str, what: str) -> Path:
    """The file of a location, if it lies in the folder with every symbolic link followed."""
    parts = PurePosixPath(location).parts + PureWindowsPath(location).parts
    absolute = PurePosixPath(location).is_absolute() or bool(PureWindowsPath(location).anchor)
    if not location or absolute or ".." in parts:
        raise ModelError(f"{what}: the location must be a path inside the model's folder; move the file there")
    try:
        root = folder.resolve(strict=True)
        path = (root / location).resolve(strict=False)
        if not path.is_relative_to(root):
            raise ModelError(f"{what}: a symbolic link leads out of the model's folder; put the file itself there")
        if not path.is_file():
            raise ModelError(f"{what}: there is no such file in {str(folder)!r}; copy it there together with the model")
    except (OSError, ValueError, RuntimeError) as exc:  # null bytes, too long names, loops of links
        raise ModelError(f"{what}: the location cannot be used: {exc}") from exc
    return path


def _number(entries: dict[str, str], key: str, default: int, what: str) -> int:
    text = entries.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ModelError(f"{what}: {key} is {text!r}, which is not a byte count")
    return int(text)
