# SPDX-License-Identifier: Apache-2.0
"""A kernel over an image, drawn at random: shapes, strides, dilations, padding, what stands side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from emit.designs import Sketch, of_nodes
from rtl.many_networks import placed

from swm.device.board import load_board
from swm.graph import AveragePool, MaxPool
from swm.layers.base import Preference
from swm.layers.geometry import Geometry
from swm.layers.registry import kind
from swm.layers.rtl.registry import rtl_findings

PREFERENCE = Preference((1.0, 0.5, 0.5, 0.005, 0.0025))
KINDS = ("conv", "depthwise", "circulant_conv", "max", "mean")


def random_image(seed):
    """A design of one layer, as the search may build it; its kind goes round with the seed."""
    rng = np.random.default_rng(seed)
    while True:
        graph = _graph(rng, KINDS[seed % len(KINDS)])
        if graph is None or rtl_findings(graph.specs):
            continue
        (spec,) = graph.specs
        board = load_board("zcu104")
        slow = kind(spec.kind).minimal(spec)
        most = max(p.program.cycles * p.tokens(spec) for p in kind(spec.kind).processes(slow, board.dsp_ports))
        offer = kind(spec.kind).offer(spec, board.dsp_ports)
        target = max(1, int(most * 10 ** rng.uniform(-2, 0)))
        built = next(b for t in range(12) if (b := offer.cheapest(target << t, PREFERENCE)) is not None)
        ends = tuple(int(2 ** rng.integers(0, 3)) for _ in range(2))
        return placed(replace(graph, name=f"seed{seed}"), [built], ends, "zcu104")


def _graph(rng, what):
    def draw(low, high, count=2):
        return tuple(int(v) for v in rng.integers(low, high, count))

    grid, kernel, strides, dilations, pads = draw(1, 11), draw(1, 5), draw(1, 4), draw(1, 3), draw(0, 3, 4)
    geometry = Geometry.of(grid, kernel, strides, dilations, pads)
    bits, n, m = int(rng.integers(4, 15)), *draw(1, 10)
    if geometry is None:
        return None
    if what not in ("max", "mean"):
        sketch = Sketch(n, positions=int(np.prod(grid)), bits=bits, seed=int(rng.integers(1 << 20)))
        more = {"block": int(2 ** rng.integers(1, 5))} if what == "circulant_conv" else {}
        more |= {"depthwise": True} if what == "depthwise" else {}
        return sketch.convolution(
            "x", "y", n if what == "depthwise" else m, geometry, activation="relu", **more
        ).graph()
    if any(p >= k for p, k in zip(pads, (*kernel, *kernel), strict=True)):
        return None
    fields = {"kernel": kernel, "strides": strides, "dilations": (1, 1), "pads": pads}
    geometry = Geometry.of(grid, kernel, strides, (1, 1), pads)
    op = MaxPool if what == "max" else AveragePool
    return None if geometry is None else of_nodes([(op, "y", (n, *geometry.out), fields)], (n, *grid), bits, "pool")
