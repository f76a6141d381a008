# SPDX-License-Identifier: Apache-2.0
"""Writing a folder whole or not at all, and refusing to destroy what swm did not write."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swm.errors import OutputError

__all__ = ["MANIFEST", "check_output", "whole_folder"]

MANIFEST = "swm_project.json"


def check_output(path: Path, *, force: bool) -> None:
    """Refuse a path that cannot become a new folder.

    Raises:
        OutputError: the path is a file, a folder with contents (without `force`), a folder that swm did not write
            (even with `force`), or its parent is missing or not writable.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise OutputError(f"{str(path)!r} exists and is not a folder; choose another output")
    if path.is_dir() and any(path.iterdir()):
        if not force:
            raise OutputError(f"{str(path)!r} is not empty; choose another folder, or replace it with --force")
        if not (path / MANIFEST).is_file():
            raise OutputError(
                f"{str(path)!r} was not written by swm, so --force does not delete it; choose another folder"
            )
    if path.exists() and path.resolve() == Path.cwd().resolve():
        raise OutputError("the output would replace the current folder; name another one")


@contextmanager
def whole_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a new folder beside `path` that takes its place if the block succeeds and vanishes if it fails.

    Raises:
        OutputError: as `check_output`, or the disk refuses.
    """
    check_output(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise OutputError(f"cannot write in {str(path.parent)!r}: {error.strerror}") from error
    try:
        yield staging
        staging.chmod(0o755)  # mkdtemp makes private folders; a project is an ordinary one
        if path.is_dir():
            shutil.rmtree(path)
        staging.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
