# SPDX-License-Identifier: Apache-2.0
"""The steps of an exploration: each takes plain data and the folder of the store, and gives plain data.

They run in processes of their own, here or on a cluster whose machines see the same folder. A step first looks whether
its result is there, and keeps it under its key before it answers: none is done twice, none is lost with its process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm import api, compress
from swm.accelerator.backend import backend as backend_named
from swm.accelerator.lower import lower
from swm.accelerator.quantize import network_shape
from swm.accelerator.schedule import make_schedule
from swm.answers import classes, names_classes
from swm.device import Board, ListedTarget
from swm.device.listed import LISTED_FAMILIES
from swm.explore.point import Figures
from swm.explore.store import Store
from swm.graph import Graph
from swm.host import split_for_hardware
from swm.kernels.cache import replace_file
from swm.report import design_figures
from swm.report.chips import chip_energy
from swm.structure import structure_named

__all__ = ["run"]

LABELS = "labels"


def run(task: str, folder: str, key: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do one step, unless its result is in the store.

    Args:
        task: "convert", "measure" or "design".
        folder: of the store.
        key: of the result.
        arguments: of the step.
    """
    store = Store(Path(folder))
    found = store.result(key)
    if found is None:
        found = _TASKS[task](store, **arguments)
        store.keep(key, found)
    return found


def _convert(store: Store, *, model: str, structure: str, block: str, calibration: str, to: str) -> dict[str, Any]:
    """The model with weights of a structure, in a file: of a size, of sizes by layer, or within a budget.

    Circulant of 1 is the model as it is.
    """
    graph = _graph(store.model(model))
    given = store.arrays(calibration)
    if (structure, block) != ("circulant", "1"):
        choice: dict[str, Any] = {"block": compress.parse_blocks(block)}
        if block.endswith("x") and "=" not in block:
            choice = {"budget": block}
        graph = api.convert(
            graph, calibration=given, hold_out=False, structure=structure_named(structure), **choice
        ).graph
    path = store.model(to)
    part = path.with_suffix(f".{os.getpid()}.onnx")
    try:
        api.save(graph, part)
        replace_file(path, part.read_bytes())
    finally:
        part.unlink(missing_ok=True)
    return {}


def _measure(
    store: Store, *, model: str, original: str, bits: int, calibration: str, test: str, labels: str, backend: str
) -> dict[str, Any]:
    """Accuracy of the integers that the hardware computes, or how near they come to the dense original."""
    fit = store.arrays(calibration)
    fixed = api.quantize(_graph(store.model(model)), bits=bits, calibration=fit, backend=backend)
    given = store.arrays(test)
    found = _first(api.run(fixed, given))
    truth = store.arrays(labels)[LABELS] if labels else None
    dense = None if truth is not None else _first(api.run(_graph(store.model(original)), given))
    measure, value = measured(found, truth, dense)
    return {"measure": measure, "value": value, "weight_bits": sum(spec.stored_bits for spec in fixed.specs)}


def measured(found: NDArray[Any], labels: NDArray[Any] | None, dense: NDArray[Any] | None) -> tuple[str, float]:
    """What answers are worth: (kind of measure, value); see `Exploration.measure`."""
    if labels is not None:
        return "accuracy", compress.accuracy(found, labels)
    assert dense is not None
    if names_classes(dense) or (dense.ndim == 2 and dense.shape[1] > 1):
        return "agreement", float(np.mean(classes(found) == classes(dense)))
    largest = float(np.linalg.norm(dense)) or 1.0
    return "fidelity", 1 - float(np.linalg.norm(found.reshape(dense.shape) - dense)) / largest


def _design(
    store: Store, *, model: str, bits: int, board: Mapping[str, Any], backend: str, clock: float | None, hybrid: bool
) -> dict[str, Any]:
    """The design of a network for a board: its figures, or why there are none. For a chip its energy alone."""
    maker = backend_named(backend)
    hardware = split_for_hardware(compress.prepared(_graph(store.model(model))), maker)[1]
    network = network_shape(lower(hardware), bits)
    if board["family"] in LISTED_FAMILIES:
        energy = chip_energy(network, ListedTarget.model_validate(board))
        return {"figures": asdict(Figures(joules=energy.joules)), "reason": ""}
    target = Board.model_validate(board)
    plan = make_schedule(network, target, backend=maker, clock_mhz=clock, hybrid=hybrid)
    found = design_figures(plan)
    if not found.fits:
        return {"figures": None, "reason": found.overflow}
    used, has = found.used.routed, target.resources
    names = ("dsp", "bram18", "uram", "lut", "ff")
    counts = {"m10k" if name == "bram18" and has.m10k else name: getattr(used, name) for name in names}
    figures = Figures(
        clock_mhz=plan.clock_mhz,
        interval=plan.interval,
        latency_us=plan.latency / plan.clock_mhz,
        inferences_per_s=plan.inferences_per_s,
        watts=found.watts.total if found.watts else None,
        joules=found.joules.total if found.joules else None,
        **counts,
        share=max(getattr(used, n) / has.of(n) for n in names if getattr(used, n)),
    )
    return {"figures": asdict(figures), "reason": ""}


@lru_cache(maxsize=4)
def _graph(path: Path) -> Graph:
    """A model of the store; several steps of one process read the same."""
    return api.load(path)


def _first(outputs: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return next(iter(outputs.values()))


_TASKS: dict[str, Callable[..., dict[str, Any]]] = {"convert": _convert, "measure": _measure, "design": _design}
