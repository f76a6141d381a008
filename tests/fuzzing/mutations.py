# SPDX-License-Identifier: Apache-2.0
"""Structured damage to models, as a hypothesis strategy: which seed, which mutations, and one source of chance."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from google.protobuf.message import DecodeError, EncodeError
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

from tests.fuzzing import bombs
from tests.fuzzing.values import (
    DOMAINS,
    INTEGERS,
    KINDS,
    LOCATIONS,
    NAMES,
    SURROGATE,
    fill,
    graphs,
    integer,
    names,
    nodes,
    operators,
    set_shape,
    set_type,
    set_value,
    shape,
    tensors,
)

__all__ = ["MUTATIONS", "mutated"]


def attribute_value(r: Random, model: ModelProto) -> None:
    if found := [n for n in nodes(model) if n.attribute]:
        set_value(r, r.choice(r.choice(found).attribute))


def attribute_list(r: Random, model: ModelProto) -> None:
    """One attribute less, more, twice, renamed, or a reference to a function's."""
    if not (found := nodes(model)):
        return
    node = r.choice(found)
    if not node.attribute or r.random() < 0.2:
        known = ("axis", "axes", "perm", "to", "pads", "alpha", "value", "body", "mode", "group", "hidden_size", "k")
        set_value(r, node.attribute.add(name=r.choice(known), type=r.choice((1, 2, 3, 4, 7))))
        return
    place = r.randrange(len(node.attribute))
    match r.randrange(4):
        case 0:
            del node.attribute[place]
        case 1:
            node.attribute.add().CopyFrom(node.attribute[place])
        case 2:
            node.attribute[place].name = r.choice(NAMES)
        case 3:
            node.attribute[place].ref_attr_name = r.choice(("slope", "", "axis"))


def node_list(r: Random, model: ModelProto) -> None:
    """Nodes dropped, repeated, moved."""
    graph = r.choice(graphs(model))
    if not graph.node:
        return
    own = list(graph.node)
    place = r.randrange(len(own))
    match r.randrange(4):
        case 0:
            del own[place]
        case 1:
            own.insert(r.randrange(len(own) + 1), own[place])
        case 2:
            r.shuffle(own)
        case 3:
            again = NodeProto()
            again.CopyFrom(own[place])
            again.output[:] = [f"{t}/again" for t in again.output]
            own.insert(place + 1, again)
    copies = [NodeProto.FromString(n.SerializeToString()) for n in own]
    del graph.node[:]
    graph.node.extend(copies)


def node_kind(r: Random, model: ModelProto) -> None:
    """Another operator or domain, or none."""
    if not (found := nodes(model)):
        return
    node = r.choice(found)
    match r.randrange(4):
        case 0:
            node.domain, node.op_type = r.choice(operators())
        case 1:
            node.domain, node.op_type = r.choice(operators())
            del node.attribute[:]
        case 2:
            node.domain = r.choice(DOMAINS)
        case 3:
            node.op_type = r.choice(("", "Nothing", "Relu\0", "Identity", *NAMES))


def wires(r: Random, model: ModelProto) -> None:
    """Inputs and outputs of a node, so that cycles, dangling names and double definitions arise."""
    if not (found := nodes(model)):
        return
    node, known = r.choice(found), names(model)
    side = node.input if r.random() < 0.7 else node.output
    match r.randrange(5):
        case 0 if side:
            side[r.randrange(len(side))] = r.choice(known)
        case 1 if side:
            side[r.randrange(len(side))] = ""
        case 2 if side:
            del side[r.randrange(len(side))]
        case 3:
            side.append(r.choice(known))
        case 4:
            side.extend(r.choice(known) for _ in range(r.choice((3, 50, 3000))))


def declarations(r: Random, model: ModelProto) -> None:
    """Types and shapes of inputs, outputs and values, which may contradict the operators."""
    graph = r.choice(graphs(model))
    sides = [side for side in (graph.input, graph.output, graph.value_info) if side]
    if not sides or r.random() < 0.1:
        value = graph.value_info.add(name=r.choice(names(model)))
        set_type(r, value.type)
        return
    value = r.choice(r.choice(sides))
    if value.type.HasField("tensor_type") and r.random() < 0.6:
        set_shape(r, value.type)
    elif value.type.HasField("tensor_type") and r.random() < 0.5:
        value.type.tensor_type.elem_type = r.choice(KINDS)
    else:
        set_type(r, value.type)


