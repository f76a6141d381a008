# SPDX-License-Identifier: Apache-2.0
"""A few nodes put before a model that ask for absurd memory, time or depth."""

from itertools import pairwise
from random import Random

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["bomb"]

node = helper.make_node
_SIZES = (1, 7, 1000, 2**20, 2**28, 2**30, 2**31, 2**33, 2**40, 2**62, -1)


def bomb(r: Random, model: ModelProto) -> None:
    """Put the nodes in front, and let some node of the model read what they make."""
    graph = model.graph
    kind = r.choice(_KINDS)
    size = r.choice(_SIZES)
    source = graph.input[0].name if graph.input else "bomb_one"
    made, held = kind(r, size, r.choice((source, "bomb_one")))
    held = {"bomb_one": np.ones((1, 2, 2, 2), np.float32), "bomb_size": np.array([size]), **held}
    present = {t.name for t in graph.initializer}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(v), n) for n, v in held.items() if n not in present)
    rest = [NodeProto.FromString(n.SerializeToString()) for n in graph.node]
    del graph.node[:]
    graph.node.extend([*made, *rest])
    readers = [n for n in graph.node[len(made) :] if n.input]
    if readers and r.random() < 0.7:
        reader = r.choice(readers)
        reader.input[r.randrange(len(reader.input))] = "bomb"
    else:
        graph.output.append(helper.make_tensor_value_info("bomb", 1, None))


def _expand(r, size, x):
    return [node("Expand", [x, "bomb_size"], ["bomb"])], {"bomb_size": np.array([size, 1, 1, 1, 1])}


def _constant_of_shape(r, size, x):
    value = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    return [node("ConstantOfShape", ["bomb_size"], ["bomb"], value=value)], {}


def _tile(r, size, x):
    return [node("Tile", [x, "bomb_repeats"], ["bomb"])], {"bomb_repeats": np.array([1, size, size, 1])}


def _range(r, size, x):
    return [node("Range", ["bomb_0", "bomb_n", "bomb_1"], ["bomb"])], {
        "bomb_0": np.array(0), "bomb_n": np.array(size), "bomb_1": np.array(r.choice((0, 1, -1))),
    }  # fmt: skip


def _pad(r, size, x):
    pads = [0, 0, size, r.choice((0, size, -size)), 0, 0, 0, size]
    return [node("Pad", [x, "bomb_pads"], ["bomb"], mode=r.choice(("constant", "edge", "reflect", "wrap")))], {
        "bomb_pads": np.array(pads)
    }


def _resize(r, size, x):
    scales = np.array([1, 1, float(size), float(size)], np.float32)
    mode = r.choice(("nearest", "linear", "cubic"))
    return [node("Resize", [x, "", "bomb_scales"], ["bomb"], mode=mode)], {"bomb_scales": scales}


def _one_hot(r, size, x):
    return [node("OneHot", ["bomb_at", "bomb_size", "bomb_pair"], ["bomb"])], {
        "bomb_at": np.array([0, 1, 2]), "bomb_pair": np.float32([0, 1]),
    }  # fmt: skip


def _random(r, size, x):
    return [node(r.choice(("RandomNormal", "RandomUniform")), [], ["bomb"], shape=[size, r.choice((1, 1024))])], {}


def _eye(r, size, x):
    return [
        node("ConstantOfShape", ["bomb_size2"], ["bomb_z"]),
        node("EyeLike", ["bomb_z"], ["bomb"]),
    ], {"bomb_size2": np.array([size, size])}


