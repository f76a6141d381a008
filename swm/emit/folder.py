# SPDX-License-Identifier: Apache-2.0
"""Writing a folder whole or not at all, and refusing to destroy what swm did not write."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swm.errors import OutputError

__all__ = ["MANIFEST", "MEASURED", "RESULT", "backups", "changed_files", "check_output", "hashes", "whole_folder"]

MANIFEST = "swm_project.json"
RESULT = "verify/result.json"  # which `swm verify` writes: no part of what was emitted
MEASURED = "measured"  # a folder: what open tools said of the project, and bitstreams; no part of it either
# Made by the project's own Makefile and by tools.
MADE = frozenset({MEASURED, "build", "cosim.log", "swm_hls", "vitis_hls.log"})


def check_output(path: Path, *, force: bool) -> None:
    """Refuse a path that cannot become a new folder.

    Raises:
        OutputError: the path is a file, a folder with contents (without `force`), a folder that swm did not write
            (even with `force`), or its parent is missing or not writable.
    """
    if not path.is_dir() and (path.exists() or path.is_symlink()):
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


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by path, but for the manifest that holds them, and what was measured later."""
    others = {folder / MANIFEST, folder / RESULT}
    files = sorted(
        f for f in folder.rglob("*") if f.is_file() and f not in others and f.relative_to(folder).parts[0] != MEASURED
    )
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def changed_files(folder: Path, *, added: bool = False) -> tuple[str, ...]:
    """Files of a project that were edited since swm wrote it, by the hashes on record.

    Args:
        folder: of a project; of one without a record nothing is known.
        added: name files that swm did not write, too, but for what the project's Makefile makes.
    """
    try:
        record: Any = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = dict(record["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    now = hashes(folder)
    edited = [name for name, digest in now.items() if name in known and digest != known[name]]
    others = [name for name in now if added and name not in known and Path(name).parts[0] not in MADE]
    return (*edited, *others)


@contextmanager
def whole_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a new folder beside `path` that takes its place if the block succeeds and vanishes if it fails.

    With `force`, an old project in which files were edited or added is kept as `<path>.bak-1`, -2 and so on. Of a link
    to a folder the folder is written, the link stays.

    Raises:
        OutputError: as `check_output`, or the disk refuses.
    """
    check_output(path, force=force)
    target = path.resolve() if path.is_symlink() else path
    mark = secrets.token_hex(4)
    staging, old = (target.parent / f".{target.name}.{mark}{end}" for end in (".new", ".old"))
    place = old  # of the old project
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging.mkdir()
        except OSError as error:
            raise OutputError(f"cannot write in {str(target.parent)!r}: {error.strerror}") from error
        yield staging
        if target.is_dir():
            place = _backup(target) if changed_files(target, added=True) else old
            target.rename(place)
        staging.rename(target)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:  # also after Ctrl-C, wherever it struck
        if place.exists() and not target.exists():
            place.rename(target)
        for folder in (staging, old):
            shutil.rmtree(folder, ignore_errors=True)


def backups(path: Path) -> tuple[Path, ...]:
    """Projects with work in them that were replaced with `force`."""
    target = path.resolve() if path.is_symlink() else path
    return tuple(sorted(p for p in target.parent.glob("*.bak-*") if p.name.rpartition(".bak-")[0] == target.name))


def _backup(target: Path) -> Path:
    number = 1
    while (found := target.with_name(f"{target.name}.bak-{number}")).exists():
        number += 1
    return found
