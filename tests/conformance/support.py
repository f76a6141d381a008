# SPDX-License-Identifier: Apache-2.0
"""ONNX's node cases by operator, and when a result is what a case wants."""

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, numpy_helper

# Exceptions: name of a case and why it fails through swm though onnxruntime passes it. None.
EXCEPTIONS: Mapping[str, str] = {}


@functools.cache
def cases_by_operator() -> dict[str, list[Any]]:
    """All cases, by the operator that they are about; a case of a function's expanded body counts for the function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    own = {c.name: c.model.graph.node[0].op_type for c in cases}
    found: dict[str, list[Any]] = {}
    for case in cases:
        base = case.name
        while base not in own or (base.endswith(("_expanded", "_expanded_ver18")) and _stem(base) in own):
            base = _stem(base)
        found.setdefault(own[base], []).append(case)
    return found


def _stem(name: str) -> str:
    return name[: name.rindex("_expanded")]


def operators() -> list[str]:
    """Every operator of every domain that onnx knows, whether it has cases or not."""
    return sorted({schema.name for schema in onnx.defs.get_all_schemas()})


def session(model: ModelProto) -> onnxruntime.InferenceSession:
    """Plain onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def value(item: Any) -> Any:
    """An input or expected output of a case as onnxruntime takes it."""
    if isinstance(item, TensorProto):
        return numpy_helper.to_array(item)
    if isinstance(item, list):
        return [value(inner) for inner in item]
    return None if item is None else np.asarray(item)


def same(wanted: Any, got: Any, rtol: float, atol: float) -> bool:
    """Whether a result is the wanted one in type, shape and content."""
    if isinstance(wanted, list | tuple):
        if not isinstance(got, Sequence) or len(wanted) != len(got):
            return False
        return all(same(a, b, rtol, atol) for a, b in zip(wanted, got, strict=True))
    if wanted is None or got is None:
        return wanted is got
    wanted, got = np.asarray(wanted), np.asarray(got)
    if wanted.dtype.kind in "OU":
        return wanted.shape == got.shape and bool((wanted.astype(str) == got.astype(str)).all())
    if wanted.shape != got.shape or wanted.dtype != got.dtype:
        return False
    if wanted.dtype.kind in "fc":
        return bool(np.allclose(got, wanted, rtol=rtol, atol=atol, equal_nan=True))
    return bool((wanted == got).all())
