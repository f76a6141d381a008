# SPDX-License-Identifier: Apache-2.0
"""Networks that hold every kind and form that has RTL, each with another width and parallelism."""

from __future__ import annotations

import numpy as np
from emit.designs import WINDOW, Sketch, convolutions, groups, images, of_nodes
from layers.activations import EXAMPLES
from rtl.many_networks import design

from swm.graph import (
    AveragePool,
    DepthToSpace,
    GlobalAveragePool,
    GlobalMaxPool,
    Linear,
    MaxPool,
    Mul,
    Pad,
    Relu,
    Reshape,
    Transpose,
)
from swm.structure import BlockCirculant, project

BITS = (4, 8, 12, 16)
NAMES = (
    *(f"{bits} bits" for bits in BITS),
    "convolutions",
    "groups",
    "images",
    "mean of all",
    "greatest of all",
    "gates",
    "attention",
    "heads outside",
    "around",
    "flattened",
)


ACTIVATIONS = [name for name in EXAMPLES if name != "identity"]


def every_kind(bits, positions=1):
    """Every kind, blocks of 2 to 16, a path around, a join; the four widths have every activation between them."""
    sketch = Sketch(20, bits=bits, positions=positions, seed=bits)
    turn = BITS.index(bits) * len(ACTIVATIONS) // len(BITS)
    a, b, c, d, e, f = (ACTIVATIONS[(turn + 3 * i) % len(ACTIVATIONS)] for i in range(6))
    sketch.product("x", "a", 18, block=2, positions=positions, activation=a)
    sketch.product("a", "b", 18, block=4, positions=positions, activation=b).add("a", "b", "c", activation=c)
    sketch.product("c", "d", 24, block=8, positions=positions, activation="identity").concat(["d", "a"], "e")
    sketch.scale("e", "f", activation=d).product("f", "g", 20, block=16, positions=positions, activation=e)
    sketch.prelu("g", "h").normalize("h", "i").product("i", "y", 7, positions=positions, activation=f)
    return sketch.graph()


CIRCULANT2, CIRCULANT4, CIRCULANT8, CIRCULANT16 = "l0_circulant", "l1_circulant", "l3_circulant", "l6_circulant"
ADD, CONCAT, SCALE, PRELU = "l2_add", "l4_concat", "l5_scale", "l7_prelu"
NORM, DENSE = "l8_layernorm", "l9_dense"


def pooled(last, bits):
    """Pooling, a cut, channels as pixels, and pooling over all that is left."""
    alike = {**WINDOW, "kernel": (2, 2), "pads": (0, 0, 0, 0), "strides": (1, 1)}
    steps = [
        (MaxPool, "a", (4, 3, 3), {"kernel": (3, 2), "strides": (2, 1), "dilations": (1, 2), "pads": (1, 1, 1, 0)}),
        (AveragePool, "b", (4, 2, 2), alike),
        (Pad, "c", (4, 4, 1), {"pads": (0, 0, 1, 0, 0, 0, 1, -1), "value": -0.5}),
        *([(DepthToSpace, "d", (1, 8, 2), {"block": 2})] if last is GlobalMaxPool else []),
        (last, "y", (1 if last is GlobalMaxPool else 4, 1, 1), {}),
    ]
    return of_nodes(steps, (4, 5, 4), bits, "pooled")


def gates():
    """A factor a channel for all positions, channels of two groups that change places, a factor for each value."""
    steps = [
        (GlobalAveragePool, "g", (6, 1, 1), {}),
        (Mul, "h", (6, 3, 2), {"inputs": ("g", "x")}),
        (Reshape, "s", (2, 3, 3, 2), {"shape": (-1, 2, 3, 3, 2)}),
        (Transpose, "t", (3, 2, 3, 2), {"perm": (0, 2, 1, 3, 4)}),
        (Reshape, "u", (6, 3, 2), {"shape": (-1, 6, 3, 2)}),
        (Mul, "m", (6, 3, 2), {"inputs": ("u", "x")}),
        (Relu, "y", (6, 3, 2), {}),
    ]
    return of_nodes(steps, (6, 3, 2), 11, "gates")


def flattened():
    """Nine positions of an image as one token of circulant blocks, in beats that go on from channel to channel."""
    blocks = BlockCirculant(project(np.random.default_rng(1).normal(size=(8, 54)) / 7, 4).astype(np.float32), (8, 54))
    steps = [
        (MaxPool, "a", (6, 3, 3), {**WINDOW, "kernel": (2, 2), "pads": (0, 0, 0, 0), "strides": (1, 1)}),
        (Reshape, "b", (54,), {"shape": (-1, 54)}),
        (Linear, "y", (8,), {"weight": blocks}),
    ]
    return of_nodes(steps, (6, 4, 4), 8, "flattened")


def around():
    """A product that waits, full, for what goes a longer way around it: how much it holds decides the interval."""
    sketch = Sketch(8, positions=6, bits=6, seed=9)
    for source, target in ("xa", "ab", "bc", "xd"):
        sketch.product(source, target, 8, positions=6)
    return sketch.add("c", "d", "y").graph()


