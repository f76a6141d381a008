# SPDX-License-Identifier: Apache-2.0
"""Small networks that several test folders share."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def mlp(
    widths=(20, 24, 16, 5), activation="Relu", *, seed=0, opset=17, tail=(), name="mlp", names=None, batch="batch"
) -> onnx.ModelProto:
    """Gemm layers with `activation` between them; `tail` operators follow the last one."""
    rng = np.random.default_rng(seed)
    nodes, weights, tensor = [], [], "x"
    names = names or [f"fc{i}" for i in range(len(widths) - 1)]
    for i, (n, m) in enumerate(pairwise(widths)):
        weights += [
            numpy_helper.from_array((rng.normal(size=(m, n)) / np.sqrt(n)).astype(np.float32), f"w{i}"),
            numpy_helper.from_array((rng.normal(size=m) / 4).astype(np.float32), f"b{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [tensor, f"w{i}", f"b{i}"], [f"h{i}"], name=names[i], transB=1))
        tensor = f"h{i}"
        if i < len(widths) - 2:
            nodes.append(helper.make_node(activation, [tensor], [f"a{i}"], name=f"act{i}"))
            tensor = f"a{i}"
    for i, op in enumerate(tail):
        nodes.append(helper.make_node(op, [tensor], [f"t{i}"], name=f"tail{i}"))
        tensor = f"t{i}"
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, widths[0]])],
        [helper.make_tensor_value_info(tensor, TensorProto.FLOAT, [batch, widths[-1]])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def write_mlp(path, **options):
    """Save `mlp(**options)` and return the path as text."""
    onnx.save(mlp(**options), str(path))
    return str(path)


def inputs(samples=64, width=20, seed=1):
    """Smooth, correlated inputs: what calibration sees in practice is never white noise."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(samples, 8)) @ rng.normal(size=(8, width)) / 3).astype(np.float32)
