# SPDX-License-Identifier: Apache-2.0
"""A grid of block sizes, bits and boards, done in steps that share what they can."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm import api
from swm.accelerator.backend import backend as backend_named
from swm.device import Board, load_board
from swm.errors import CalibrationError, OptionError
from swm.explore.exploration import Exploration
from swm.explore.point import OBJECTIVES, Figures, Point
from swm.explore.store import Store, key_of
from swm.explore.tasks import LABELS, measured
from swm.explore.workers import Submit, on_cluster, on_this_machine
from swm.graph import Graph
from swm.layers.formats import check_bits
from swm.progress import Progress, told
from swm.structure import structure_named
from swm.validation import Inputs, feeds, require_graph

__all__ = ["explore"]

SEED = 0  # of the halves that calibrate and measure


@dataclass
class _Step:
    """A step, and those that wait for it."""

    task: str
    key: str
    arguments: Mapping[str, Any]
    what: str
    then: list[_Step] = field(default_factory=list)


def explore(
    graph: Graph,
    *,
    boards: str | Path | Sequence[str | Path],
    inputs: Inputs,
    labels: NDArray[np.integer] | None = None,
    blocks: Iterable[int | str] = (4, 8, 16),
    bits: Iterable[int] = (8, 12, 16),
    structures: str | Iterable[str] = "circulant",
    objective: str = "energy",
    min_accuracy: float | None = None,
    calibration: Inputs | None = None,
    backend: str = "vitis",
    clock_mhz: float | None = None,
    hybrid: bool = False,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | bool | None = None,
) -> Exploration:
    """Convert, quantize and design a network for every block size, bits and board, and find the Pareto front.

    A conversion serves all bits and boards, a measurement all boards. Every step is kept by content in the user's
    cache: an exploration that was interrupted goes on where it was, and a larger one takes over what it shares. A step
    that fails is named at its points; the others go on.

    Args:
        graph: a float graph, dense.
        boards: one or several names among `boards/`, or paths of own .toml files.
        inputs: samples along axis 0. Without `calibration`, a random half calibrates and the other is measured on.
        labels: (samples,) class numbers of the inputs; without them the integers are held against the original.
        blocks: block sizes, powers of two; 1 is the network as it is, "8x" a budget that chooses a size per layer.
        bits: data and weight bits, each 4 to 18.
        structures: of the weights, names of `swm.structure.STRUCTURES`; `blocks` are their sizes. Hardware holds all
            but circulant ones dense.
        objective: what the front is sorted by: "energy" (per inference), "throughput", "latency" or "cost" (resources).
        min_accuracy: fraction; points below are not on the front.
        calibration: inputs, other than those, for the fit and the number formats.
        backend: "vitis", "rtl" or "generic".
        clock_mhz: clock in MHz; where absent, the best of each board's.
        hybrid: let wide multipliers be built of LUTs where DSPs run out.
        workers: processes; as many as this process has cores where absent.
        cluster: address of a Dask scheduler, whose workers see the user's cache; instead of processes here.
        progress: called as progress(what, steps done, steps); True shows it on standard error.

    Raises:
        OptionError: impossible options, an empty grid, or a board that the back end does not write for.
        UnknownBoard: no such board.
        CalibrationError: inputs or labels that do not fit, or too few to halve.
    """
    targets = [load_board(b) for b in ([boards] if isinstance(boards, str | Path) else boards)]
    names = [structures] if isinstance(structures, str) else list(structures)
    choices, widths = _checked(targets, names, blocks, bits, objective, min_accuracy, backend, workers)
    require_graph(graph)
    fit, test, truth = _samples(graph, inputs, labels, calibration)
    store = Store()
    store.tidy()
    original = _kept_graph(store, graph)
    first = next(iter(api.run(graph, test).values()))
    measure, reference = measured(first, truth, first)
    keys = {
        "calibration": store.keep_arrays(fit),
        "test": store.keep_arrays(test),
        "labels": "" if truth is None else store.keep_arrays({LABELS: truth}),
    }
    options = {"backend": backend, "clock": clock_mhz, "hybrid": hybrid}
    roots, grid = _steps(original, targets, choices, widths, keys, options)
    results: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    with told(progress) as say:
        reused = _do(store, roots, results, failures, say, workers, cluster)
    points = [_point(*place, results, failures) for place in grid]
    return Exploration(
        model=Path(graph.source).name or graph.name or "model",
        points=tuple(points),
        objective=objective,
        min_accuracy=min_accuracy,
        measure=measure,
        samples=len(next(iter(test.values()))),
        reference=reference,
        reused=reused,
    )


def _checked(
    boards: Sequence[Board],
    structures: Sequence[str],
    blocks: Iterable[int | str],
    bits: Iterable[int],
    objective: str,
    min_accuracy: float | None,
    backend: str,
    workers: int | None,
) -> tuple[list[tuple[str, str]], list[int]]:
    """Structures with their sizes as text, and bits, without repeats.

    Raises:
        OptionError: what cannot be, before any work is done.
    """
    sizes = list(dict.fromkeys(str(b).strip().lower() for b in blocks))
    widths = list(dict.fromkeys(check_bits(b) for b in bits))
    if not (boards and structures and sizes and widths):
        raise OptionError("nothing to explore: name at least one board, one block size and one number of bits")
    if len({b.name for b in boards}) < len(boards):
        raise OptionError(f"two of the boards have one name: {', '.join(b.name for b in boards)}")
    for size in sizes:
        number = size.removesuffix("x")
        budget = size.endswith("x") and number.replace(".", "", 1).isdecimal() and float(number) > 1
        block = size.isdecimal() and 0 < int(size) <= 4096
        if not (budget or block) or (block and "circulant" in structures and int(size).bit_count() != 1):
            raise OptionError(f"block {size!r}: give a power of two from 1 (dense) to 4096, or a budget like 8x")
    for name in structures:
        structure_named(name)
    if objective not in OBJECTIVES:
        raise OptionError(f"objective {objective!r}: choose one of {', '.join(OBJECTIVES)}")
    if min_accuracy is not None and not 0 <= min_accuracy <= 1:
        raise OptionError(f"least accuracy {min_accuracy}: must be a fraction from 0 to 1")
    if workers is not None and workers < 1:
        raise OptionError(f"{workers} workers: at least one is needed")
    maker = backend_named(backend)
    for board in boards:
        if maker.vendors and board.vendor not in maker.vendors:
            raise OptionError(
                f"back end {backend} writes for devices of {' and '.join(maker.vendors)}, board {board.name} has one of"
                f" {board.vendor}; take backend rtl"
            )
    return list(dict.fromkeys(product(structures, sizes))), widths


def _samples(
    graph: Graph, inputs: Inputs, labels: NDArray[np.integer] | None, calibration: Inputs | None
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]], NDArray[Any] | None]:
    """Samples that calibrate, samples that are measured on, and their labels: never the same samples."""
    given = dict(feeds(graph, inputs))
    count = len(next(iter(given.values())))
    truth = None if labels is None else np.asarray(labels)
    if truth is not None and (truth.ndim != 1 or truth.dtype.kind not in "iu" or len(truth) != count):
        raise CalibrationError(
            f"labels must be {count} class numbers, one for each input, got {truth.dtype} of shape {truth.shape}"
        )
    if calibration is not None:
        return dict(feeds(graph, calibration)), given, truth
    if count < 4:
        raise CalibrationError(f"{count} samples cannot be halved: give at least 4, or calibration inputs of their own")
    order = np.random.default_rng(SEED).permutation(count)
    ours, theirs = np.sort(order[: count // 2]), np.sort(order[count // 2 :])
    fit, test = ({name: x[part] for name, x in given.items()} for part in (ours, theirs))
    return fit, test, None if truth is None else truth[theirs]


def _kept_graph(store: Store, graph: Graph) -> str:
    """The network in the store: written under a name of its own first, as its key is a hash of the file."""
    part = store.folder / f"part-{os.getpid()}.onnx"
    try:
        api.save(graph, part)
        key = hashlib.sha256(part.read_bytes()).hexdigest()[:40]
        part.replace(store.model(key))
    finally:
        part.unlink(missing_ok=True)
    return key


def _steps(
    original: str,
    boards: Sequence[Board],
    choices: Sequence[tuple[str, str]],
    bits: Sequence[int],
    keys: Mapping[str, str],
    options: Mapping[str, Any],
) -> tuple[list[_Step], list[tuple[str, tuple[str, str], int, tuple[str, str, str]]]]:
    """Steps that wait for none, with those that follow, and for each point (board, choice, bits, keys of its steps)."""
    tables = {board.name: board.model_dump(mode="json", by_alias=True) for board in boards}
    roots, places = [], {}
    for choice in choices:
        asked_for = {"model": original, "structure": choice[0], "block": choice[1], "calibration": keys["calibration"]}
        converted = key_of("convert", asked_for)
        what = f"{choice[0]} {choice[1]}"
        root = _Step("convert", converted, {**asked_for, "to": converted}, f"convert to {what}")
        roots.append(root)
        for width in bits:
            given = {"model": converted, "original": original, "bits": width, **keys}
            measure = _Step("measure", key_of("measure", given), given, f"measure {what}, {width} bits")
            root.then.append(measure)
            for name, table in tables.items():
                asked = {"model": converted, "bits": width, "board": table, **options}
                design = _Step("design", key_of("design", asked), asked, f"design {what}, {width} bits, {name}")
                root.then.append(design)
                places[name, choice, width] = (converted, measure.key, design.key)
    names = (b.name for b in boards)
    return roots, [(*place, places[place]) for place in product(names, choices, bits)]


def _do(
    store: Store,
    roots: Sequence[_Step],
    results: dict[str, dict[str, Any]],
    failures: dict[str, str],
    say: Progress,
    workers: int | None,
    cluster: str | None,
) -> int:
    """Do all steps; gives how many were in the store already."""
    total = sum(1 + len(root.then) for root in roots)
    say("look at what is kept", 0, total)
    open_steps = []
    for root in roots:
        steps = [root, *root.then]
        found = {step.key: store.result(step.key) for step in steps}
        if found[root.key] is not None and not store.model(root.key).exists():
            found[root.key] = None
        results.update({key: result for key, result in found.items() if result is not None})
        left = [step for step in root.then if found[step.key] is None]
        if found[root.key] is None and left:
            (store.folder / f"{root.key}.json").unlink(missing_ok=True)  # its model was tidied away
            root.then = left
            open_steps.append(root)
        else:
            results.setdefault(root.key, {})
            open_steps += left
    reused = len(results)
    if not open_steps:
        return reused
    doing = on_cluster(cluster) if cluster is not None else on_this_machine(workers or _cores())
    with doing as submit:
        _wait(store, open_steps, submit, results, failures, say, total)
    return reused


def _wait(
    store: Store,
    steps: Sequence[_Step],
    submit: Submit,
    results: dict[str, dict[str, Any]],
    failures: dict[str, str],
    say: Progress,
    total: int,
) -> None:
    running: dict[Future[dict[str, Any]], _Step] = {}

    def start(step: _Step) -> None:
        running[submit(step.task, str(store.folder), step.key, step.arguments)] = step

    for step in steps:
        start(step)
    while running:
        say(_at(running.values()), len(results) + len(failures), total)
        done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in done:
            step = running.pop(future)
            try:
                results[step.key] = future.result()
            except Exception as error:  # of whatever kind: it is named at its points
                failures[step.key] = str(error) or type(error).__name__
                failures.update({after.key: failures[step.key] for after in step.then})
                continue
            for after in step.then:
                start(after)


def _at(steps: Iterable[_Step]) -> str:
    return next(iter(steps)).what


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _point(
    board: str,
    choice: tuple[str, str],
    bits: int,
    keys: tuple[str, str, str],
    results: Mapping[str, Mapping[str, Any]],
    failures: Mapping[str, str],
) -> Point:
    measured_, design = (results.get(key) for key in keys[1:])
    errors = list(dict.fromkeys(failures[key] for key in keys if key in failures))
    figures = Figures(**design["figures"]) if design and design["figures"] else None
    return Point(
        board=board,
        structure=choice[0],
        block=choice[1],
        bits=bits,
        accuracy=measured_["value"] if measured_ else None,
        weight_bits=measured_["weight_bits"] if measured_ else None,
        figures=figures,
        reason="; ".join(errors) or (design["reason"] if design else ""),
        failed=bool(errors),
    )