def interface(r: Random, model: ModelProto) -> None:
    """Inputs and outputs of a graph: fewer, twice, renamed, all values wanted."""
    graph = r.choice(graphs(model))
    side = r.choice((graph.input, graph.output))
    match r.randrange(5):
        case 0 if side:
            del side[r.randrange(len(side))]
        case 1 if side:
            side.add().CopyFrom(r.choice(side))
        case 2 if side:
            side[r.randrange(len(side))].name = r.choice(names(model))
        case 3:
            side.add(name=r.choice(names(model)))
        case 4:
            graph.output.extend(helper.make_tensor_value_info(t, 1, None) for n in graph.node for t in n.output if t)


def tensor_content(r: Random, model: ModelProto) -> None:
    """A tensor whose values, type, shape or length differ; sizes and axes hide there too."""
    if not (found := tensors(model)):
        return
    tensor = r.choice(found)
    match r.randrange(7):
        case 0 | 1:
            fill(r, tensor)
        case 2:
            tensor.data_type = r.choice(KINDS)
        case 3:
            tensor.raw_data = tensor.raw_data[: r.randrange(len(tensor.raw_data) + 1)] + bytes(r.choice((0, 1, 8)))
        case 4 if tensor.dims:
            tensor.dims[r.randrange(len(tensor.dims))] = integer(r)
        case 5:
            tensor.dims.append(r.choice((1, 0, *INTEGERS)))
        case 6:
            raw = bytearray(tensor.raw_data)
            for _ in range(min(len(raw), 4)):
                raw[r.randrange(len(raw))] = r.choice((0, 1, 0x7F, 0x80, 0xFF))
            tensor.raw_data = bytes(raw)


def tensor_place(r: Random, model: ModelProto) -> None:
    """External data anywhere, segments, names swapped, initialisers gone or given twice."""
    held = model.graph.initializer
    if not held:
        return
    tensor = r.choice(held)
    match r.randrange(6):
        case 0 | 1:
            tensor.data_location = TensorProto.EXTERNAL
            entries = {"location": r.choice(LOCATIONS), "offset": str(r.choice((0, 8, *INTEGERS))), "length": "x"}
            for key in r.sample(sorted(entries), r.randrange(1, 4)):
                tensor.external_data.add(key=key, value=str(integer(r)) if entries[key] == "x" else entries[key])
            if r.random() < 0.5:
                tensor.ClearField("raw_data")
        case 2:
            tensor.segment.begin, tensor.segment.end = integer(r), integer(r)
        case 3:
            other = r.choice(held)
            tensor.name, other.name = other.name, tensor.name
        case 4:
            tensor.name = r.choice(names(model))
        case 5:
            held.remove(tensor) if r.random() < 0.5 else held.add().CopyFrom(tensor)


