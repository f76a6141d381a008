# SPDX-License-Identifier: Apache-2.0
"""Block sizes within a budget, by what each layer alone costs the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from swm.compress.activation_pairs import ActivationPairs
from swm.compress.budget import DENSE, choose, measure, parse_budget
from swm.compress.methods import Method
from swm.compress.one_layer import converted_layer, first, noting, relative, weight_error, weights_of
from swm.compress.plan import last_weighted
from swm.compress.weights import WeightRef, reason_to_stay_dense
from swm.engine import FloatEngine
from swm.graph import Graph
from swm.progress import Progress
from swm.structure import WeightStructure

__all__ = ["FLOAT_BITS", "sizes_within"]

FLOAT_BITS = 32
SENSITIVITY_SAMPLES = 256  # of the calibration inputs
Array = NDArray[Any]


def sizes_within(
    graph: Graph,
    found: tuple[WeightRef, ...],
    budget: int | str,
    method: Method,
    feeds: Mapping[str, Array] | None,
    structure: type[WeightStructure],
    say: Progress,
) -> dict[str, int]:
    """Block sizes within a budget, from the error of the network's outputs when one layer alone is converted."""
    by_name, last = {p.name: p for p in found}, last_weighted(graph)
    words = {p.name: sum(w.words for w in weights_of(p.node, p.role)) for p in found}
    dense = {p.name: sum(w.bits(FLOAT_BITS) for w in weights_of(p.node, p.role)) for p in found}
    free = {
        p.name: (dense[p.name], [k for k in structure.candidates if not reason_to_stay_dense(p, last, k, structure)])
        for p in found
    }
    names = [v.name for v in graph.outputs]
    few = None if feeds is None else first(feeds, SENSITIVITY_SAMPLES)
    wanted = None if few is None else FloatEngine(graph, names, deterministic=True).run(few)

    tries, tried = sum(len(sizes) for _, sizes in free.values()), 0
    kept: dict[str, ActivationPairs] = {}  # of the layer that is tried now: all its sizes are fitted to the same

    def error(name: str, block: int) -> tuple[int, float]:
        nonlocal tried
        ref = by_name[name]
        note = noting(say, f"{name} alone at block {block}", tried, tries)
        note("fit")
        tried += 1
        if few is not None and name not in kept:
            kept.clear()
            kept[name] = ActivationPairs(graph, graph, few, note, keep=True)
        pairs = kept.get(name)
        if pairs is not None:
            pairs.note = note
        new = converted_layer(ref.node, {ref.role: block}, method, pairs, structure)
        stored = sum(w.bits(FLOAT_BITS) for w in weights_of(new, ref.role))
        if few is None or wanted is None:
            return stored, weight_error(ref, new) ** 2 * words[name]
        got = FloatEngine(graph.with_replaced(ref.node, new), names, deterministic=True).run(few)
        return stored, sum(relative(got[t], wanted[t]) ** 2 for t in names)

    bits = parse_budget(budget, sum(dense.values()))
    choices = measure({n: f for n, f in free.items() if f[1]}, error)
    fixed = sum(dense[n] for n, f in free.items() if not f[1])
    chosen = {name: size for name, size in choose(choices, bits, fixed).items() if size != DENSE}
    return {**dict.fromkeys(free, 1), **chosen} if structure.one_is_dense else chosen