def attention(bits, *, positions=4, inside=True, exact=False, half=1, shared=1, masked=False):
    """A class token, a normalisation, two heads whose keys and values are kept; heads inside the rows or outside.

    Queries are turned by angles of their position; heads may share keys and values, and later tokens be hidden.
    """
    sketch = Sketch(6, positions=positions, bits=bits, seed=bits).offset("x", "p", before=1, after=1, activation="relu")
    sketch.normalize("p", "n", kind_name="rmsnorm").offset("n", "o", activation="tanh")
    count = positions + 2
    for name in "qkv":
        sketch.product("o", name, 6 if name == "q" else 6 // shared, positions=count)
    sketch.rotate("q", "r", half=half, each=2 if masked else 1, activation="relu" if masked else "identity")
    stored = {"heads": 2, "inside": inside, "stored_inside": inside, "shared": shared}
    sketch.mix("r", "k", "s", inner=3, **stored)
    hidden = np.triu(np.ones((count, count), bool), 1) if masked else None
    sketch.softmax("s", "t", factor=2.0, exact=exact, hidden=hidden, each=2 if inside else 1)
    sketch.mix("t", "v", "m", inner=count, along_inner=False, **stored)
    return sketch.product("m", "y", 3, positions=count).graph()


def vec(words):
    return {"in_vec": words, "out_vec": words}


def designs():
    """One of each width; parallelism differs, so that every branch of the modules is built once at least."""
    yield design(every_kind(4, positions=2))
    yield design(
        every_kind(8),  # pairs of rows share multipliers, others multiply in LUTs
        built={
            CIRCULANT2: {"in_vec": 4, "mac_columns": 2, "mac_rows": 2, "products": 4, "packed": 1},
            CIRCULANT4: {"out_vec": 2, "mac_bins": 2, "mac_rows": 3, "mac_columns": 2, "fabric_rows": 1},
            CIRCULANT8: {"in_vec": 2, "out_vec": 4, "mac_rows": 2, "mac_bins": 2, "products": 4, "packed": 1},
            CIRCULANT16: {"in_vec": 4, "mac_bins": 8, "storage": "lutram"},
            ADD: vec(2),
            CONCAT: vec(8),
            DENSE: {"in_vec": 2, "rows": 4, "columns": 4, "out_vec": 2, "packed": 1, "fabric_rows": 2},
        },
        ends=(4, 1),
    )
    yield design(
        every_kind(12, positions=3),
        built={
            CIRCULANT2: {"in_vec": 1, "out_vec": 4, "mac_rows": 4},
            CIRCULANT4: {"in_vec": 8, "out_vec": 8, "mac_columns": 2, "mac_rows": 2},
            CIRCULANT8: {"in_vec": 16, "out_vec": 16, "mac_columns": 2, "mac_rows": 2, "mac_bins": 4},
            CIRCULANT16: {"in_vec": 16, "out_vec": 2, "mac_columns": 3, "mac_bins": 2},
            SCALE: vec(4),
            PRELU: vec(2),
            NORM: vec(4),
            DENSE: {"in_vec": 4, "rows": 7, "columns": 8, "out_vec": 4},
        },
        ends=(1, 4),
    )
    yield design(
        every_kind(16),
        built={CIRCULANT8: {"mac_bins": 4}, CIRCULANT16: {"out_vec": 32, "mac_rows": 2}, DENSE: {"columns": 2}},
        ends=(2, 2),
        board="pynq-z2",
    )
    # Channels or blocks, rows and columns of kernels side by side, products in LUTs.
    yield design(
        convolutions(),
        built={
            "l0_conv": {"in_vec": 2, "tap_rows": 3, "columns": 6, "rows": 2, "out_vec": 2},
            "l1_circulant_conv": {"in_vec": 8, "tap_columns": 3, "mac_columns": 6, "mac_bins": 2},
            "l2_depthwise": {**vec(2), "tap_rows": 3, "fabric": 1},
        },
    )
    # Groups of channels take turns: several rows of one, several groups of rows, whole blocks.
    yield design(
        groups(),
        built={
            "l0_conv": {"in_vec": 2, "tap_columns": 2, "columns": 4, "rows": 6, "out_vec": 2},
            "l1_circulant_conv": {"in_vec": 8, "out_vec": 8, "mac_columns": 2, "mac_rows": 4},
            "l2_circulant_conv": {"in_vec": 4, "out_vec": 4, "tap_rows": 2, "mac_columns": 2, "mac_bins": 4},
        },
    )
    yield design(
        images(),
        built={
            "l0_node_a": {**vec(2), "tap_rows": 3, "tap_columns": 3},
            "l1_node_b": vec(2),
            "l2_node_c": vec(4),
            "l3_node_d": {**vec(4), "tap_rows": 2},
            "l4_reorder": vec(4),
        },
    )
    yield design(pooled(GlobalAveragePool, 9), built={"l0_node_a": {"tap_rows": 3}, "l3_node_y": vec(2)})
    yield design(pooled(GlobalMaxPool, 6), built={"l1_node_b": {"tap_rows": 2, "tap_columns": 2}})
    yield design(gates(), built={"l1_node_h": vec(4), "l2_reorder": vec(2), "l3_node_m": vec(2)})
    yield design(
        attention(8, half=3, shared=2, masked=True),  # pairs lie in two beats
        built={
            "l0_offset": vec(4),
            "l1_rmsnorm": vec(4),
            "l7_matmul": {"in_vec": 1, "rows": 4, "columns": 2},
            "l8_softmax": vec(4),
            "l9_matmul": {"in_vec": 2, "out_vec": 1, "rows": 2, "columns": 4},
        },
    )
    yield design(
        attention(11, positions=3, inside=False, exact=True),
        built={
            "l1_rmsnorm": vec(2),
            "l6_rotary": vec(4),
            "l7_matmul": {"in_vec": 2, "out_vec": 4, "rows": 5, "columns": 4},
            "l8_softmax": vec(2),
            "l9_matmul": {"in_vec": 1, "out_vec": 2, "rows": 2, "columns": 2},
        },
    )
    yield design(around(), built={f"l{i}_dense": {"rows": 8} for i in range(4)})
    yield design(flattened(), built={"l1_reorder": vec(16)})
