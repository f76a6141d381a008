# SPDX-License-Identifier: Apache-2.0
"""Dense convolutions and recurrent layers in onnxruntime: where structure does not pay, and the baseline elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from swm.engine.kernels.cell import CellKind
from swm.engine.kernels.conv import ConvGeometry
from swm.kernels import Floats

__all__ = ["dense_cell", "dense_conv", "session_of"]

_FLOAT = onnx.TensorProto.FLOAT
Run = Callable[[Floats], Floats]


def session_of(
    op: str, constants: dict[str, Floats], threads: int, rank: int, **attributes: Any
) -> ort.InferenceSession:
    """A session of one node `y = op(x, constants...)`, its threads asleep between calls.

    Args:
        op: an operator of opset 17.
        constants: its other inputs in order, by name.
        threads: to use.
        rank: axes of x.
        attributes: of the node.
    """
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, ["x", *constants], ["y"], **attributes)],
        "dense",
        [onnx.helper.make_tensor_value_info("x", _FLOAT, [None] * rank)],
        [onnx.helper.make_tensor_value_info("y", _FLOAT, None)],
        [onnx.numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    model = onnx.helper.make_model(graph, ir_version=9, opset_imports=[onnx.helper.make_opsetid("", 17)])
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # or it slows all who come after it
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def dense_conv(tensor: Floats, geometry: ConvGeometry, bias: Floats | None = None, *, threads: int = 1) -> Run:
    """Onnxruntime's Conv with a kernel (M, C, kernel...)."""
    g = geometry
    constants = {"w": tensor} if bias is None else {"w": tensor, "b": bias}
    attributes = {"strides": g.strides, "dilations": g.dilations, "pads": g.pads}
    session = session_of("Conv", constants, threads, 2 + len(g.kernel), **attributes)

    def run(x: Floats) -> Floats:
        y: Floats = session.run(None, {"x": x})[0]
        return y

    return run


def dense_cell(
    kind: CellKind, w: Floats, r: Floats, bias: Floats, *, linear_before_reset: bool = False, threads: int = 1
) -> Run:
    """Onnxruntime's LSTM, GRU or RNN, forward: (steps, batch, inputs) → Y (steps, batch, hidden), from zero states.

    Args:
        kind: LSTM, GRU or RNN with ONNX's default activations.
        w: (gates * hidden, inputs).
        r: (gates * hidden, hidden).
        bias: (2 * gates * hidden), W's and then R's.
        linear_before_reset: for a GRU.
        threads: to use.
    """
    attributes = {"linear_before_reset": int(linear_before_reset)} if kind == "GRU" else {}
    constants = {"w": w[None], "r": r[None], "b": bias[None]}
    session = session_of(kind, constants, threads, 3, hidden_size=r.shape[1], **attributes)

    def run(x: Floats) -> Floats:
        y: Floats = session.run(None, {"x": x})[0]
        return np.squeeze(y, axis=1)

    return run
