# SPDX-License-Identifier: Apache-2.0
"""TensorProto: where they hide in a model, whether they hold what they declare, and their arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

from swm.errors import ModelError

__all__ = ["byte_size", "check_tensor", "dense_size", "densify", "has_native", "is_native", "to_array", "walk_tensors"]

# Element types that numpy has itself. Arrays of all others travel as TensorProto, since onnx releases differ in the
# numpy type they give to them.
_NATIVE = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.INT8,
        TensorProto.INT16,
        TensorProto.INT32,
        TensorProto.INT64,
        TensorProto.UINT8,
        TensorProto.UINT16,
        TensorProto.UINT32,
        TensorProto.UINT64,
        TensorProto.BOOL,
    }
)
# By name, because releases of onnx before 1.20 lack some.
_BITS_BY_NAME = {
    "FLOAT": 32, "DOUBLE": 64, "FLOAT16": 16, "BFLOAT16": 16, "COMPLEX64": 64, "COMPLEX128": 128,
    "INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64, "BOOL": 8,
    "FLOAT8E4M3FN": 8, "FLOAT8E4M3FNUZ": 8, "FLOAT8E5M2": 8, "FLOAT8E5M2FNUZ": 8, "FLOAT8E8M0": 8,
    "INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2,
}  # fmt: skip
_BITS = {number: _BITS_BY_NAME[name] for name, number in TensorProto.DataType.items() if name in _BITS_BY_NAME}
_FIELDS: dict[int, tuple[str, int]] = {
    TensorProto.FLOAT: ("float_data", 1),
    TensorProto.COMPLEX64: ("float_data", 2),
    TensorProto.DOUBLE: ("double_data", 1),
    TensorProto.COMPLEX128: ("double_data", 2),
    TensorProto.INT64: ("int64_data", 1),
    TensorProto.UINT32: ("uint64_data", 1),
    TensorProto.UINT64: ("uint64_data", 1),
}  # the rest lies in int32_data


def has_native(elem: int) -> bool:
    """Whether numpy has an element type, given by any number."""
    return elem in _NATIVE


def is_native(tensor: TensorProto) -> bool:
    """Whether numpy has the tensor's element type."""
    return has_native(tensor.data_type)


def byte_size(tensor: TensorProto) -> int:
    """Bytes of raw data that element type and dimensions declare.

    Raises:
        ModelError: unknown element type or negative dimension.
    """
    if tensor.data_type not in _BITS:
        raise ModelError(
            f"tensor {tensor.name!r} has element type {tensor.data_type}, which onnx {onnx.__version__} does not know "
            "or does not store as bytes; export the model again or install a newer onnx"
        )
    return -(-_count(tensor.name, tensor.dims) * _BITS[tensor.data_type] // 8)


def check_tensor(tensor: TensorProto) -> None:
    """Check that a tensor holds exactly the data that it declares, before anything is allocated for it.

    Raises:
        ModelError: sizes differ, or the element type is unknown.
    """
    if tensor.HasField("segment"):
        raise ModelError(f"tensor {tensor.name!r} is stored in segments, which no runtime reads; export again")
    if tensor.data_type == TensorProto.STRING:
        held, needed, unit = len(tensor.string_data), _count(tensor.name, tensor.dims), "strings"
    elif tensor.HasField("raw_data"):
        held, needed, unit = len(tensor.raw_data), byte_size(tensor), "bytes"
    else:
        size = byte_size(tensor)
        name, parts = _FIELDS.get(tensor.data_type, ("int32_data", 1))
        elements = _count(tensor.name, tensor.dims)
        needed = size if _BITS[tensor.data_type] < 8 else elements * parts
        held, unit = len(getattr(tensor, name)), f"numbers in {name}"
    if held != needed:
        raise ModelError(
            f"tensor {tensor.name!r} of shape {list(tensor.dims)} needs {needed} {unit} but holds {held}; the file is "
            "damaged, export or download it again"
        )


def to_array(tensor: TensorProto) -> NDArray[Any]:
    """The array of a checked tensor of a native element type.

    Raises:
        ModelError: numpy cannot hold it.
    """
    try:
        array: NDArray[Any] = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as exc:
        raise ModelError(f"tensor {tensor.name!r} of shape {list(tensor.dims)} cannot be read: {exc}") from exc
    return array


def dense_size(sparse: SparseTensorProto) -> int:
    """Bytes of a sparse initialiser written out.

    Raises:
        ModelError: as `byte_size`.
    """
    return byte_size(TensorProto(name=sparse.values.name, data_type=sparse.values.data_type, dims=sparse.dims))


def densify(sparse: SparseTensorProto) -> NDArray[Any]:
    """A sparse initialiser written out; onnxruntime does the same.

    Raises:
        ModelError: inconsistent indices, or an element type numpy lacks.
    """
    name = sparse.values.name
    count = _count(name, sparse.dims)
    if not is_native(sparse.values) or sparse.indices.data_type != TensorProto.INT64:
        raise ModelError(f"sparse initialiser {name!r} has an element type that swm cannot write out; store it dense")
    values = to_array(sparse.values).reshape(-1)
    indices = to_array(sparse.indices)
    shape = tuple(sparse.dims)
    if indices.ndim == 2 and indices.shape == (len(values), len(shape)):
        if ((indices < 0) | (indices >= np.array(shape, np.int64))).any():
            raise ModelError(f"sparse initialiser {name!r} has an index outside its shape {list(shape)}")
        flat = np.ravel_multi_index(tuple(indices.T), shape) if len(values) else np.zeros(0, np.int64)
    elif indices.shape == (len(values),):
        flat = indices
    else:
        raise ModelError(
            f"sparse initialiser {name!r} has indices of shape {list(indices.shape)} beside {len(values)} values of a "
            f"tensor of rank {len(shape)}"
        )
    if len(flat) and not (flat.min() >= 0 and flat.max() < count):
        raise ModelError(f"sparse initialiser {name!r} has an index outside its shape {list(shape)}")
    dense = np.zeros(count, values.dtype)
    dense[flat] = values
    return dense.reshape(shape)


def walk_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor stored in a model: initialisers and attributes, in subgraphs and functions too."""
    yield from _in_graph(model.graph)
    for function in model.functions:
        yield from _in_nodes(function.node)
        for attribute in function.attribute_proto:
            yield from _in_attribute(attribute)


def _in_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    yield from _in_nodes(graph.node)


def _in_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _in_attribute(attribute)


def _in_attribute(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    for sparse in [
        *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
        *attribute.sparse_tensors,
    ]:
        yield sparse.values
        yield sparse.indices
    for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
        yield from _in_graph(graph)


def _count(name: str, dims: Iterable[int]) -> int:
    dims = list(dims)
    if any(d < 0 for d in dims):
        raise ModelError(f"tensor {name!r} declares the shape {dims}; dimensions cannot be negative")
    return math.prod(dims)
