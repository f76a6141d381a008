# SPDX-License-Identifier: Apache-2.0
"""A Design as two files: `design.json` (schedule, board, back end, loops of all processes) and `fixed.npz`.

What is saved is what was emitted: no schedule is made again when it is read, so `verify` and `report` speak of the
project that lies in the folder even if the rules that made it have changed since.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from swm.accelerator.backend import Backend
from swm.accelerator.codec import decode, encode
from swm.accelerator.design import Design, Edge, PlacedLayer, Schedule
from swm.accelerator.store import load_fixed, save_fixed
from swm.device.board import Board
from swm.device.primitives import Cost
from swm.errors import OutputError
from swm.layers import registry
from swm.layers.beside import same_layer
from swm.layers.program import ProcessModel, Program
from swm.layers.values import Implementation, LayerSpec

__all__ = ["DESIGN", "FIXED", "load_design", "save_design"]

DESIGN, FIXED = "design.json", "fixed.npz"
STORE_VERSION = 4


@dataclass(frozen=True)
class _Head:
    """What is stored of a schedule besides its board and layers."""

    clock_mhz: float
    backend: Backend
    edges: tuple[Edge, ...]
    interval: int
    latency: int
    fits: bool
    overflow: str
    target: int | None


@dataclass(frozen=True)
class _Process:
    """A process with its cost as plain numbers."""

    name: str
    kernel: str
    program: Program
    cost: tuple[int, int, int, float, float, float]
    roms: tuple[str, ...]
    arguments: tuple[int, ...]
    products: int
    repeats: int
    view: str
    late: int


@dataclass(frozen=True)
class _Place:
    """What is stored of a placed layer besides its spec and parallelism; `built` names the class of the latter."""

    kind: str
    built: str
    processes: tuple[_Process, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    depths: tuple[tuple[str, int], ...]


def save_design(design: Design, folder: Path) -> None:
    """Write a Design; the same Design always gives the same bytes.

    Args:
        design: what to save; the float graph that it came from is left out.
        folder: an existing folder.
    """
    schedule = design.schedule
    head = _Head(**{field.name: getattr(schedule, field.name) for field in fields(_Head)})
    data = {
        "version": STORE_VERSION,
        "schedule": encode(head),
        "board": schedule.board.model_dump(mode="json", by_alias=True),
        "layers": [_placed_data(placed) for placed in schedule.layers],
    }
    (folder / DESIGN).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    save_fixed(design.graph, folder / FIXED)


def load_design(folder: Path) -> Design:
    """Read what `save_design` wrote; the graph has no float source.

    Raises:
        OutputError: a file is missing or damaged, or was written by another version.
    """
    file = folder / DESIGN
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = data["version"]
        schedule = _schedule(data) if version == STORE_VERSION else None
    except Exception as error:  # whatever a damaged file makes of json, pydantic, the codec or a kind
        raise OutputError(f"{str(file)!r} is damaged or missing; emit the project again") from error
    if schedule is None:
        raise OutputError(f"{str(file)!r} was written by another version of swm; emit the project again")
    graph = load_fixed(folder / FIXED)
    placed = {layer.spec.name: layer.spec for layer in schedule.layers}
    if any(spec.name not in placed or not same_layer(placed[spec.name], spec) for spec in graph.specs):
        raise OutputError(f"{str(file)!r} and {FIXED} are of different designs; emit the project again")
    return Design(graph, schedule)


def _placed_data(placed: PlacedLayer) -> dict[str, Any]:
    processes = [{**_shallow(p), "cost": tuple(p.cost)} for p in placed.processes]
    place = _Place(
        placed.spec.kind,
        type(placed.built).__name__,
        tuple(_Process(**process) for process in processes),
        placed.inputs,
        placed.outputs,
        placed.depths,
    )
    parallelism = {name: value for name, value in _shallow(placed.built).items() if name != "spec"}
    return {"place": encode(place), "spec": encode(placed.spec), "built": encode(parallelism)}


def _shallow(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _schedule(data: dict[str, Any]) -> Schedule:
    head: _Head = decode(_Head, {"target": None} | data["schedule"])  # older projects name no target
    layers = tuple(_placed(entry) for entry in data["layers"])
    schedule = Schedule(board=Board.model_validate(data["board"]), layers=layers, **_shallow(head))
    _check(schedule)
    return schedule


def _placed(data: dict[str, Any]) -> PlacedLayer:
    place: _Place = decode(_Place, data["place"])
    registry.kind(place.kind)
    spec = decode(_class(LayerSpec, "kind", place.kind), data["spec"])
    cls = _class(Implementation, "__name__", place.built)
    hints = get_type_hints(cls)
    built = cls(spec=spec, **{name: decode(hints[name], value) for name, value in data["built"].items()})
    processes = tuple(ProcessModel(**{**_shallow(p), "cost": Cost(*p.cost)}) for p in place.processes)
    return PlacedLayer(built, processes, place.inputs, place.outputs, place.depths)


def _class(base: Any, attribute: str, wanted: str) -> Any:
    """The class with an attribute among `base` and what extends it; the one defined last, should there be several."""
    found, waiting = [], [base]
    while waiting:
        here = waiting.pop()
        waiting += here.__subclasses__()
        if getattr(here, attribute) == wanted:
            found.append(here)
    return found[-1]


def _check(schedule: Schedule) -> None:
    """Raise ValueError where names lead nowhere or counts are impossible."""
    edges = {edge.name for edge in schedule.edges}
    named = [name for layer in schedule.layers for name in (*layer.inputs, *layer.outputs)]
    if not schedule.layers or not edges or not edges.issuperset(named):
        raise ValueError("layers name edges that are not there")
    if min(schedule.interval, schedule.latency, schedule.backend.frames) < 1 or not schedule.clock_mhz > 0:
        raise ValueError("cycles, frames and clocks are positive")
    if any(min(e.vec, e.bits, e.channels, e.positions, e.depth) < 1 for e in schedule.edges):
        raise ValueError("an edge carries something")
