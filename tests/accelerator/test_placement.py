# SPDX-License-Identifier: Apache-2.0
"""Forks, width converters and regrouped tokens: beats agree on every edge, and no padding comes between values."""

from dataclasses import replace

import numpy as np
import pytest
from emit.designs import Sketch, design
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import chain, product, residual

from swm.accelerator.fixed_graph import NetworkShape, ShapedLayer
from swm.accelerator.placement import Flow, links, place, reading
from swm.accelerator.simulation import frame_network
from swm.device.board import load_board
from swm.emit import emit_project, verify_project
from swm.layers.registry import kind

PORTS = load_board("pynq-z2").dsp_ports


def minimal(network, **vecs):
    """The least parallelism, with other beats where asked: name=(in_vec, out_vec)."""
    chosen = [kind(la.spec.kind).minimal(la.spec) for la in network.layers]
    kinds = {la.spec.name: la.spec.kind for la in network.layers}
    beats = {b.spec.name: vecs.get(b.spec.name, (1, 1)) for b in chosen}
    lanes = {
        name: {"rows": out, "columns": max(into, out)} if kinds[name] == "dense" else {}
        for name, (into, out) in beats.items()
    }
    return [
        replace(b, in_vec=beats[b.spec.name][0], out_vec=beats[b.spec.name][1], **lanes[b.spec.name]) for b in chosen
    ]


def names(placement):
    return [la.spec.name for la in placement.layers]


def joined(placement):
    """Every edge has one writer and one reader, but for the ends; beats agree (a Network checks them)."""
    frame_network(placement, 100.0)
    written = [name for la in placement.layers for name in la.outputs]
    read = [name for la in placement.layers for name in la.inputs]
    edges = [e.name for e in placement.edges]
    assert sorted([*written, edges[0]]) == sorted(edges)
    assert sorted([*read, edges[-1]]) == sorted(edges)


def test_a_tensor_read_twice_is_forked():
    placement = place(residual(), minimal(residual()), (1, 1), PORTS)
    joined(placement)
    assert names(placement) == ["x_fork", "up", "down", "join", "head"]
    fork = placement.layers[0]
    assert fork.inputs == ("x",)
    assert {la.inputs[0] for la in placement.layers if la.spec.name in ("up", "join")} == set(fork.outputs)


def test_an_output_that_is_also_read_inside_is_forked():
    base = chain(product("a", 8, 8), product("b", 8, 8))
    network = NetworkShape((*base.layers, ShapedLayer(product("c", 8, 4), ("t1",), "unused")), "t0", "t1")
    readers = reading(network, "t1")
    assert readers == [(1, 0), (2, 0), (-1, 0)]
    read = {place: Flow(vec, product("a", 8, 8).output) for place, vec in zip(readers, (1, 2, 4), strict=True)}
    placed = links(network, "t1", Flow(2, product("a", 8, 8).output), read, PORTS)
    kinds = [la.spec.kind for la in placed.layers]
    assert kinds == ["fork", "width", "width"]
    assert len(placed.layers[0].outputs) == 3


@pytest.mark.parametrize(("left", "right"), [(1, 4), (4, 1), (2, 2), (8, 2)])
def test_converters_stand_where_beats_differ(left, right):
    network = chain(product("a", 8, 21), product("b", 21, 8))
    chosen = minimal(network, a=(1, left), b=(right, 1))
    placement = place(network, chosen, (2, 1), PORTS)
    kinds = [la.spec.kind for la in placement.layers]
    assert kinds == ["width", "dense", *(["width"] if left != right else []), "dense"]
    widths = [la.built for la in placement.layers if la.spec.kind == "width"]
    assert (widths[0].in_vec, widths[0].out_vec) == (2, 1)
    if left != right:
        assert (widths[1].in_vec, widths[1].out_vec) == (left, right)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 6),
    *[st.sampled_from([1, 2, 4, 8])] * 4,
)
def test_regrouped_tokens(channels, groups, before, first, left, right, last):
    """`before` tokens of channels * groups values are read as tokens of `channels`."""
    a = product("a", 5, channels * groups, positions=before)
    b = product("b", channels, 6, positions=before * groups)
    network = chain(a, b)
    placement = place(network, minimal(network, a=(1, left), b=(right, 1)), (first, last), PORTS)
    # not `joined`: a network of the token simulation counts beats of a frame on either side
    frame_network(placement, 100.0)
    if groups > 1:
        inner = {name for la in placement.layers for name in la.outputs if la.outputs} - {placement.edges[-1].name}
        path = [e for e in placement.edges if e.name in inner and e.tensor == "t1"]
        turning = [e for e in path if not e.channels % e.vec and not channels % e.vec]
        assert turning, "somewhere on the way no beat holds padding under either grouping"


CASES = {
    "28 as 4 x 7": (28, 4, 7, None, 4),
    "12 as 4 x 3": (12, 4, 3, 4, 2),
    "24 as 3 x 8": (24, 3, 8, 8, 8),
}


@pytest.mark.parametrize("backend", ["vitis", "generic"])
@pytest.mark.parametrize("case", CASES)
def test_regrouped_values_arrive_in_order(tmp_path, backend, case):
    width, positions, channels, block, vec = CASES[case]
    sketch = Sketch(20)
    sketch.product("x", "h", width, block=block, activation="relu")
    sketch.product("h", "z", 6, positions=positions).product("z", "y", 3)
    assert sketch.layers[1].spec.n == channels
    first = sketch.layers[0].spec.name
    built = {first: {"out_vec": vec}} if block else {first: {"rows": vec, "columns": 4, "out_vec": vec}}
    if block:
        built[first]["mac_rows"] = max(1, vec // block)
    made = design(sketch.graph(), backend, **({"built": built} if backend == "vitis" else {}))
    edge = made.schedule.edge(f"{first}_y")
    assert edge.vec == (vec if backend == "vitis" else 1)
    values = np.random.default_rng(1).normal(size=(9, 20)).astype(np.float32)
    result = verify_project(emit_project(made, tmp_path / "p", vectors=values))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 9 * 3