def _doubling(r, size, x):
    count = r.choice((5, 25, 40, 60))
    names = [x, *(f"bomb_{i}" for i in range(count)), "bomb"]
    made = [node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    return made, {}


def _outer(r, size, x):
    """Broadcasting to the product of two lengths."""
    return [
        node("Range", ["bomb_0", "bomb_n", "bomb_1"], ["bomb_a"]),
        node("Unsqueeze", ["bomb_a", "bomb_axis"], ["bomb_b"]),
        node(r.choice(("Add", "Mul", "Less", "MatMul")), ["bomb_a", "bomb_b"], ["bomb"]),
    ], {"bomb_0": np.array(0), "bomb_n": np.array(size), "bomb_1": np.array(1), "bomb_axis": np.array([1])}


def _conv(r, size, x):
    weight = np.ones((2, 2, 2, 2), np.float32)
    options = r.choice(({"pads": [size] * 4}, {"dilations": [size, size]}, {"strides": [size, size]}, {"group": size}))
    op = r.choice(("Conv", "ConvTranspose"))
    return [node(op, [x, "bomb_w"], ["bomb"], **options)], {"bomb_w": weight}


def _pool(r, size, x):
    options = r.choice(({"pads": [size] * 4}, {"dilations": [size, size]}, {"strides": [size, size]}, {}))
    op = r.choice(("MaxPool", "AveragePool", "LpPool"))
    kernel = [r.choice((2, size)), 2]
    return [node(op, [x], ["bomb"], kernel_shape=kernel, **options)], {}


def _loop(r, size, x):
    """Any number of turns, collecting or doubling."""
    body = helper.make_graph(
        [
            node("Identity", ["lc"], ["lc1"]),
            node(*r.choice((("Abs", ["ls"], ["lo"]), ("Concat", ["ls", "ls"], ["lo"])))),
        ],
        "body",
        [
            helper.make_tensor_value_info("li", 7, []),
            helper.make_tensor_value_info("lc", 9, []),
            helper.make_tensor_value_info("ls", 1, None),
        ],
        [helper.make_tensor_value_info(n, k, None) for n, k in (("lc1", 9), ("lo", 1))],
    )
    if body.node[1].op_type == "Concat":
        body.node[1].attribute.append(helper.make_attribute("axis", 0))
    if r.random() < 0.4:
        body.output.append(helper.make_tensor_value_info("lo", 1, None))
        outs = ["bomb_last", "bomb"]
    else:
        outs = ["bomb"]
    return [node("Loop", ["bomb_n", "bomb_go", x], outs, body=body)], {
        "bomb_n": np.array(size),
        "bomb_go": np.array(True),
    }


def _depth(r, size, x):
    """A long thin chain."""
    count = r.choice((100, 1000, 5000))
    names = [x, *(f"bomb_{i}" for i in range(count)), "bomb"]
    op = r.choice(("Relu", "Identity", "Neg", "Transpose", "Exp"))
    return [node(op, [a], [b]) for a, b in pairwise(names)], {}


def _many_casts(r, size, x):
    """One constant folded into many larger ones."""
    count = r.choice((3, 300))
    made = [node("Cast", ["bomb_big"], [f"bomb_{i}"], to=r.choice((1, 7, 11))) for i in range(count)]
    return [*made, node("Sum", [f"bomb_{i}" for i in range(count)], ["bomb"])], {"bomb_big": np.zeros(1 << 14, np.int8)}


def _einsum(r, size, x):
    letters = "abcdefghijklmnopqrstuvwxyz"[: r.choice((2, 8, 20, 26))]
    equation = ",".join(letters) + "->" + r.choice((letters, "", letters[::-1]))
    return [node("Einsum", ["bomb_v"] * len(letters), ["bomb"], equation=equation)], {"bomb_v": np.ones(4, np.float32)}


def _sequence(r, size, x):
    kind = r.choice((1, 7, 8, 99))
    return [
        node("SequenceEmpty", [], ["bomb_s"], dtype=kind),
        node("SequenceInsert", ["bomb_s", x], ["bomb_t"]),
        node("ConcatFromSequence", ["bomb_t"], ["bomb"], axis=r.choice((0, 1, -1, size))),
    ], {}


_KINDS = (
    _expand, _constant_of_shape, _tile, _range, _pad, _resize, _one_hot, _random, _eye, _doubling, _outer, _conv, _pool,
    _loop, _depth, _many_casts, _einsum, _sequence,
)  # fmt: skip
