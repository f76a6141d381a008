# SPDX-License-Identifier: Apache-2.0
"""The odd values that mutations put into models: numbers, names, shapes, types, tensors; and where things are."""

import functools
from collections.abc import Iterator
from random import Random

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

INTEGERS = (
    0, 1, -1, 2, -2, 3, 4, 7, 8, 13, 16, 64, 255, 256, 4096, 65535, 65536, 10**6, 2**31 - 1, 2**31, -(2**31), 2**32,
    2**33, 2**40, 2**62, 2**63 - 1, -(2**63), -(2**63) + 1,
)  # fmt: skip
FLOATS = (0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, -1e38, float("nan"), float("inf"), float("-inf"), 1e300, 2.0**40)
NAMES = (
    "", "x", "y", "w", "a", "\0", "a\0b", "'", '"; DROP', "\n", "a" * 9_999, "../x", "/", "☃", "\u0301", "{}", "%s",
    "${x}", "ai.onnx", "ai.swm", "ai.onnx.ml", "com.microsoft", "axis", "NOTSET", "SAME_UPPER", "linear", "Relu",
)  # fmt: skip
KINDS = (*sorted(TensorProto.DataType.values()), 99, 2**31 - 1)
DOMAINS = ("", "", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.swm", "qonnx.custom_op.general", "my", "nowhere")
LOCATIONS = (
    "", "weights.bin", "../weights.bin", "/etc/passwd", "/dev/zero", "a\0b", "c:\\x", "..\\x", "x" * 5000, "link", ".",
)  # fmt: skip
EQUATIONS = (
    "ij,jk->ik",
    "i,j->ij",
    "...i->...",
    "ii->i",
    "a" * 60,
    "->",
    "ij->ijk",
    "i j , j k",
    "ij,ij,ij->",
    "...->,",
)
A = AttributeProto


@functools.cache
def operators() -> tuple[tuple[str, str], ...]:
    """(domain, operator) of all that onnx knows, and of some that onnxruntime adds."""
    own = ("FusedConv", "Gelu", "BiasGelu", "Attention", "QAttention", "FusedGemm", "MatMulNBits", "NhwcMaxPool")
    known = {(s.domain, s.name) for s in onnx.defs.get_all_schemas()}
    return tuple(sorted(known)) + tuple(("com.microsoft", op) for op in own)


def graphs(model: ModelProto) -> list[GraphProto]:
    """The graph and all subgraphs, those in functions too."""
    found = [model.graph]
    found += [g for f in model.functions for n in f.node for g in _inside(n)]
    found += [g for n in model.graph.node for g in _inside(n)]
    return found


def _inside(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
            yield graph
            for inner in graph.node:
                yield from _inside(inner)


def nodes(model: ModelProto) -> list[NodeProto]:
    """Every node at any depth."""
    return [n for g in graphs(model) for n in g.node] + [n for f in model.functions for n in f.node]


def tensors(model: ModelProto) -> list[TensorProto]:
    """Every dense tensor at any depth."""
    found = [t for g in graphs(model) for t in g.initializer]
    found += [t for g in graphs(model) for s in g.sparse_initializer for t in (s.values, s.indices)]
    return found + [a.t for n in nodes(model) for a in n.attribute if a.HasField("t")]


def names(model: ModelProto) -> list[str]:
    """Every tensor name of the main graph, and odd ones."""
    graph = model.graph
    found = [v.name for v in (*graph.input, *graph.output)] + [t.name for t in graph.initializer]
    return found + [t for n in graph.node for t in (*n.input, *n.output)] + list(NAMES[:6])


def integer(r: Random) -> int:
    return r.choice(INTEGERS) if r.random() < 0.8 else r.randint(-40, 40)


def small(r: Random) -> int:
    return r.choice((0, 1, 2, 3, 4, 5, 8, -1, 1))


def shape(r: Random) -> list[int]:
    """Dimensions of few elements."""
    return [r.choice((0, 1, 2, 3, 4)) for _ in range(r.choice((0, 1, 1, 1, 2, 2, 3, 4, 5)))]


def set_type(r: Random, proto: onnx.TypeProto) -> None:
    """Any type at all."""
    proto.Clear()
    match r.randrange(8):
        case 0:
            proto.sequence_type.elem_type.tensor_type.elem_type = r.choice(KINDS) % 40
        case 1:
            proto.optional_type.elem_type.tensor_type.elem_type = 1
        case 2:
            proto.map_type.key_type = r.choice(KINDS) % 40
            proto.map_type.value_type.tensor_type.elem_type = 1
        case 3:
            proto.sparse_tensor_type.elem_type = 1
        case 4:
            inner = proto
            for _ in range(r.choice((2, 10, 40))):
                inner = inner.sequence_type.elem_type
            inner.tensor_type.elem_type = 1
        case _:
            proto.tensor_type.elem_type = r.choice(KINDS) if r.random() < 0.3 else r.choice((1, 1, 6, 7, 9, 10, 11, 3))
            if r.random() < 0.8:
                set_shape(r, proto)


def set_shape(r: Random, proto: onnx.TypeProto) -> None:
    """Any declared shape: symbols, nothing, negative, huge."""
    dims = proto.tensor_type.shape.dim
    del dims[:]
    proto.tensor_type.shape.SetInParent()
    for _ in range(r.choice((0, 1, 2, 2, 3, 4, 4, 5, 12))):
        dim = dims.add()
        if (pick := r.random()) < 0.6:
            dim.dim_value = small(r)
        elif pick < 0.8:
            dim.dim_value = integer(r)
        elif pick < 0.95:
            dim.dim_param = r.choice(NAMES)


def fill(r: Random, tensor: TensorProto) -> None:
    """Another tensor of the same name, consistent in itself."""
    name = tensor.name
    tensor.Clear()
    if (pick := r.random()) < 0.5:
        dims = r.choice(([], [1], [2], [3], [4], [8], [1, 2]))
        values = [integer(r) for _ in range(_count(dims))]
        tensor.CopyFrom(helper.make_tensor(name, TensorProto.INT64, dims, values))
    elif pick < 0.85:
        dims = shape(r)
        values = [r.choice(FLOATS[:10]) if r.random() < 0.3 else r.random() for _ in range(_count(dims))]
        tensor.CopyFrom(helper.make_tensor(name, r.choice((1, 1, 1, 11)), dims, values))
    elif pick < 0.9:
        tensor.CopyFrom(helper.make_tensor(name, TensorProto.STRING, [2], [b"a\0\xff", b""]))
    else:
        dims = shape(r)
        tensor.CopyFrom(TensorProto(name=name, data_type=r.choice(KINDS), dims=dims, raw_data=bytes(_count(dims) * 4)))


def _count(dims: list[int]) -> int:
    count = 1
    for d in dims:
        count *= d
    return count


def set_value(r: Random, attribute: AttributeProto) -> None:
    """Another value of some type; mostly of the attribute's own."""
    kind = attribute.type if r.random() < 0.75 else r.choice(A.AttributeType.values())
    if kind == A.INTS and attribute.ints and r.random() < 0.6:
        attribute.ints[r.randrange(len(attribute.ints))] = integer(r)
        return
    for field in ("f", "i", "s", "t", "g", "floats", "ints", "strings", "tensors", "graphs", "sparse_tensor", "tp"):
        if field not in ("g", "graphs") or kind not in (A.GRAPH, A.GRAPHS):
            attribute.ClearField(field)
    attribute.type = kind
    count = r.choice((0, 1, 2, 3, 4, 8, 200))
    match kind:
        case A.FLOAT:
            value = r.choice(FLOATS)
            attribute.f = value if abs(value) < 1e38 or value != value else 3e38
        case A.INT:
            attribute.i = integer(r)
        case A.STRING:
            attribute.s = r.choice((*NAMES, *EQUATIONS)).encode() if r.random() < 0.9 else b"\xff\xfe\0"
        case A.TENSOR:
            fill(r, attribute.t)
        case A.GRAPH if not attribute.HasField("g"):
            attribute.g.name = "empty"
        case A.FLOATS:
            attribute.floats.extend(r.choice(FLOATS[:7]) for _ in range(count))
        case A.INTS:
            attribute.ints.extend(integer(r) for _ in range(count))
        case A.STRINGS:
            attribute.strings.extend(r.choice(NAMES).encode() for _ in range(count))
        case A.TENSORS:
            fill(r, attribute.tensors.add())
        case A.SPARSE_TENSOR:
            fill(r, attribute.sparse_tensor.values)
            fill(r, attribute.sparse_tensor.indices)
            attribute.sparse_tensor.dims.extend(shape(r))
        case A.TYPE_PROTO:
            set_type(r, attribute.tp)
