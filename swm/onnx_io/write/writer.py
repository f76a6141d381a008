# SPDX-License-Identifier: Apache-2.0
"""Graph → ONNX, at the opset of the graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import onnx
from google.protobuf.message import EncodeError
from onnx import (
    FunctionProto,
    GraphProto,
    ModelProto,
    OperatorSetIdProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from swm.errors import ModelError, OutputError
from swm.graph import Graph, Node, TensorType, Value
from swm.onnx_io.files import write_atomic
from swm.onnx_io.function import DOMAIN, VERSION
from swm.onnx_io.types import value_info
from swm.onnx_io.write.nodes import NodeWriter
from swm.onnx_io.write.offload import offloaded, stored_bytes

__all__ = ["save", "serialized", "subgraph_proto", "to_proto"]

# What 2 GiB allow: protobuf cannot write more.
_LIMIT = (1 << 31) - 1
INLINE_LIMIT = _LIMIT - (1 << 26)  # bytes of weights in one file; the rest is for nodes and names
_NEWEST_IR = 13  # of onnxruntime 1.31


def to_proto(graph: Graph) -> ModelProto:
    """The graph as an ONNX model. Structured layers become calls of functions in domain `ai.swm`.

    Raises:
        ModelError: the graph is not well formed, or a node cannot be expressed in its opset.
    """
    graph.verify()
    collected = NodeWriter(graph, graph.nodes)
    inputs = [_declared(value) for value in graph.inputs]
    outputs = [_declared(value) for value in graph.outputs]
    model = _model(graph, collected, graph.nodes, inputs, outputs, with_types=True)
    for key, value in graph.metadata.items():
        model.metadata_props.add(key=key, value=value)
    return model


def subgraph_proto(
    graph: Graph,
    nodes: Sequence[Node],
    inputs: Sequence[str],
    outputs: Sequence[str],
    types: Mapping[str, TensorType] | None = None,
) -> ModelProto:
    """Some nodes of a graph as a model of their own, to be run as one segment.

    Args:
        graph: where the nodes come from; gives constants, types, opsets and functions.
        nodes: in execution order.
        inputs: tensors to feed. Only element type and rank are declared, so that any batch runs.
        outputs: tensors to return.
        types: types of inputs that `graph.types` does not know, seen at run time, say.

    Raises:
        ModelError: the type of an input is unknown, or a node cannot be expressed in the graph's opset.
    """
    collected = NodeWriter(graph, nodes)
    known = {**graph.types, **(types or {})}
    feeds = [_feed(graph, name, known) for name in inputs]
    returns = [_return(graph, name) for name in outputs]
    return _model(graph, collected, nodes, feeds, returns, with_types=False)


def save(graph: Graph, path: str | os.PathLike[str], *, inline_limit: int = INLINE_LIMIT) -> None:
    """Write the graph to an ONNX file. The file appears complete or not at all.

    Args:
        graph: the graph.
        path: the file; replaced if it exists. Its folder must exist.
        inline_limit: bytes of weights past which they go to a second file, `<path>.<hash>.data`, as ONNX's external
            data: one ONNX file cannot exceed 2 GiB. Both files must then be moved together.

    Raises:
        ModelError: as `to_proto`.
        OutputError: the folder is missing, or a file cannot be written.
    """
    target = Path(path)
    model = to_proto(graph)
    if stored_bytes(model) <= inline_limit:
        _write(model, target)
        return
    with offloaded(model, target):
        _write(model, target)


def _write(model: ModelProto, target: Path) -> None:
    try:
        data = serialized(model)
    except ModelError as exc:
        raise OutputError(f"cannot write {str(target)!r}: {exc}") from exc
    write_atomic(target, data)


def serialized(model: ModelProto) -> bytes:
    """The bytes of a model.

    Raises:
        ModelError: there are more than protobuf can write.
    """
    try:
        data = bytes(model.SerializeToString(deterministic=True))
    except (EncodeError, ValueError) as exc:
        raise ModelError(f"the model exceeds the 2 GiB of an ONNX file ({exc}); split it") from exc
    if len(data) > _LIMIT:
        raise ModelError(f"the model has {len(data)} bytes, an ONNX file at most 2 GiB; split it")
    return data


def _model(
    graph: Graph,
    collected: NodeWriter,
    nodes: Iterable[Node],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    *,
    with_types: bool,
) -> ModelProto:
    for node in nodes:
        collected.write(node)
    fed = {v.name for v in inputs}
    read = collected.read | {v.name for v in outputs}
    body = GraphProto(name=graph.name or "swm", input=inputs, output=outputs)
    body.node.extend(collected.nodes)
    body.initializer.extend(
        numpy_helper.from_array(value, name)
        for name, value in graph.constants.items()
        if name in read and name not in fed
    )
    body.initializer.extend(collected.initialisers)
    if with_types:
        written = dict.fromkeys(t for node in collected.nodes for t in node.output if t)
        shown = fed | {v.name for v in outputs}
        body.value_info.extend(value_info(t, graph.types[t]) for t in written if t in graph.types and t not in shown)
    domains = {"": graph.opset, **graph.domains}
    if collected.functions:
        domains[DOMAIN] = VERSION
    functions = [*(FunctionProto.FromString(f) for f in graph.functions), *collected.functions]
    imports = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    return ModelProto(
        ir_version=_ir_version(imports, functions),
        producer_name="swm",
        opset_import=imports,
        functions=functions,
        graph=body,
    )


def _ir_version(imports: Sequence[OperatorSetIdProto], functions: Sequence[FunctionProto]) -> int:
    needed = helper.find_min_ir_version_for(list(imports), ignore_unknown=True)
    needed = max(needed, 4)  # before, initialisers had to be inputs too
    if functions:
        needed = max(needed, 8)
    if any(getattr(f, "overload", "") for f in functions):
        needed = max(needed, 10)
    return int(min(needed, max(_NEWEST_IR, 4), onnx.IR_VERSION))


def _declared(value: Value) -> ValueInfoProto:
    return ValueInfoProto.FromString(value.proto) if value.proto else value_info(value.name, value.type)


def _feed(graph: Graph, name: str, types: Mapping[str, TensorType]) -> ValueInfoProto:
    for value in graph.inputs:
        if value.name == name and value.proto:
            return ValueInfoProto.FromString(value.proto)
    kind = types.get(name)
    if kind is None:
        raise ModelError(
            f"the element type of tensor {name!r} is unknown, so nothing can start there; give it in the model's "
            "value_info, or run the nodes around it together"
        )
    if kind.shape is None:
        return value_info(name, kind)
    # A vector of integers may be a shape or axes, and its length the rank of what it describes: operators need it.
    vector = kind.elem in (TensorProto.INT64, TensorProto.INT32) and len(kind.shape) == 1
    return value_info(name, kind if vector else TensorType(kind.elem, (None,) * len(kind.shape)))


def _return(graph: Graph, name: str) -> ValueInfoProto:
    kind = graph.types.get(name)
    return value_info(name, None if kind is None else TensorType(kind.elem, None))
