# SPDX-License-Identifier: Apache-2.0
"""A search where a grid would be too large: a block size for each layer, beside bits and board, by NSGA-II.

NSGA-II (Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002) is optuna's. It makes
accuracy large and the objective small, generation by generation; what a generation needs is done side by side.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swm.compress import plan, prepared
from swm.errors import OptionError
from swm.explore.point import Point, objective_value
from swm.explore.steps import Place
from swm.graph import Graph

__all__ = ["block_choices", "search"]

GENERATION = 16
"""Places that are done side by side, and parents of the next: for some tens to hundreds of trials."""

_SIZE, _BITS, _BOARD = "size of ", "bits", "board"


def block_choices(graph: Graph, sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Of `sizes` those that each layer can have, 1 (dense) before them, by names that `parse_blocks` reads.

    A recurrent layer has one size for both of its weights; layers that stay dense whatever the size are left out.
    """
    ready, allowed = prepared(graph), dict[str, set[int]]()
    for size in sizes:
        for planned in plan(ready, size):
            name = planned.ref.node.name.replace(",", "?")  # a pattern that matches the comma
            allowed.setdefault(name, set(sizes))
            if planned.reason:
                allowed[name].discard(size)
    return {name: (1, *sorted(few - {1})) for name, few in allowed.items() if few - {1}}


def search(
    evaluate: Callable[[Sequence[Place], str], list[Point]],
    *,
    layers: Mapping[str, Sequence[int]],
    boards: Sequence[str],
    bits: Sequence[int],
    objective: str,
    trials: int,
    seed: int = 0,
) -> list[Point]:
    """The points of so many trials, each once; the same seed on the same network asks for the same places.

    The first trials are the sizes that a grid would have: every layer at the same one, or the next smaller that it can
    have. So what a search finds is no worse than the diagonal of its grid.

    Args:
        evaluate: gives the points of some places; also told what to call them.
        layers: block sizes that each layer may have, 1 for dense among them.
        boards: names.
        bits: of data and weights.
        objective: one of `OBJECTIVES`.
        trials: places to try.
        seed: of the genetic operators.

    Raises:
        OptionError: optuna is not installed, or no layer has a choice.
    """
    optuna = _optuna()
    if not layers:
        raise OptionError("no layer of this network can take one of the block sizes; give smaller ones, or no --trials")
    space = {
        **{_SIZE + name: optuna.distributions.CategoricalDistribution(tuple(s)) for name, s in layers.items()},
        _BITS: optuna.distributions.CategoricalDistribution(tuple(bits)),
        _BOARD: optuna.distributions.CategoricalDistribution(tuple(boards)),
    }
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(population_size=GENERATION, seed=seed),
    )
    for start in _diagonal(layers, boards, bits)[:trials]:
        study.enqueue_trial(start)
    found: dict[Place, Point] = {}
    for first in range(0, trials, GENERATION):
        asked = [study.ask(space) for _ in range(min(GENERATION, trials - first))]
        places = [_place(trial.params, layers) for trial in asked]
        fresh = [place for place in dict.fromkeys(places) if place not in found]
        what = f"trials {first + 1} to {first + len(asked)} of {trials}"
        found.update(zip(fresh, evaluate(fresh, what), strict=True))
        for trial, place in zip(asked, places, strict=True):
            point, value = found[place], objective_value(found[place], objective)
            if point.whole and value < float("inf"):
                study.tell(trial, [point.accuracy, value])
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return list(found.values())


def _diagonal(layers: Mapping[str, Sequence[int]], boards: Sequence[str], bits: Sequence[int]) -> list[dict[str, Any]]:
    """Every layer at the same size as far as it goes, the ends of the range first; widest words, first board."""
    sizes = sorted({size for each in layers.values() for size in each})
    ends = [sizes[0], sizes[-1], *sizes[1:-1]] if len(sizes) > 1 else sizes
    return [
        {_SIZE + name: max(s for s in each if s <= size) for name, each in layers.items()}
        | {_BITS: max(bits), _BOARD: boards[0]}
        for size in ends
    ]


def _place(params: Mapping[str, Any], layers: Mapping[str, Sequence[int]]) -> Place:
    """Layers that are dense are not named; none named is the network as it is."""
    sizes = {name: params[_SIZE + name] for name in layers}
    text = ",".join(f"{name}={size}" for name, size in sizes.items() if size > 1)
    return Place(params[_BOARD], "circulant", text or "1", params[_BITS])


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise OptionError(
            "a search with trials needs optuna: pip install 'swm-fpga[search]'; without trials the whole grid is done"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna
