# SPDX-License-Identifier: Apache-2.0
"""Damaged bytes: whatever they are, `load` gives a graph or a SwmError."""

import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, helper, numpy_helper

from swm.errors import SwmError
from swm.onnx_io import from_proto, load, to_proto

from .support import make_model
from .test_circulant import layers

node = helper.make_node


def mlp():
    rng = np.random.default_rng(0)
    nodes = [
        node("Flatten", ["x"], ["f"]),
        node("Gemm", ["f", "W", "b"], ["h"], alpha=0.5, transB=1),
        node("BatchNormalization", ["h", "b", "b", "b", "v"], ["n"]),
        node("Dropout", ["n"], ["d"]),
        node("Relu", ["d"], ["r"]),
        node("Cast", ["r"], ["c"], to=1),
        node("Reshape", ["c", "s"], ["q"]),
        node("MatMul", ["q", "V"], ["m"]),
        node("Div", ["m", "k"], ["t"]),
        node("Constant", [], ["k"], value=numpy_helper.from_array(np.float32([2, 4]))),
        node("Softmax", ["t"], ["y"], axis=1),
    ]
    weights = {
        "W": rng.standard_normal((3, 4)).astype(np.float32),
        "b": rng.standard_normal(3).astype(np.float32),
        "v": np.ones(3, np.float32),
        "s": np.array([-1, 3], np.int64),
        "V": rng.standard_normal((3, 2)).astype(np.float32),
    }
    return make_model(nodes, {"x": (1, 2, 2)}, {"y": (1, 2)}, weights, opset=11)


def branches():
    def branch(op):
        out = [helper.make_tensor_value_info("o" + op, 1, None)]
        return helper.make_graph([node(op, ["x"], ["o" + op])], op, [], out)

    nodes = [
        node("Cast", ["s"], ["c"], to=9),
        node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Exp")),
    ]
    return make_model(nodes, {"x": (2,), "s": ()}, {"y": None})


def operators():
    """One of most forms of typed nodes, in a row that need not compute anything."""
    nodes = [
        node("Pad", ["x", "pads", "value"], ["a"]),
        node("MaxPool", ["a"], ["b"], kernel_shape=[2, 2], auto_pad="SAME_UPPER", strides=[2, 2]),
        node("AveragePool", ["b"], ["c"], kernel_shape=[1, 1], pads=[0, 0, 0, 0], count_include_pad=1),
        node("Split", ["c", "sizes"], ["d", "e"], axis=1),
        node("Concat", ["e", "d"], ["f"], axis=-3),
        node("Slice", ["f", "starts", "ends", "axes", "starts1"], ["g"]),
        node("Clip", ["g", "value"], ["h"]),
        node("ReduceMean", ["h", "axes"], ["i"], keepdims=1),
        node("Resize", ["i", "", "scales"], ["j"], mode="linear"),
        node("Squeeze", ["j", "axes"], ["k"]),
        node("Unsqueeze", ["k", "axes"], ["l"]),
        node("Transpose", ["l"], ["m"], perm=[0, 1, 3, 2]),
        node("QuantizeLinear", ["m", "value"], ["n"], axis=1),
        node("DequantizeLinear", ["n", "value"], ["o"]),
        node("Quant", ["o", "value", "value", "bits"], ["p"], domain="onnx.brevitas", signed=1, rounding_mode="UP"),
        node("LayerNormalization", ["p", "value"], ["q"], axis=-1),
        node("Einsum", ["q", "q"], ["r"], equation="abij,abkj->abik"),
        node("ArgMax", ["r"], ["s"], axis=1),
        node("Gather", ["r", "s"], ["t"], axis=2),
        node("Expand", ["t", "shape"], ["u"]),
        node("Gelu", ["u"], ["y"], approximate="tanh"),
    ]
    int64 = {"pads": [0] * 8, "sizes": [1, 1], "starts": [0], "ends": [9], "axes": [2], "starts1": [1], "shape": [1]}
    weights = {name: np.array(value, np.int64) for name, value in int64.items()}
    weights |= {"value": np.array(1, np.float32), "bits": np.array(4, np.float32), "scales": np.ones(4, np.float32)}
    return make_model(nodes, {"x": (1, 2, 4, 4)}, {"y": None}, weights, opset=21)


