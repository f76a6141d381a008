# SPDX-License-Identifier: Apache-2.0
"""ONNX's own node cases of the typed operators: load → save → onnxruntime gives what onnxruntime gave."""

import contextlib
import functools
import warnings

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from swm.onnx_io import from_proto, to_proto

from .support import assert_same, session, trusted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from onnx.backend.test.case.node import collect_testcases

OPERATORS = (
    "Gemm", "MatMul", "Flatten", "Reshape", "Relu", "Sigmoid", "Tanh", "Softmax", "Identity", "Dropout", "Cast",
    "BatchNormalization", "Constant", "Add", "Sub", "Mul", "Div", "Transpose",
)  # fmt: skip
IR_LIMIT, OPSET_LIMIT = 13, 26  # of onnxruntime 1.31


@functools.cache
def all_cases():
    """Collected once and without a filter: a second call with another operator gives the first one's cases again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases(None)


def cases(op):
    return [c for c in all_cases() if c.model and any(n.op_type == op for n in c.model.graph.node)]


def with_constants(model, arrays):
    """The same case with every input but the first as an initialiser, which is what makes a node typed."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for name, array in list(arrays.items())[1:]:
        fixed.graph.initializer.append(numpy_helper.from_array(array, name))
    for value in list(fixed.graph.input)[1:]:
        fixed.graph.input.remove(value)
    return fixed


@functools.cache
def tried(name, guarded):
    """How often a case could be compared: each is once, though its model may have nodes of many operators."""
    (case,) = (c for c in all_cases() if c.name == name)
    model = case.model
    if max(i.version for i in model.opset_import if not i.domain) > OPSET_LIMIT:
        return 0
    model.ir_version = min(model.ir_version, IR_LIMIT)
    count = 0
    for inputs, _ in case.data_sets:
        names = [v.name for v in model.graph.input]
        if not all(isinstance(a, np.ndarray) for a in inputs):
            continue
        feeds = dict(zip(names, inputs, strict=True))
        for variant in (model, with_constants(model, feeds)):
            given = {v.name: feeds[v.name] for v in variant.graph.input}
            try:
                wanted = session(variant).run(None, given)
            except Exception:  # what onnxruntime cannot run does not concern this test
                continue
            with contextlib.nullcontext() if guarded else trusted():
                saved = to_proto(from_proto(variant, case.name))
            assert_same(wanted, session(saved).run(None, given))
            count += 1
    return count


@pytest.mark.parametrize("op", OPERATORS)
def test_node_cases(op):
    count = 0
    for case in cases(op):
        count += tried(case.name, guarded=not count)
    assert count