def tensor_kind(r: Random, model: ModelProto) -> None:
    """Initialiser to input, to Constant node, to sparse initialiser."""
    graph = model.graph
    if not graph.initializer:
        return
    tensor = TensorProto()
    tensor.CopyFrom(r.choice(graph.initializer))
    if r.random() < 0.5:
        graph.initializer.remove(tensor)
    match r.randrange(3):
        case 0:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type or 1, list(tensor.dims)))
        case 1:
            node = helper.make_node("Constant", [], [tensor.name], value=tensor)
            graph.node.insert(r.choice((0, len(graph.node))), node)
        case 2:
            found = graph.sparse_initializer.add()
            found.values.CopyFrom(tensor)
            count = r.choice((len(tensor.raw_data) // 4, 0, 3))
            found.indices.CopyFrom(
                helper.make_tensor("i", r.choice((7, 7, 6)), [count], [r.choice(_PLACES) for _ in range(count)])
            )
            found.dims.extend(
                r.choice((list(tensor.dims), shape(r), [2**20, 2**20], [2**40], [-1], [1 << 15, 1 << 14]))
            )


def versions(r: Random, model: ModelProto) -> None:
    """Opsets, domains and the version of the format."""
    imports = model.opset_import
    match r.randrange(5):
        case 0 | 1 if imports:
            r.choice(imports).version = r.choice((*range(1, 28), *INTEGERS))
        case 2:
            imports.add(domain=r.choice(DOMAINS), version=r.choice((1, 2, 5, *INTEGERS)))
        case 3 if imports:
            del imports[r.randrange(len(imports))]
        case 4:
            model.ir_version = r.choice((*range(14), *INTEGERS))


def texts(r: Random, model: ModelProto) -> None:
    """Odd text wherever there is a name; one tensor's name in every place at once."""
    old, new = r.choice(names(model)), r.choice(NAMES)
    if r.random() < 0.3:
        r.choice((model.graph, *(nodes(model) or [model.graph]))).name = new
        return
    for graph in graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            if value.name == old:
                value.name = new
    for node in nodes(model):
        for side in (node.input, node.output):
            for i, name in enumerate(side):
                if name == old:
                    side[i] = new


def extras(r: Random, model: ModelProto) -> None:
    """Training, quantization annotations, metadata, documentation."""
    match r.randrange(4):
        case 0:
            training = model.training_info.add()
            training.algorithm.ParseFromString(model.graph.SerializeToString())
            training.initialization_binding.add(key=r.choice(NAMES), value=r.choice(NAMES))
        case 1:
            note = model.graph.quantization_annotation.add(tensor_name=r.choice(names(model)))
            note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value=r.choice(names(model)))
        case 2:
            for _ in range(r.choice((1, 2, 100))):
                model.metadata_props.add(key=r.choice(NAMES), value=r.choice(NAMES))
        case 3:
            model.doc_string = r.choice(NAMES) * r.choice((1, 100))


def graft(r: Random, model: ModelProto, other: ModelProto | None = None) -> None:
    """Nodes of this model, wrapped into a subgraph of If, Loop or Scan, to any depth."""
    graph = model.graph
    if not graph.node:
        return
    place = r.randrange(len(graph.node))
    inner = NodeProto()
    inner.CopyFrom(graph.node[place])
    depth = r.choice((1, 1, 2, 3, 12, 40))
    for level in range(depth):
        inner = _wrapped(r, inner, both=level < 2)
    graph.node[place].CopyFrom(inner)
    for name, kind, value in (
        ("fz_go", TensorProto.BOOL, True),
        ("fz_n", TensorProto.INT64, r.choice((0, 1, 3, -1, 2**62))),
    ):
        graph.initializer.append(helper.make_tensor(name, kind, [], [value]))


def _wrapped(r: Random, node: NodeProto, *, both: bool) -> NodeProto:
    """A node in control flow; in both branches of an If only near the leaves, for that doubles it."""
    outs = [t for t in node.output if t][:1] or ["fz_none"]
    body = GraphProto(name="fz", node=[node])
    body.output.extend(helper.make_tensor_value_info(t, 1, None) for t in outs)
    match r.randrange(3):
        case 0:
            other = body if both else helper.make_graph([], "fz_else", [], list(body.output))
            return helper.make_node("If", ["fz_go"], outs, then_branch=body, else_branch=other)
        case 1:
            body.input.append(helper.make_tensor_value_info("fz_i", 7, []))
            body.input.append(helper.make_tensor_value_info("fz_c", 9, []))
            body.output.insert(0, helper.make_tensor_value_info("fz_c", 9, []))
            return helper.make_node("Loop", ["fz_n", "fz_go"], outs, body=body)
        case _:
            body.input.append(helper.make_tensor_value_info("fz_s", 1, None))
            return helper.make_node(
                "Scan", list(node.input)[:1] or ["fz_s"], outs, body=body, num_scan_inputs=r.choice((1, 1, 2, -1))
            )


def functions(r: Random, model: ModelProto) -> None:
    """Nodes become calls of functions: honest, recursive, mutual, growing without bound, or in the way of operators."""
    graph = model.graph
    if not graph.node:
        return
    node = r.choice(graph.node)
    domain, name = r.choice((("fz", "F"), ("fz", "F"), ("", node.op_type), ("ai.swm", "BlockCirculant_8x8_k2")))
    imports = [*model.opset_import, helper.make_opsetid("fz", 1)]
    ins, outs = list(node.input), list(node.output)
    call = helper.make_node(name, ins[:1], outs[:1], domain=domain)
    body = [NodeProto.FromString(node.SerializeToString())]
    match r.randrange(4):
        case 1:
            body = [call]  # itself
        case 2:
            body = [helper.make_node("G", ins[:1], outs[:1], domain="fz")]
            model.functions.append(helper.make_function("fz", "G", ins[:1], outs[:1], [call], imports))
        case 3:
            chain = r.choice((3, 12, 30))
            for i in range(chain):
                inner = f"G{i + 1}" if i + 1 < chain else "Last"
                calls = [
                    helper.make_node(inner, ["a"], ["b"], domain="fz"),
                    helper.make_node(inner, ["b"], ["c"], domain="fz"),
                ]
                model.functions.append(helper.make_function("fz", f"G{i}", ["a"], ["c"], calls, imports))
            last = [helper.make_node("Relu", ["a"], ["c"])]
            model.functions.append(helper.make_function("fz", "Last", ["a"], ["c"], last, imports))
            body = [helper.make_node("G0", ins[:1], outs[:1], domain="fz")]
    made = helper.make_function(domain, name, ins, outs, body, imports)
    if r.random() < 0.2:
        made.attribute.append("alpha")
    if r.random() < 0.1:
        model.functions.append(made)
    model.functions.append(made)
    node.domain, node.op_type = domain, name
    del node.attribute[:]
    if r.random() < 0.8:
        model.opset_import.append(helper.make_opsetid("fz", 1))


def graft_type(r: Random, model: ModelProto) -> None:
    """A subgraph in an attribute that is none, or where none belongs."""
    if found := nodes(model):
        attribute = r.choice(found).attribute.add(
            name=r.choice(("body", "then_branch", "extra")), type=AttributeProto.GRAPH
        )
        attribute.g.ParseFromString(model.graph.SerializeToString())  # copied into itself it crashes protobuf


MUTATIONS: Mapping[str, Callable[[Random, ModelProto], None]] = {
    f.__name__: f
    for f in (
        attribute_value, attribute_list, node_list, node_kind, wires, declarations, interface, tensor_content,
        tensor_place, tensor_kind, versions, texts, extras, graft, functions, graft_type, bombs.bomb,
    )
}  # fmt: skip
_PLACES = (*range(8), -1, 2**31 - 1)
# The quiet ones come more often: a model that fails at once tries little.
_PICKS = [*MUTATIONS] + ["attribute_value", "tensor_content", "wires", "node_kind", "declarations", "bomb"] * 2


def flip(r: Random, data: bytes) -> bytes:
    """Bytes changed, lost or added anywhere in the file."""
    damaged = bytearray(data)
    for _ in range(r.choice((1, 1, 2, 5))):
        if not damaged:
            break
        place = r.randrange(len(damaged))
        match r.randrange(4):
            case 0:
                damaged[place] = r.randrange(256)
            case 1:
                damaged[place] ^= 1 << r.randrange(8)
            case 2:
                del damaged[place : place + r.randrange(1, 9)]
            case 3:
                damaged[place:place] = r.randbytes(r.randrange(1, 6))
    return bytes(damaged)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """A name that says what was done, and the bytes of a damaged model."""
    name, data = draw(st.sampled_from(seeds))
    count = draw(st.sampled_from((1, 1, 1, 2, 2, 3, 4)))
    steps = draw(st.lists(st.sampled_from(_PICKS), min_size=count, max_size=count))
    flips = draw(st.integers(0, 9)) == 9
    r = Random(draw(st.integers(0, 2**64 - 1)))
    model = ModelProto.FromString(data)
    done = [name]
    for step in steps:
        before = model.SerializeToString()
        try:
            MUTATIONS[step](r, model)
            model.SerializeToString()
            done.append(step)
        except (DecodeError, EncodeError, ValueError, TypeError, IndexError, OverflowError, RecursionError):
            model = ModelProto.FromString(before)  # protobuf itself cannot hold such a model
    result = model.SerializeToString().replace(SURROGATE[0].encode(), SURROGATE[1])
    if flips:
        result, done = flip(r, result), [*done, "flip"]
    return "+".join(done), result
