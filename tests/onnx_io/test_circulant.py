# SPDX-License-Identifier: Apache-2.0
"""Block-circulant layers in ONNX files: any runtime runs them, and swm reads them back bit for bit."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import FunctionProto, TensorProto, helper

from swm.graph import Graph, Linear, Opaque, Relu, TensorType, Value
from swm.onnx_io import from_proto, load, save, to_proto
from swm.structure import BlockCirculant, Dense

from .support import NEWEST_RUN, OPSETS, assert_same, run


def layers(specs, *, opset=17, bias=True, seed=0, batch="batch"):
    """A network of block-circulant layers given as (m, n, k), each followed by Relu."""
    rng = np.random.default_rng(seed)
    nodes, tensor = [], "x"
    for i, (m, n, k) in enumerate(specs):
        columns = rng.standard_normal((-(-m // k), -(-n // k), k)).astype(np.float32)
        nodes += [
            Linear(
                name=f"fc{i}",
                inputs=(tensor,),
                outputs=(f"h{i}",),
                weight=BlockCirculant(columns, (m, n)),
                bias=rng.standard_normal(m).astype(np.float32) if bias else None,
            ),
            Relu(name=f"relu{i}", inputs=(f"h{i}",), outputs=(f"r{i}",)),
        ]
        tensor = f"r{i}"
    return Graph(
        name="net",
        inputs=(Value("x", TensorType(TensorProto.FLOAT, (batch, specs[0][1]))),),
        outputs=(Value(tensor, TensorType(TensorProto.FLOAT, (batch, specs[-1][0]))),),
        nodes=tuple(nodes),
        types={"x": TensorType(TensorProto.FLOAT, (batch, specs[0][1]))},
        opset=opset,
        metadata={"made": "by hand"},
    ).verify()


def dense_answer(graph, x):
    for node in graph.nodes:
        if isinstance(node, Linear):
            x = x @ node.weight.to_dense().T + (0 if node.bias is None else node.bias)
        else:
            x = np.maximum(x, 0)
    return x


@pytest.mark.parametrize("opset", [*OPSETS, NEWEST_RUN])
@pytest.mark.parametrize("shape", [(16, 24, 8), (10, 30, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_every_opset(opset, shape, bias):
    graph = layers([shape], opset=opset, bias=bias)
    model = to_proto(graph)
    onnx.checker.check_model(model, full_check=True)
    x = np.random.default_rng(1).standard_normal((3, shape[1])).astype(np.float32)
    assert_same([dense_answer(graph, x)], run(model, {"x": x}))
    check_read_back(graph, from_proto(model))


@pytest.mark.parametrize("k", [2, 4, 8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("extra", [0, 1, -1])
def test_every_block_size(k, extra):
    graph = layers([(2 * k + extra, 3 * k - extra, k)])
    x = np.random.default_rng(2).standard_normal((2, 3 * k - extra)).astype(np.float32)
    model = to_proto(graph)
    assert_same([dense_answer(graph, x)], run(model, {"x": x}))
    check_read_back(graph, from_proto(model))


def check_read_back(graph, back):
    assert [type(n) for n in back.nodes] == [type(n) for n in graph.nodes]
    for before, after in zip(graph.linear(), back.linear(), strict=True):
        assert isinstance(after.weight, BlockCirculant)
        assert after.weight.columns.tobytes() == before.weight.columns.tobytes()
        assert after.weight.columns.shape == before.weight.columns.shape
        assert after.weight.shape == before.weight.shape
        assert (after.bias is None) == (before.bias is None)
        if before.bias is not None:
            assert after.bias.tobytes() == before.bias.tobytes()
    assert back.metadata == graph.metadata
    assert not back.functions
    saved = to_proto(back)  # has the types that inference found, which a graph made by hand lacks
    assert to_proto(from_proto(saved)).SerializeToString(deterministic=True) == saved.SerializeToString(
        deterministic=True
    )


def test_one_function_for_each_shape():
    model = to_proto(layers([(16, 16, 8), (16, 16, 8), (16, 16, 4), (10, 16, 8)]))
    assert [f.name for f in model.functions] == [
        "BlockCirculant_16x16_k8",
        "BlockCirculant_16x16_k4",
        "BlockCirculant_10x16_k8",
    ]
    assert all("(r - c) mod" in f.doc_string for f in model.functions)


def test_the_file_is_as_small_as_the_columns_and_folds_into_one_product(tmp_path):
    graph = layers([(512, 784, 64)], batch=1)
    save(graph, tmp_path / "small.onnx")
    assert (tmp_path / "small.onnx").stat().st_size < 8 * 13 * 64 * 4 + 8000
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(tmp_path / "small.onnx"), options, providers=["CPUExecutionProvider"])
    optimised = onnx.load(tmp_path / "optimised.onnx")
    kinds = [n.op_type for n in optimised.graph.node]
    assert set(kinds) <= {"Add", "FusedGemm", "Gemm", "MatMul", "Relu"}
    assert len([kind for kind in kinds if kind not in ("Add", "Relu")]) == 1


def test_a_function_with_another_body_is_not_ours():
    model = to_proto(layers([(16, 16, 8)], bias=False))
    sub = next(n for n in model.functions[0].node if n.op_type == "Sub")
    sub.input[:] = reversed(sub.input)  # the other convention: first row
    graph = from_proto(model)
    assert isinstance(graph.nodes[0], Opaque)
    x = np.ones((1, 16), np.float32)
    assert_same(run(model, {"x": x}), run(to_proto(graph), {"x": x}))


def test_a_name_taken_by_a_foreign_function_is_avoided():
    model = to_proto(layers([(16, 16, 8)], bias=False))
    next(n for n in model.functions[0].node if n.op_type == "Sub").input[:] = ["cols", "rows"]
    graph = from_proto(model)
    extra = layers([(16, 16, 8)], bias=False).nodes[0]
    last = graph.outputs[0].name
    more = Linear(name="more", inputs=(last,), outputs=("z",), weight=extra.weight)
    both = Graph(
        **{**vars(graph), "nodes": (*graph.nodes, more), "outputs": (Value("z", TensorType(TensorProto.FLOAT, None)),)}
    )
    saved = to_proto(both)
    assert len({f.name for f in saved.functions}) == 2
    assert isinstance(from_proto(saved).nodes[-1].weight, BlockCirculant)


def test_other_functions_and_their_calls_are_carried():
    body = [helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Add", ["r", "r"], ["b"])]
    function = helper.make_function("my.domain", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["y"], domain="my.domain")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (2, 3))],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("my.domain", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8)
    got = from_proto(model)
    assert isinstance(got.nodes[0], Opaque)
    assert [FunctionProto.FromString(f).name for f in got.functions] == ["Twice"]
    x = np.ones((2, 3), np.float32)
    assert_same(run(model, {"x": x}), run(to_proto(got), {"x": x}))


def test_mixed_with_dense_layers(tmp_path):
    graph = layers([(16, 24, 8), (10, 16, 2)])
    dense = graph.nodes[2]
    graph = graph.with_replaced(
        dense,
        Linear(
            name=dense.name,
            inputs=dense.inputs,
            outputs=dense.outputs,
            weight=Dense(dense.weight.to_dense()),
            bias=dense.bias,
        ),
    )
    path = tmp_path / "mixed.onnx"
    save(graph, path)
    x = np.random.default_rng(3).standard_normal((5, 24)).astype(np.float32)
    assert_same([dense_answer(graph, x)], run(str(path), {"x": x}))
    assert [type(n.weight) for n in load(path).linear()] == [BlockCirculant, Dense]
