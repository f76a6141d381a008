# SPDX-License-Identifier: Apache-2.0
"""Block sizes, bits and boards: a whole grid, or a search through what would be too large a one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swm import api
from swm.accelerator.backend import backend as backend_named
from swm.device import Board, ListedTarget, chip_named, load_board
from swm.errors import CalibrationError, OptionError
from swm.explore.exploration import Exploration
from swm.explore.point import OBJECTIVES, Point
from swm.explore.search import block_choices, search
from swm.explore.steps import Place, Samples, Steps
from swm.explore.store import Store
from swm.explore.tasks import LABELS, measured
from swm.graph import Graph
from swm.layers.formats import check_bits
from swm.progress import Progress, told
from swm.structure import structure_named
from swm.validation import Inputs, feeds, require_graph

__all__ = ["explore"]

SEED = 0  # of the halves that calibrate and measure


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
    trials: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress | bool | None = None,
) -> Exploration:
    """Convert, quantize and design a network for every block size, bits and board, and find the Pareto front.

    A conversion serves all bits and boards, a measurement all boards. Every step is kept by content in the user's
    cache: an exploration that was interrupted goes on where it was, and a larger one takes over what it shares. A step
    that fails is named at its points; the others go on.

    With `trials` no grid is done: NSGA-II searches for a block size of each layer, among `blocks` and dense, beside
    bits and board, with accuracy and the objective as its aims.

    Args:
        graph: a float graph, dense.
        boards: one or several names among `boards/`, or paths of own .toml files. A chip whose operations have
            energies ("asic-40nm") gives energy and accuracy alone, with objective "energy".
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
        trials: places that a search tries; None: the grid.
        workers: processes; as many as this process has cores where absent.
        cluster: address of a Dask scheduler, whose workers see the user's cache; instead of processes here.
        progress: called as progress(what, steps done, steps); True shows it on standard error.

    Raises:
        OptionError: impossible options, an empty grid, or a board that the back end does not write for.
        UnknownBoard: no such board.
        CalibrationError: inputs or labels that do not fit, or too few to halve.
    """
    given = [boards] if isinstance(boards, str | Path) else boards
    targets = [chip_named(board) or load_board(board) for board in given]
    names = [structures] if isinstance(structures, str) else list(structures)
    choices, widths = _checked(targets, names, blocks, bits, objective, min_accuracy, backend, workers)
    require_graph(graph)
    fit, test, truth = _samples(graph, inputs, labels, calibration)
    store = Store()
    store.tidy()
    original = _kept_graph(store, graph)
    first = next(iter(api.run(graph, test).values()))
    measure, reference = measured(first, truth, first)
    samples = Samples(
        store.keep_arrays(fit), store.keep_arrays(test), "" if truth is None else store.keep_arrays({LABELS: truth})
    )
    options = {"backend": backend, "clock": clock_mhz, "hybrid": hybrid}
    steps = Steps(store, original, targets, samples, options, workers, cluster)
    with told(progress) as say:
        if trials is None:
            grid = product((b.name for b in targets), choices, widths)
            points = steps.points([Place(board, *choice, width) for board, choice, width in grid], say)
        else:
            points = _searched(graph, steps, targets, choices, widths, objective, trials, say)
    return Exploration(
        model=Path(graph.source).name or graph.name or "model",
        points=tuple(points),
        objective=objective,
        min_accuracy=min_accuracy,
        measure=measure,
        samples=len(next(iter(test.values()))),
        reference=reference,
        reused=steps.reused,
    )


def _searched(
    graph: Graph,
    steps: Steps,
    boards: Sequence[Board | ListedTarget],
    choices: Sequence[tuple[str, str]],
    bits: Sequence[int],
    objective: str,
    trials: int,
    say: Progress,
) -> list[Point]:
    """The points that a search tries.

    Raises:
        OptionError: no trials, structures other than circulant, or budgets among the sizes.
    """
    if trials < 1:
        raise OptionError(f"{trials} trials: at least one is needed")
    if any(structure != "circulant" or not size.isdecimal() for structure, size in choices):
        raise OptionError("a search chooses a block size for each layer: give circulant sizes like 4,8,16, no budgets")
    sizes = block_choices(graph, [int(size) for _, size in choices])

    def evaluate(places: Sequence[Place], what: str) -> list[Point]:
        return steps.points(places, lambda step, done, total: say(f"{what}: {step}", done, total))

    names = [board.name for board in boards]
    return search(evaluate, layers=sizes, boards=names, bits=bits, objective=objective, trials=trials, seed=SEED)


def _checked(
    boards: Sequence[Board | ListedTarget],
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
        if isinstance(board, ListedTarget):
            if objective != "energy":
                raise OptionError(
                    f"objective {objective!r}: of {board.name} nothing but energy is known, as {board.refused}; take"
                    " objective energy, or boards alone"
                )
        elif maker.vendors and board.vendor not in maker.vendors:
            raise OptionError(
                f"back end {backend} writes for devices of {' and '.join(maker.vendors)}, board {board.name} has one of"
                f" {board.vendor}; take back end rtl (--backend rtl), which all boards have"
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
