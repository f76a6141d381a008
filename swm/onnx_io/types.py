# SPDX-License-Identifier: Apache-2.0
"""Tensor types: ValueInfoProto to `TensorType` and back, and what shape inference finds out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx
from onnx import ModelProto, TypeProto, ValueInfoProto

from swm.graph import TensorType
from swm.guard import guarded
from swm.onnx_io.proto import before_forks
from swm.onnx_io.stand_ins import stand_ins

__all__ = ["before_forks", "infer_types", "tensor_type", "value_info"]

# onnx's inference may abort (a Slice backwards over an axis of length 0 is enough in 1.23), recurse without end in
# functions, or fill the memory; it never reaches the user's process. Time grows with the nodes.
_SECONDS, _SECONDS_A_NODE, _MEMORY = 1.5, 2e-4, 1 << 30
_LARGE = 4096  # elements; shapes, axes and repeats are never so many, and only those matter to shape inference


def tensor_type(proto: TypeProto) -> TensorType | None:
    """The type of a tensor; None when it is none (sequence, map, optional, sparse) or says nothing."""
    if not proto.HasField("tensor_type") or not proto.tensor_type.elem_type:
        return None
    tensor = proto.tensor_type
    if not tensor.HasField("shape"):
        return TensorType(tensor.elem_type, None)
    dims: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            dims.append(dim.dim_value if dim.dim_value >= 0 else None)  # old exporters write -1 for unknown
        else:
            dims.append(dim.dim_param or None)
    return TensorType(tensor.elem_type, tuple(dims))


def value_info(name: str, kind: TensorType | None) -> ValueInfoProto:
    """The ONNX form of a name with a type, or of the bare name."""
    info = ValueInfoProto(name=name)
    if kind is None:
        return info
    tensor = info.type.tensor_type
    tensor.elem_type = kind.elem
    if kind.shape is not None:
        tensor.shape.SetInParent()  # rank 0 is a shape too
        for dim in kind.shape:
            field = tensor.shape.dim.add()
            if isinstance(dim, int):
                field.dim_value = dim
            elif dim is not None:
                field.dim_param = dim
    return info


def infer_types(model: ModelProto) -> dict[str, TensorType]:
    """Types of tensors by name: what ONNX shape inference finds, completed by what the model declares.

    Runtimes only warn where a declared shape contradicts the operators, and such models exist. So inference starts from
    the inputs alone, and declarations help only where it got stuck.
    """
    declared = _collect([*model.graph.input, *model.graph.value_info, *model.graph.output])
    found = _infer(model, {})
    if found is None:
        return declared
    stuck = {n: t for n, t in declared.items() if n not in found or found[n].shape is None}
    if stuck:
        found = (_infer(model, stuck | found) or {}) | {n: t for n, t in found.items() if t.shape is not None}
    return declared | found | {n: _merge(t, declared[n]) for n, t in found.items() if n in declared}


def _infer(model: ModelProto, hints: Mapping[str, TensorType]) -> dict[str, TensorType] | None:
    """Types that inference finds; none if it failed in an orderly way, None if it crashed or had to be ended."""
    light = _without_large_data(model)
    inputs = {v.name for v in light.graph.input}
    light.graph.value_info.extend(value_info(n, t) for n, t in hints.items() if n not in inputs)
    # Types are a help, never a condition: a model on which inference fails has fewer typed nodes.
    nodes = len(light.graph.node) + sum(len(f.node) for f in light.functions)
    seconds = _SECONDS + _SECONDS_A_NODE * nodes
    outcome = guarded(_inferred, light, seconds=seconds, memory=_MEMORY)
    if outcome.data is None:
        return None if outcome.fate else {}
    inferred = ModelProto.FromString(outcome.data)
    return _collect([*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output])


def _inferred(model: ModelProto) -> bytes:
    """What shape inference adds to a model, as bytes: only names and types are needed, so nothing else is kept."""
    result = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    del result.graph.initializer[:], result.graph.node[:], result.functions[:]
    return bytes(result.SerializeToString())


def _merge(found: TensorType, declared: TensorType) -> TensorType:
    """The type found by inference, with dimensions that only the declaration knows."""
    if found.shape is None and found.elem == declared.elem:
        return declared
    if declared.shape is None or found.shape is None or len(found.shape) != len(declared.shape):
        return found
    pairs = zip(found.shape, declared.shape, strict=True)
    return TensorType(found.elem, tuple(f if isinstance(f, int) or d is None else d for f, d in pairs))


def _collect(values: Iterable[ValueInfoProto]) -> dict[str, TensorType]:
    types: dict[str, TensorType] = {}
    for value in values:
        kind = tensor_type(value.type)
        if kind is not None and not (kind.shape is None and value.name in types):
            types[value.name] = kind
    return types


def _without_large_data(model: ModelProto) -> ModelProto:
    """A copy for inference, which declares nothing but inputs.

    Large initialisers are inputs in it: inference reads their type, and copies no weights.
    """
    light = ModelProto(ir_version=max(model.ir_version, 4))
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph, source = light.graph, model.graph
    graph.name = source.name
    for field in ("input", "sparse_initializer"):
        getattr(graph, field).extend(getattr(source, field))
    graph.output.extend(ValueInfoProto(name=v.name) for v in source.output)
    own = {(f.domain, f.name) for f in model.functions}
    # Inference knows no foreign operators and would learn nothing of all that follows.
    sizes = {tensor.name: tuple(tensor.dims) for tensor in source.initializer}
    nodes = [
        new
        for node in source.node
        for new in ((None if (node.domain, node.op_type) in own else stand_ins(node, sizes)) or (node,))
    ]
    graph.node.extend(nodes)
    inputs = {v.name for v in source.input}
    for tensor in source.initializer:
        size = 1
        for dim in tensor.dims:
            size *= dim
        if size <= _LARGE:
            graph.initializer.append(tensor)
        elif tensor.name not in inputs:
            graph.input.append(value_info(tensor.name, TensorType(tensor.data_type, tuple(tensor.dims))))
    return light
