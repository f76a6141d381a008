# SPDX-License-Identifier: Apache-2.0
"""What onnxruntime refuses is said in one line: the node and its trouble, no place in onnxruntime's source."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import swm
from swm.engine.refusal import reason
from swm.errors import CalibrationError, ModelError
from swm.onnx_io import from_proto


def test_a_check_inside_onnxruntime():
    where = "/onnxruntime_src/onnxruntime/core/element_wise_ops.cc:2279 void onnxruntime::f::CallModImpl"
    types = "<T, typename std::enable_if<a, void>::type>"
    rest = f"{types}::operator()(bool, onnxruntime::OpKernelContext*) const [with T = x]"
    start = "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Mod node. Name:'mod' "
    text = f"{start}Status Message: {where}{rest} fmod was false. fmod attribute must be true"
    assert reason(text) == "Mod node 'mod': fmod was false. fmod attribute must be true"


def test_others_stay_readable():
    loaded = "[ONNXRuntimeError] : 10 : INVALID_GRAPH : Load model from /a b/c.onnx failed:This is an invalid model."
    assert reason(loaded) == "This is an invalid model"
    assert reason("plain\nsecond line") == "plain"
    assert reason("") == "no reason given"


def test_real_refusals():
    def graph(op, shape):
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", shape), ("y", None))]
        body = helper.make_graph([helper.make_node(op, ["x"], ["y"], "node")], "g", infos[:1], infos[1:])
        return from_proto(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))

    with pytest.raises(ModelError, match=r"NoSuchOperator.*export it again"):
        swm.run(graph("NoSuchOperator", [2]), np.ones(2, np.float32))
    with pytest.raises(CalibrationError, match=r"^[^/]*Det node 'node'[^/]*export the model again$"):
        swm.run(graph("Det", [None, None]), np.ones((2, 3), np.float32))
