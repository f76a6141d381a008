# SPDX-License-Identifier: Apache-2.0
"""Small legal models to start from: one for each family of operators, ONNX's own node cases, and shared files."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from swm.onnx_io import from_proto, to_proto

node = helper.make_node
F, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
_SMALL = 60_000  # bytes of a shared file or node case


def info(name, kind=F, shape=()):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, weights=None, opset=17, functions=(), **domains):
    graph = helper.make_graph(
        nodes,
        "seed",
        list(inputs),
        [v if not isinstance(v, str) else onnx.ValueInfoProto(name=v) for v in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, v) for d, v in domains.items())]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def mlp(opset=17):
    w = {"w1": normal(8, 6), "b1": normal(8), "w2": normal(8, 8), "w3": normal(8, 4), "v": np.ones(8, np.float32)}
    nodes = [
        node("Gemm", ["x", "w1", "b1"], ["a"], transB=1),
        node("BatchNormalization", ["a", "v", "b1", "b1", "v"], ["b"]),
        node("Relu", ["b"], ["c"]),
        node("MatMul", ["c", "w2"], ["d"]),
        node("Add", ["d", "b1"], ["e"]),
        node("Tanh", ["e"], ["f"]),
        node("MatMul", ["f", "w3"], ["g"]),
        node("Softmax", ["g"], ["y"], axis=1),
    ]
    return model(nodes, [info("x", F, ["batch", 6])], ["y"], w, opset)


def cnn():
    w = {"k1": normal(4, 2, 3, 3), "k2": normal(4, 4, 3, 3), "b": normal(4), "s": np.array([0, -1]), "w": normal(16, 4)}
    nodes = [
        node("Conv", ["x", "k1", "b"], ["a"], pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["c"]),
        node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["d", "k2"], ["e"], auto_pad="SAME_UPPER", dilations=[1, 1]),
        node("LeakyRelu", ["e"], ["f"]),
        node("AveragePool", ["f"], ["g"], kernel_shape=[2, 2], strides=[1, 1], ceil_mode=1),
        node("GlobalAveragePool", ["g"], ["h"]),
        node("Concat", ["h", "h", "h", "h"], ["i"], axis=1),
        node("Reshape", ["i", "s"], ["j"]),
        node("MatMul", ["j", "w"], ["y"]),
    ]
    return model(nodes, [info("x", F, ["n", 2, 6, 6])], ["y"], w)


def upsampler():
    w = {"k": normal(2, 2, 2, 2), "scales": np.array([1, 1, 2, 2], np.float32), "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    nodes = [
        node("ConvTranspose", ["x", "k"], ["a"], strides=[2, 2]),
        node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
        node("Pad", ["b", "p"], ["c"], mode="reflect"),
        node("InstanceNormalization", ["c", "one", "one"], ["d"]),
        node("Constant", [], ["one"], value=numpy_helper.from_array(np.ones(2, np.float32))),
        node("DepthToSpace", ["e"], ["y"], blocksize=1),
        node("Clip", ["d", "low"], ["e"]),
        node("Constant", [], ["low"], value_float=0.0),
    ]
    return model(nodes, [info("x", F, [1, 2, 3, 3])], ["y"], w)


def recurrent(op, gates, **attributes):
    w = {"w": normal(1, gates * 4, 4), "r": normal(1, gates * 4, 4), "b": normal(1, gates * 8)}
    nodes = [
        node(op, ["x", "w", "r", "b"], ["a", "h"], hidden_size=4, **attributes),
        node("Squeeze", ["a", "axes"], ["y"]),
    ]
    return model(nodes, [info("x", F, [3, "n", 4])], ["y", "h"], w | {"axes": np.array([1])})


def attention():
    w = {n: normal(4, 4) for n in ("q", "k", "v", "o")}
    w |= {"g": np.ones(4, np.float32), "t": np.array([0, 2, 1]), "h": np.array(0.5, np.float32)}
    nodes = [
        node("LayerNormalization", ["x", "g"], ["n"], axis=-1),
        *(node("MatMul", ["n", name], [name + "1"]) for name in "qkv"),
        node("Transpose", ["k1"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q1", "kt"], ["s"]),
        node("Mul", ["s", "h"], ["m"]),
        node("Softmax", ["m"], ["p"]),
        node("MatMul", ["p", "v1"], ["z"]),
        node("Einsum", ["z", "o"], ["u"], equation="bij,jk->bik"),
        node("Add", ["u", "x"], ["y"]),
    ]
    return model(nodes, [info("x", F, ["b", 3, 4])], ["y"], w)


def movement():
    w = {"i": np.array([1, 0]), "s": np.array([0]), "e": np.array([4]), "a": np.array([1]), "n": np.array([2, 1, 4])}
    w |= {"sizes": np.array([2, 2]), "r": np.array([1, 2, 1]), "k": np.array([1])}
    nodes = [
        node("Gather", ["x", "i"], ["a1"], axis=1),
        node("Slice", ["x", "s", "e", "a", "k"], ["a2"]),
        node("Split", ["x", "sizes"], ["b1", "b2"], axis=1),
        node("Concat", ["b2", "b1"], ["c"], axis=1),
        node("Tile", ["c", "r"], ["d"]),
        node("Unsqueeze", ["d", "a"], ["f"]),
        node("Squeeze", ["f", "a"], ["g"]),
        node("Shape", ["x"], ["h"]),
        node("ConstantOfShape", ["h"], ["j"], value=helper.make_tensor("v", F, [1], [2.0])),
        node("Expand", ["a2", "n"], ["l"]),
        node("Add", ["j", "l"], ["m"]),
        node("ReduceMean", ["g"], ["o"], axes=[1], keepdims=1),
        node("ArgMax", ["m"], ["y2"], axis=1),
        node("TopK", ["m", "k"], ["t1", "t2"], axis=1),
        node("Cast", ["o"], ["y"], to=TensorProto.DOUBLE),
    ]
    return model(nodes, [info("x", F, [2, 4, 4])], ["y", "y2", "a1", "t2"], w)


def quantized():
    scale, zero = np.array(0.1, np.float32), np.array(3, np.uint8)
    w = {"s": scale, "z": zero, "w": np.arange(16, dtype=np.uint8).reshape(4, 4), "ss": np.full(4, 0.1, np.float32)}
    w |= {"zz": np.zeros(4, np.uint8)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["w", "ss", "zz"], ["wd"], axis=0),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("MatMul", ["d", "wd"], ["m"]),
        node("QLinearMatMul", ["q", "s", "z", "w", "s", "z", "s", "z"], ["n"]),
        node("MatMulInteger", ["n", "w", "z", "zz"], ["i"]),
        node("Cast", ["i"], ["c"], to=F),
        node("Sub", ["c", "m"], ["y"]),
    ]
    return model(nodes, [info("x", F, ["n", 4])], ["y"], w)


def qonnx():
    w = {"s": np.array(0.5, np.float32), "z": np.array(0, np.float32), "b": np.array(4, np.float32), "w": normal(4, 4)}
    domain = "qonnx.custom_op.general"
    nodes = [
        node("Quant", ["w", "s", "z", "b"], ["wq"], domain=domain, signed=1, narrow=0, rounding_mode="ROUND"),
        node("MatMul", ["x", "wq"], ["a"]),
        node("BipolarQuant", ["a", "s"], ["c"], domain=domain),
        node("Quant", ["c", "s", "z", "b"], ["y"], domain=domain, signed=0, narrow=1, rounding_mode="FLOOR"),
    ]
    return model(nodes, [info("x", F, [2, 4])], ["y"], w, **{domain: 1})


def control():
    then = helper.make_graph([node("Relu", ["x"], ["t"])], "then", [], [info("t", F, None)])
    other = helper.make_graph([node("Exp", ["x"], ["e"])], "else", [], [info("e", F, None)])
    body = helper.make_graph(
        [node("Identity", ["c"], ["d"]), node("Add", ["s", "x"], ["s1"]), node("Mul", ["s1", "x"], ["out"])],
        "body",
        [info("i", I64, []), info("c", BOOL, []), info("s", F, None)],
        [info("d", BOOL, []), info("s1", F, None), info("out", F, None)],
    )
    step = helper.make_graph(
        [node("Add", ["u", "v"], ["u1"]), node("Tanh", ["u1"], ["w1"])],
        "step",
        [info("u", F, [2]), info("v", F, [2])],
        [info("u1", F, [2]), info("w1", F, [2])],
    )
    nodes = [
        node("ReduceSum", ["x"], ["r"], keepdims=0),
        node("Cast", ["r"], ["p"], to=BOOL),
        node("If", ["p"], ["a"], then_branch=then, else_branch=other),
        node("Loop", ["n", "go", "a"], ["last", "all"], body=body),
        node("Scan", ["last0", "last2"], ["f", "y"], body=step, num_scan_inputs=1),
        node("Gather", ["x", "zero"], ["last0"]),
        node("Add", ["last", "x"], ["last2"]),
    ]
    return model(
        nodes,
        [info("x", F, [3, 2])],
        ["y", "all"],
        {"n": np.array(3), "go": np.array(True), "zero": np.array(0)},
    )


def functions():
    inner = helper.make_function(
        "my", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    leaky = node("LeakyRelu", ["t"], ["b"])
    leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    outer = helper.make_function(
        "my",
        "Outer",
        ["a"],
        ["b"],
        [node("Twice", ["a"], ["t"], domain="my"), leaky],
        [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)],
        ["slope"],
    )
    nodes = [
        node("Outer", ["x"], ["h"], domain="my", slope=0.1),
        node("MatMul", ["h", "w"], ["y"]),
    ]
    return model(nodes, [info("x", F, [2, 4])], ["y"], {"w": normal(4, 4)}, functions=[inner, outer], my=1)


def sequences():
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(F, None))
    given = helper.make_value_info("xs", kind)
    nodes = [
        node("SequenceAt", ["xs", "i"], ["a"]),
        node("SequenceInsert", ["xs", "a"], ["more"]),
        node("ConcatFromSequence", ["more"], ["b"], axis=0),
        node("SplitToSequence", ["b"], ["parts"], axis=0),
        node("SequenceLength", ["parts"], ["n"]),
        node("Optional", ["a"], ["o"]),
        node("OptionalGetElement", ["o"], ["y"]),
    ]
    return model(nodes, [given], ["y", "n"], {"i": np.array(0)})


def text():
    nodes = [
        node("StringNormalizer", ["x"], ["a"], case_change_action="LOWER", is_case_sensitive=0),
        node("TfIdfVectorizer", ["i"], ["y"], max_gram_length=1, max_skip_count=0, min_gram_length=1, mode="TF",
             ngram_counts=[0], ngram_indexes=[0, 1], pool_int64s=[1, 2]),
        node("LabelEncoder", ["a"], ["z"], domain="ai.onnx.ml", keys_strings=["a", "b"], values_int64s=[1, 2]),
    ]  # fmt: skip
    given = [info("x", TensorProto.STRING, [2]), info("i", I64, [3])]
    return model(nodes, given, ["y", "z"], **{"ai.onnx.ml": 2})


def sparse():
    found = model([node("MatMul", ["x", "w"], ["y"])], [info("x", F, [2, 4])], ["y"])
    values = numpy_helper.from_array(np.float32([1, 2, 3]), "w")
    indices = numpy_helper.from_array(np.array([0, 5, 10]), "where")
    found.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4, 4]))
    return found


def zoo():
    """Operators that are carried along, each on its own branch."""
    calls = {
        "CumSum": ["x", "a"], "GatherND": ["x", "nd"], "ScatterElements": ["x", "se", "x1"],
        "OneHot": ["nd1", "depth", "pair"], "Range": ["a", "depth", "one"], "NonZero": ["x"], "Unique": ["x"],
        "Where": ["cond", "x", "x"], "Trilu": ["x"], "Det": ["x"], "Hardmax": ["x"], "IsNaN": ["x"],
        "LpNormalization": ["x"], "EyeLike": ["x"], "ReverseSequence": ["x", "lens"], "Compress": ["x", "pair1"],
        "Mod": ["nd1", "nd1"], "RandomNormalLike": ["x"],
    }  # fmt: skip
    nodes = [node(op, inputs, [f"o{op}"]) for op, inputs in calls.items()]
    w = {"a": np.array(1), "nd": np.array([[0, 1]]), "nd1": np.array([0, 1]), "depth": np.array(4), "one": np.array(1)}
    w |= {"pair": np.float32([0, 1]), "se": np.zeros((2, 2), np.int64), "x1": np.ones((2, 2), np.float32)}
    w |= {"cond": np.array([True, False]), "lens": np.array([2, 2]), "pair1": np.array([True, False])}
    return model(nodes, [info("x", F, [2, 2])], [n.output[0] for n in nodes], w)


def structured():
    from swm.compress import convert  # a file that swm wrote itself

    return to_proto(convert(from_proto(mlp()), None, block=2, method="projection").graph)


BUILT = {
    "mlp": mlp, "mlp_old": lambda: mlp(9), "mlp_very_old": lambda: _very_old(), "cnn": cnn, "upsampler": upsampler,
    "lstm": lambda: recurrent("LSTM", 4), "gru": lambda: recurrent("GRU", 3, linear_before_reset=1),
    "rnn": lambda: recurrent("RNN", 1, activations=["Relu"]), "attention": attention, "movement": movement,
    "quantized": quantized, "qonnx": qonnx, "control": control, "functions": functions, "sequences": sequences,
    "text": text, "sparse": sparse, "zoo": zoo, "structured": structured,
}  # fmt: skip


def _very_old() -> ModelProto:
    """Opset 6: through onnx's version converter."""
    w = {"w": normal(4, 4), "b": normal(4)}
    nodes = [
        node("Gemm", ["x", "w", "b"], ["a"], broadcast=1),
        node("Add", ["a", "b"], ["c"], broadcast=1, axis=1),
        node("Relu", ["c"], ["y"]),
    ]
    found = model(nodes, [info("x", F, [2, 4]), info("w", F, [4, 4]), info("b", F, [4])], [info("y", F, [2, 4])], w, 6)
    found.ir_version = 3
    return found


def built() -> dict[str, bytes]:
    """The seeds made here, by name."""
    return {name: make().SerializeToString() for name, make in BUILT.items()}


def cases() -> Iterator[tuple[str, bytes]]:
    """ONNX's node cases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        for case in collect_testcases(None):
            yield case.name, case.model.SerializeToString()


def shared(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Small model files."""
    for path in sorted(folder.rglob("*.onnx")):
        if 0 < path.stat().st_size <= _SMALL:
            yield str(path.relative_to(folder)), path.read_bytes()


def everything(folder: Path) -> dict[str, bytes]:
    """All seeds by name; those of the folder if it exists."""
    found = built() | {n: data for n, data in cases() if len(data) <= _SMALL}
    return found | dict(shared(folder)) if folder.is_dir() else found