def taken_apart():
    """Operators that become several nodes, and those whose attributes need most arithmetic to normalise."""
    wide = "qonnx.custom_op.channels_last"
    nodes = [
        node("ConvTranspose", ["x", "K", "b"], ["a"], auto_pad="SAME_LOWER", strides=[2, 2], output_padding=[1, 0]),
        node("ConvTranspose", ["a", "K", "b"], ["c"], output_shape=[9, 9], group=1, dilations=[1, 2]),
        node("MaxPool", ["c"], ["d"], domain=wide, kernel_shape=[2, 2]),
        node("Conv", ["d", "L"], ["e"], domain=wide, kernel_shape=[1, 1]),
        node("Flatten", ["e"], ["f"]),
        node("Gemm", ["f", "f", "s"], ["g"], transA=1, alpha=0.5, beta=2.0),
        node("Gemm", ["g", "M", "s"], ["h"], transA=1, transB=1),
        node(
            "Resize", ["c", "roi", "", "sizes"], ["r"], axes=[2, 3], coordinate_transformation_mode="tf_crop_and_resize"
        ),
        node("QuantizeLinear", ["r", "S"], ["q"], axis=1, block_size=1),
        node("Trunc", ["r", "s", "s", "bits", "s", "s", "bits"], ["t"], domain="onnx.brevitas", narrow=1),
        node("Squeeze", ["t", "zero"], ["z"]),
        node("GRU", ["z", "W", "R"], ["y", "y_h"], hidden_size=2, layout=1, clip=1.0),
    ]
    shapes = {"K": (2, 2, 3, 3), "b": (2,), "L": (2, 1, 1, 9), "M": (3, 9), "S": (1, 2, 9, 9)}
    shapes |= {"W": (1, 6, 9), "R": (1, 6, 2)}
    rng = np.random.default_rng(0)
    weights = {name: rng.uniform(0.1, 1, size=shape).astype(np.float32) for name, shape in shapes.items()}
    weights |= {"s": np.array(0.5, np.float32), "bits": np.array(4, np.float32), "roi": np.ones(4, np.float32)}
    weights |= {"sizes": np.array([9, 9], np.int64), "zero": np.array([0], np.int64)}
    return make_model(nodes, {"x": (1, 2, 4, 4)}, {"y": None, "h": None, "q": None}, weights, opset=22)


MODELS = {
    "taken_apart": lambda: taken_apart().SerializeToString(),
    "operators": lambda: operators().SerializeToString(),
    "mlp": lambda: mlp().SerializeToString(),
    "circulant": lambda: to_proto(layers([(6, 8, 4)])).SerializeToString(),
    "branches": lambda: branches().SerializeToString(),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes(name, seed, tmp_path):
    original = MODELS[name]()
    rng = np.random.default_rng(seed)
    path = tmp_path / "m.onnx"
    loaded = 0
    for _ in range(150):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            place = int(rng.integers(len(data)))
            match rng.integers(5):
                case 0:
                    data[place] = int(rng.integers(256))
                case 1:
                    data[place] ^= 1 << int(rng.integers(8))
                case 2:
                    data[place] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
                case 3:
                    del data[place : place + int(rng.integers(1, 9))]
                case _:
                    data[place:place] = bytes(rng.integers(0, 256, int(rng.integers(1, 5)), dtype=np.uint8))
        path.write_bytes(bytes(data))
        try:
            graph = load(path)
            to_proto(graph)
            loaded += 1
        except SwmError as exc:
            assert str(exc)
    assert loaded  # some damage is harmless; if none were, nothing behind the parser would have been tried


def messages(message):
    """The message and all inside it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in [value] if isinstance(value, Message) else value:
                yield from messages(inner)


def damage(message, rng, names):
    """Change one field of a message to another legal value, or drop or repeat it."""
    field = rng.choice(np.array(list(message.DESCRIPTOR.fields), dtype=object))
    value = getattr(message, field.name)
    single = isinstance(value, Message | str | bytes | int | float)
    pick = {
        FieldDescriptor.TYPE_STRING: lambda: str(rng.choice(names)),
        FieldDescriptor.TYPE_BYTES: lambda: bytes(int(rng.integers(20))),
        FieldDescriptor.TYPE_FLOAT: lambda: float(rng.choice([0, 1, np.nan, np.inf, -1e38])),
        FieldDescriptor.TYPE_DOUBLE: lambda: float(rng.choice([0, 1, np.nan])),
        FieldDescriptor.TYPE_ENUM: lambda: int(rng.choice([v.number for v in field.enum_type.values])),
    }.get(field.type, lambda: int(rng.choice([0, 1, 2, 3, 7, 11, 13, 100, 2**31 - 1])))
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if not single and len(value) and rng.integers(2):
            value.add().CopyFrom(value[int(rng.integers(len(value)))])
        elif not single and len(value):
            del value[int(rng.integers(len(value)))]
        else:
            message.ClearField(field.name) if rng.integers(2) or not single else value.SetInParent()
    elif single:
        setattr(message, field.name, pick())
    elif len(value) and rng.integers(2):
        value[int(rng.integers(len(value)))] = pick()
    elif len(value) and rng.integers(2):
        del value[int(rng.integers(len(value)))]
    else:
        value.append(pick())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(2))
def test_damaged_fields(name, seed, cases=150):
    """Well-formed protobuf with senseless content reaches behind the parser every time."""
    rng = np.random.default_rng(seed)
    original = ModelProto.FromString(MODELS[name]())
    names = np.array(
        ["", "x", "y", "W", "h", "Relu", "Gemm", "ai.swm", "BlockCirculant_6x8_k4", "axis", "../x"], object
    )
    for _ in range(cases):
        model = ModelProto()
        model.CopyFrom(original)
        for _ in range(int(rng.integers(1, 4))):
            everything = list(messages(model))
            damage(everything[int(rng.integers(len(everything)))], rng, names)
        try:
            model = ModelProto.FromString(model.SerializeToString())
        except DecodeError:
            continue
        try:
            to_proto(from_proto(model, "fuzzed"))
        except SwmError as exc:
            assert "fuzzed" in str(exc) or "node" in str(exc) or "opset" in str(exc)
