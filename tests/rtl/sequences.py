# SPDX-License-Identifier: Apache-2.0
"""Networks of blocks of 32 and more and of recurrent layers: every form and branch of their modules once."""

from __future__ import annotations

from emit.designs import Sketch
from rtl.many_networks import design

from swm.accelerator.interleave import interleaved

PASSES = ["rfft_load", "rfft_pass", "irfft_collect", "irfft_pass", "irfft_store"]
PASSES += ["block_walk", "rotate", "rotation", "inverse_unit"]
STEPS = ["walk", "products", "group", "back", "gate", "cell", "start", "feed", "steps"]
MODULES = {f"swm_{name}.sv" for name in (*PASSES, "reverse", *(f"recurrent_{name}" for name in STEPS))}
"""Those that stand here and in no network of `networks`."""


def passes():
    """Blocks of 32 and 64, rotations that share multipliers by two and by four, beats of one value to eight."""
    sketch = Sketch(40, bits=5, seed=5).product("x", "a", 70, block=32, activation="relu")
    graph = sketch.product("a", "y", 40, block=64).graph()
    built = {
        "l0_circulant": {"in_vec": 1, "out_vec": 2, "mac_rows": 2, "mac_bins": 4},
        "l1_circulant": {"in_vec": 8, "out_vec": 4, "mac_columns": 2, "mac_bins": 2},
    }
    return _valid(design(graph, built=built))


def lstm():
    """Circulant gates, backwards, peepholes, clipped sums, initial states, a projection; a plain one behind it."""
    sketch = Sketch(6, positions=3, bits=6, seed=6).reverse("x", "a")
    sketch.recurrent("a", "b", "lstm", 8, block=4, projection=4, peepholes=True, start=True, bound=1.5)
    graph = sketch.recurrent("b", "y", "lstm", 3, last=True).graph()
    built = {
        "l1_recurrent": {"in_vec": 1, "out_vec": 4, "mac_rows": 8, "mac_columns": 2},
        "l2_recurrent": {"in_vec": 2, "mac_rows": 2, "mac_columns": 2},
    }
    return _valid(design(graph, built=built))


def gru():
    """Both places of the reset, h in one column of the second phase, an RNN behind them; two sequences take turns."""
    sketch = Sketch(5, positions=3, bits=6, seed=7).recurrent("x", "a", "gru", 8, block=4, start=True, bound=0.7)
    sketch.recurrent("a", "b", "gru_after", 4, start=True).reverse("b", "c")
    graph = sketch.recurrent("c", "y", "rnn", 4, block=2, gates=(("relu", ()),)).graph()
    built = {
        "l0_recurrent": {"in_vec": 2, "out_vec": 8, "mac_rows": 4, "mac_columns": 2},
        "l1_recurrent": {"in_vec": 1, "out_vec": 1, "mac_rows": 3, "mac_columns": 2},
        "l3_recurrent": {"in_vec": 4, "out_vec": 1, "mac_rows": 1, "mac_columns": 2},
    }
    return _valid(design(interleaved(graph, 2), built=built))


def started():
    """Cells that begin with states that come, each form; two sequences take turns."""
    sketch = Sketch(5, positions=3, bits=6, seed=8).recurrent("x", "s", "rnn", 8, last=True)
    sketch.recurrent("x", "a", "lstm", 8, block=4, states=("s", "s"), peepholes=True)
    sketch.recurrent("a", "b", "gru", 8, block=2, states=("s",)).recurrent("b", "c", "gru_after", 8, states=("s",))
    graph = sketch.recurrent("c", "y", "rnn", 8, states=("s",), last=True).graph()
    built = {
        "l1_recurrent": {"in_vec": 2, "out_vec": 2, "mac_rows": 4, "mac_columns": 1},
        "l2_recurrent": {"in_vec": 1, "out_vec": 4, "mac_rows": 4, "mac_columns": 2},
        "l4_recurrent": {"out_vec": 2, "mac_rows": 2, "mac_columns": 2},
    }
    return _valid(design(interleaved(graph, 2), built=built))


def _valid(made):
    assert all(getattr(layer.built, "valid", True) for layer in made.schedule.layers)
    return made
