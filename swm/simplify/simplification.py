# SPDX-License-Identifier: Apache-2.0
"""The steps in order, and the rule that a smaller graph is only let in after a trial."""

from __future__ import annotations

import logging

from swm.errors import SwmError
from swm.graph import (
    Graph,
    Opaque,
    Recurrent,
    is_structured,
    plain_last_states,
    without_whole_lengths,
    without_zero_states,
)
from swm.simplify.cleanup import without_dead_nodes
from swm.simplify.dequantize import written_out
from swm.simplify.gelu import name_gelu
from swm.simplify.instances import groups_as_tokens
from swm.simplify.masks import added_masks
from swm.simplify.normalization import name_normalization
from swm.simplify.opset import Reach
from swm.simplify.resizes import scaled_by_constants
from swm.simplify.samples import moves_samples, of_one, samples_apart, samples_first
from swm.simplify.scales import scales_behind_products
from swm.simplify.slimming import slimmed
from swm.simplify.time_first import samples_before_steps
from swm.simplify.transposed import as_convolutions
from swm.simplify.trial import same_results

__all__ = ["simplify"]

_log = logging.getLogger(__name__)


def simplify(graph: Graph) -> Graph:
    """Fold constants and remove what exporters leave behind, by onnxslim; name what they spelt out.

    Integer weights of QDQ models are written out as the floats that they stand for, and transposed convolutions as
    convolutions of the same results, by definition, not by trial; so are InstanceNormalization and
    GroupNormalization, as LayerNormalization of tokens.
    GELU, LayerNormalization and RMSNormalization in small operators become one node each; constant masks of attention
    are added, scales of queries and keys stand behind their product; a Resize to another
    tensor's size goes by factors. Attention stays the two
    products and the softmax that it is, between projections that conversion reaches. Initial states of zeros, which
    are ONNX's default, leave recurrent layers.

    Both graphs run in onnxruntime on random inputs of several sizes, in a child process; only if every result is equal
    (rtol 1e-4) is the simplified one returned. Graphs with structured layers come back as they are, and so do graphs
    whose inputs are not all tensors of numbers, which cannot be tried.

    Args:
        graph: a float graph, as loaded; convert it afterwards.

    Returns:
        The smaller graph, or `graph` itself.
    """
    if any(map(is_structured, graph.nodes)):  # onnxslim would fold their functions into dense tensors
        return graph
    graph = as_convolutions(written_out(graph))
    try:
        slim = slimmed(graph)
    except SwmError as error:
        _log.info("%s: %s", graph.source or graph.name, error)
        slim = None
    for start in (slim, graph):  # where the optimiser is wrong, our own steps may still be right
        found = None if start is None else _tried(graph, start)
        if found is not None:
            return groups_as_tokens(_samples_first(found))
    return groups_as_tokens(_samples_first(graph))


def _tried(graph: Graph, start: Graph) -> Graph | None:
    """What the steps make of a start, if that is smaller than the graph and computes the same."""
    try:
        found = _steps(start)
        better = _size(found) < _size(graph) and same_results(graph, found)
    except SwmError as error:
        _log.info("%s is left as it is: %s", graph.source or graph.name, error)
        return None
    return found if better else None


def _samples_first(graph: Graph) -> Graph:
    """The graph with samples along axis 0 of every tensor, where they lay elsewhere and that computes the same."""
    recurrent = any(isinstance(node, Recurrent) for node in graph.nodes)
    if recurrent:
        graph = samples_apart(graph)
    elif not moves_samples(graph):
        return graph
    try:
        if recurrent:
            turned = samples_before_steps(graph)
            return turned if turned is graph or same_results(graph, turned) else graph
        one = of_one(graph)
        if one is None:
            return graph
        found = samples_first(_steps(slimmed(one) or one), graph)
        same = found is not None and same_results(graph, found)
    except SwmError as error:
        _log.info("%s keeps its axes: %s", graph.source or graph.name, error)
        return graph
    return found if found is not None and same else graph


def _steps(graph: Graph) -> Graph:
    reach = Reach(graph)
    graph = without_dead_nodes(plain_last_states(without_whole_lengths(without_zero_states(graph))))
    graph = scales_behind_products(added_masks(scaled_by_constants(graph)))
    for step in (name_gelu, name_normalization):
        graph = without_dead_nodes(step(graph, reach))
    return graph.verify()


def _size(graph: Graph) -> tuple[int, int, int]:
    """Nodes, those of them that are not understood, and wires: initial states may be all that goes."""
    wires = sum(bool(t) for n in graph.nodes for t in n.inputs)
    return len(graph.nodes), sum(isinstance(n, Opaque) for n in graph.nodes), wires
