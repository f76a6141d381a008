# SPDX-License-Identifier: Apache-2.0
"""What explorations keep, by content: arrays, converted models and results, each in a file named by what made it.

A step that is done is there for every later exploration with the same model, samples and options, whether the one that
did it ended well or not. Files appear whole; those that nobody has used for a month are removed.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import swm
from swm.kernels.cache import cache_folder, replace_file
from swm.version import __version__

__all__ = ["Store", "key_of"]

MONTH = 30 * 24 * 3600.0


def key_of(*parts: Any) -> str:
    """A name for what these make, and for nothing else: of plain data, together with swm's own sources."""
    text = json.dumps([__version__, _sources(), *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _sources() -> str:
    """A hash of the package's files by name, size and time: who edits swm gets new results."""
    root = Path(swm.__file__).parent
    found = sorted((str(f.relative_to(root)), f.stat().st_size, f.stat().st_mtime_ns) for f in root.rglob("*.py"))
    return hashlib.sha256(repr(found).encode()).hexdigest()


class Store:
    """A folder of results."""

    def __init__(self, folder: Path | None = None) -> None:
        """In the user's cache unless another folder is named."""
        self.folder = folder or cache_folder() / "explore"
        self.folder.mkdir(parents=True, exist_ok=True)

    def result(self, key: str) -> dict[str, Any] | None:
        """What a step gave; None if it was not done, or its file is damaged."""
        path = self.folder / f"{key}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            path.touch()
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep what a step gave."""
        replace_file(self.folder / f"{key}.json", json.dumps(dict(result)).encode())

    def model(self, key: str) -> Path:
        """Where a converted model is, or would be."""
        return self.folder / f"{key}.onnx"

    def keep_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> str:
        """Keep arrays by name and give the key that reads them again."""
        digest = hashlib.sha256()
        for name, value in sorted(arrays.items()):
            digest.update(f"{name}:{value.dtype}:{value.shape}:".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        key = digest.hexdigest()[:40]
        path = self.folder / f"{key}.npz"
        if path.exists():
            path.touch()
        else:
            buffer = io.BytesIO()
            np.savez(buffer, allow_pickle=False, **dict(arrays))
            replace_file(path, buffer.getvalue())
        return key

    def arrays(self, key: str) -> dict[str, NDArray[Any]]:
        """Arrays by name."""
        with np.load(self.folder / f"{key}.npz", allow_pickle=False) as found:
            return {name: found[name] for name in found.files}

    def tidy(self) -> None:
        """Remove what nobody has used for a month."""
        old = time.time() - MONTH
        for file in self.folder.iterdir():
            try:
                if file.stat().st_mtime < old:
                    file.unlink()
            except OSError:  # another exploration was sooner
                continue
