# SPDX-License-Identifier: Apache-2.0
"""Area of an RTL project, measured: yosys maps every process to a family of devices, and its cells are counted."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from swm.errors import OutputError, ToolError
from swm.kernels.cache import cores, replace_file
from swm.opentools.families import Family, area_of
from swm.opentools.parts import Part, split_project
from swm.opentools.run import LIMIT_S, in_parallel, run_logged
from swm.opentools.tools import EXTRA, YOSYS, Found, find_tool
from swm.progress import Progress
from swm.report.measured import EDGES, Area, LayerArea, ProcessArea, Synthesis

__all__ = ["cells_of", "synthesise"]

_PART = tuple(field.name for field in fields(Part))


def synthesise(
    project: Path,
    family: Family,
    processes: Mapping[str, tuple[str, str]],
    *,
    cache: Path,
    progress: Progress,
    limit_s: float = LIMIT_S,
    edges: bool = True,
) -> Synthesis:
    """Map every process of a project.

    Args:
        project: its folder, with `rtl` and `rom`; nothing in it is changed.
        family: of devices.
        processes: instance in the top → layer and process; the top has these and no others.
        cache: folder for what is known of parts, and for logs.
        progress: called as progress(what, parts done, parts).
        limit_s: wall seconds for each part.
        edges: map the AXI edges and the top, too.

    Raises:
        ToolError: yosys is missing, fails, takes too long, or leaves what cannot be counted.
        OutputError: files of the project are missing, or the cache cannot be written.
    """
    start = time.monotonic()
    yosys = find_tool(YOSYS)
    if yosys.version < family.least:
        least = ".".join(map(str, family.least))
        raise ToolError(f"{yosys.title} does not map {family.title} as it should, {least} does: {EXTRA}")

    def wanted(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(part for part in parts if edges or processes.get(part.instance, (EDGES, ""))[0] != EDGES)

    with tempfile.TemporaryDirectory(prefix="swm-synth-") as scratch:
        folder = Path(scratch)
        try:
            cache.mkdir(parents=True, exist_ok=True)
            for name in ("rtl", "rom"):
                if (project / name).is_dir():
                    shutil.copytree(project / name, folder / name)
        except OSError as error:
            raise OutputError(f"cannot take {str(project)!r}: {error}") from error
        progress("read the project", 0, len(processes) + 1)
        read = cache / f"{_digest(_contents(folder), yosys.title)}.parts.json"
        parts = _known_parts(read)
        if not parts or any(_known(_cells_file(cache, part, family, yosys)) is None for part in wanted(parts)):
            parts = split_project(folder, yosys, cache / "read.log", lambda what: progress(what, 0, len(processes) + 1))
            replace_file(read, json.dumps([asdict(part) for part in parts]).encode())
        instances = {part.instance for part in parts if part.instance}
        if instances != set(processes):
            other = ", ".join(sorted(instances ^ set(processes)))
            raise ToolError(f"the top does not have the processes of the design: {other}; emit the project again")
        parts = wanted(parts)
        cells = _map(parts, yosys, family, folder, cache, progress, limit_s)
    layers: dict[str, list[ProcessArea]] = {EDGES: []} if edges else {}
    for part in parts:
        layer, name = processes.get(part.instance, (EDGES, "top"))
        counts, seconds = cells[part.key]
        layers.setdefault(layer, []).append(ProcessArea(name, area_of(counts), seconds))
    found = tuple(
        LayerArea(name, sum((p.area for p in inside), Area()), tuple(inside)) for name, inside in layers.items()
    )
    total = sum((layer.area for layer in found), Area())
    return Synthesis(family.name, family.board, yosys.title, family.part, total, found, time.monotonic() - start)


def _map(
    parts: tuple[Part, ...],
    yosys: Found,
    family: Family,
    folder: Path,
    cache: Path,
    progress: Progress,
    limit_s: float,
) -> dict[str, tuple[dict[str, int], float]]:
    """Cells and seconds of all parts by key; those that the cache has take none."""
    found: dict[str, tuple[dict[str, int], float]] = {}
    waiting: dict[str, Part] = {}
    names: dict[str, Path] = {}
    for part in parts:
        names[part.key] = _cells_file(cache, part, family, yosys)
        known = _known(names[part.key])
        if known is not None:
            found[part.key] = known, 0.0
        else:
            waiting.setdefault(part.key, part)

    def job(part: Part, stop: threading.Event) -> tuple[Part, dict[str, int], float]:
        stem = Path(part.file).stem
        script = [
            f"read_rtlil {part.file}",
            f"{family.part} -top {part.module}",
            f"tee -q -o {stem}.json stat -json",
        ]
        (folder / f"{stem}.ys").write_text("\n".join(script) + "\n", encoding="utf-8")
        title = part.instance or "top"
        log = names[part.key].with_suffix(".log")
        command = [yosys.program, "-q", "-s", f"{stem}.ys"]
        seconds = run_logged(
            command,
            folder,
            log,
            limit_s=limit_s,
            stop=stop,
            note=lambda what: progress(f"{title}: {what}", done, total),
        )
        cells = cells_of(folder / f"{stem}.json", log)
        return part, {name: count for name, count in cells.items() if name not in modules}, seconds

    modules = {part.module for part in parts}  # black boxes in what is left of the top
    total, done = len({p.key for p in parts}), len(found)
    progress("map", done, total)
    # the largest first: what is left at the end is short
    order = sorted(waiting.values(), key=lambda p: -(folder / p.file).stat().st_size)
    for part, cells, seconds in in_parallel([_bound(job, part) for part in order], cores()):
        area_of(cells)  # nothing is kept that cannot be counted
        replace_file(names[part.key], json.dumps({"cells": cells}).encode())
        found[part.key] = cells, seconds
        done += 1
        progress(part.instance or "top", done, total)
    return found


def _bound(job: Any, part: Part) -> Any:
    return lambda stop: job(part, stop)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _cells_file(cache: Path, part: Part, family: Family, yosys: Found) -> Path:
    return cache / f"{_digest(part.key, family.part, yosys.title)}.json"


def _contents(folder: Path) -> str:
    """SHA-256 of a project's modules and memories, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    each = (f"{f.relative_to(folder)} {hashlib.sha256(f.read_bytes()).hexdigest()}" for f in files)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


def _known_parts(file: Path) -> tuple[Part, ...]:
    """The parts of a project that was read before; none where that is not known, or makes no sense."""
    try:
        return tuple(Part(*(str(one[name]) for name in _PART)) for one in json.loads(file.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _known(file: Path) -> dict[str, int] | None:
    """Cells that a run before counted; None where there are none, or none that make sense."""
    try:
        cells = json.loads(file.read_bytes())["cells"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    right = isinstance(cells, dict) and all(isinstance(n, int) and n >= 0 for n in cells.values())
    return cells if right else None


def cells_of(file: Path, log: Path) -> dict[str, int]:
    """Cells by kind, of `stat -json`.

    Raises:
        ToolError: they are not there.
    """
    try:
        text = file.read_text(encoding="utf-8")
        cells = json.loads(text[text.index("{") :])["design"]["num_cells_by_type"]
        return {str(name): int(count) for name, count in cells.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"yosys ended without a count of cells\n(log: {log})") from error
