# SPDX-License-Identifier: Apache-2.0
"""What callers of the public functions give: graphs and inputs, checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from swm.accelerator.fixed_graph import FixedGraph
from swm.errors import CalibrationError, OptionError
from swm.graph import Graph
from swm.reshape import reshape_advice

__all__ = ["Array", "Inputs", "feeds", "fixed_feeds", "only", "project_name", "require_fixed", "require_graph"]

# What exporters call a graph that nobody named.
_UNNAMED = frozenset(
    {"", "graph", "main", "main_graph", "model", "onnx_graph", "tf2onnx", "torch_jit", "torch_jit_export"}
)

Array = NDArray[Any]
Inputs = Array | Mapping[str, Array]


def require_graph(value: object) -> Graph:
    """The value, if it is a float graph.

    Raises:
        OptionError: it is something else, such as the path of a model.
    """
    if isinstance(value, Graph):
        return value
    if isinstance(value, str | Path):
        raise OptionError(f"expected a graph, got the path {str(value)!r}; read it first: swm.load({str(value)!r})")
    if isinstance(getattr(value, "graph", None), Graph):
        raise OptionError(f"expected a graph, got a {type(value).__name__}; its graph is its attribute .graph")
    raise OptionError(
        f"expected a graph from swm.load, or the .graph of a conversion, got an object of type {type(value).__name__}"
    )


def require_fixed(value: object) -> FixedGraph:
    """The value, if it is in fixed point.

    Raises:
        OptionError: it is not; the step that is missing is named.
    """
    if isinstance(value, FixedGraph):
        return value
    if isinstance(value, Graph):
        raise OptionError(
            "this is a float graph; hardware takes fixed point, so quantize it first: "
            "fixed = swm.quantize(graph, bits=12, calibration=x)"
        )
    if isinstance(getattr(value, "graph", None), Graph):
        raise OptionError(
            f"this is a {type(value).__name__}; quantize its graph first: "
            "fixed = swm.quantize(conversion.graph, bits=12, calibration=x)"
        )
    raise OptionError(f"expected what swm.quantize or swm.design gives, got an object of type {type(value).__name__}")


def project_name(graph: Graph) -> str:
    """The graph's name, or its file's where the name is only an exporter's default."""
    if graph.name.lower().replace("-", "_") in _UNNAMED and graph.source:
        return Path(graph.source).stem or graph.name
    return graph.name


def feeds(graph: Graph, x: Inputs, *, finite: bool = True) -> dict[str, Array]:
    """Inputs by name: an array alone goes to the only input.

    Args:
        graph: whose inputs they are.
        x: one array, or values by input name.
        finite: whether they are samples of numbers to learn from: some, finite, and not text. A mere run takes
            whatever the network takes; sequences, maps and optional values go through as they are.

    Raises:
        CalibrationError: wrong names, no samples, not numbers, NaN or infinite values, or a wrong shape.
    """
    if isinstance(x, np.ndarray):
        if len(graph.inputs) != 1:
            names = [v.name for v in graph.inputs]
            raise CalibrationError(
                f"the model has {len(names)} inputs {names}; give arrays by name: a dict, or an .npz file "
                "that numpy.savez wrote"
            )
        x = {graph.inputs[0].name: x}
    if not isinstance(x, Mapping):
        raise CalibrationError(f"inputs must be one numpy array, or arrays by input name, got a {type(x).__name__}")
    others = {v.name for v in graph.inputs if v.proto}  # not tensors
    return {n: v if n in others else _checked(graph, n, np.asarray(v), finite) for n, v in x.items()}


def fixed_feeds(graph: FixedGraph, x: Inputs) -> dict[str, Array]:
    """Inputs of a network in fixed point, by name.

    Where only the hardware reads them, any shape with the right number of values a sample will do.

    Raises:
        CalibrationError: wrong names, or what the host takes in another form.
    """
    if graph.host is not None and (graph.host.reads_inputs or len(graph.host.inputs) > 1):
        return feeds(Graph(graph.name, graph.host.inputs, graph.host.outputs, ()), x)
    return {graph.input_name: x if isinstance(x, np.ndarray) else only(x, graph.input_name)}


def _checked(graph: Graph, name: str, value: Array, finite: bool) -> Array:
    if finite and value.dtype.kind == "f" and not np.isfinite(value).all():
        raise CalibrationError(f"input {name!r} holds NaN or infinite values")
    declared = graph.type_of(name)
    is_float = declared is not None and declared.elem == 1  # onnx.TensorProto.FLOAT
    if (finite or is_float) and value.dtype.kind not in "fiub":
        raise CalibrationError(f"input {name!r} must hold numbers, got an array of {value.dtype}")
    if declared is None or declared.shape is None:
        return value
    fits = value.ndim == len(declared.shape) and all(
        # a model exported with a fixed batch still takes many samples: the engine cuts them into its batches
        not isinstance(want, int) or have == want or (axis == 0 and want > 0 and have % want == 0)
        for axis, (have, want) in enumerate(zip(value.shape, declared.shape, strict=True))
    )
    if not fits:
        want = ", ".join("?" if d is None else str(d) for d in declared.shape) + "," * (len(declared.shape) == 1)
        advice = reshape_advice(value.shape, declared.shape)
        text = f"input {name!r} must have shape ({want}), got {value.shape}"
        raise CalibrationError(f"{text}; {advice}" if advice else text)
    if finite and value.ndim and not len(value):
        raise CalibrationError(f"input {name!r} holds no samples")
    return value.astype(np.float32, copy=False) if is_float else _typed(value, declared.elem, name)


def _typed(value: Array, elem: int, name: str) -> Array:
    """Integers of any width for an input of integers, floats for one of floats, if every value survives."""
    if elem not in helper.get_all_tensor_dtypes() or value.dtype.kind not in "fiub":
        return value
    want = np.dtype(helper.tensor_dtype_to_np_dtype(elem))
    if value.dtype == want or want.kind not in "fiub":
        return value
    if want.kind == "f":
        with np.errstate(over="ignore"):
            cast = value.astype(want)
        same = np.array_equal(np.isfinite(cast), np.isfinite(value))
    else:
        same = np.can_cast(value.dtype, want, "same_kind") or (value.dtype.kind in "iu" and want.kind in "iu")
        cast = value.astype(want) if same else value
        same = same and np.array_equal(cast, value)
    if not same:
        raise CalibrationError(f"input {name!r} must hold numbers of {want}, got {value.dtype}")
    return cast


def only(x: Mapping[str, Array], name: str) -> Array:
    """The value of a network's only input.

    Raises:
        CalibrationError: other names than that.
    """
    if set(x) != {name}:
        raise CalibrationError(f"the model's only input is {name!r}, got {sorted(x)}")
    return x[name]
