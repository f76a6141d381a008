# SPDX-License-Identifier: Apache-2.0
"""ONNX's own node cases: what onnxruntime passes also passes through swm.run, and again after load → save.

The second half proves that the typed form lost nothing: the saved file holds only what the typed nodes said.
"""

import contextlib

import onnx
import pytest

import swm
from swm.onnx_io import from_proto, to_proto
from tests.onnx_io.support import trusted

from .support import EXCEPTIONS, cases_by_operator, operators, same, session, value


def by_onnxruntime(model, feeds):
    return session(model).run(None, feeds)


def by_swm(graph, feeds):
    results = swm.run(graph, feeds)
    return [results[v.name] for v in graph.outputs]


def by_saved_file(graph, feeds):
    return by_onnxruntime(to_proto(graph), feeds)


# Element types that swm folds; the others travel as nodes.
NATIVE = "float32 float64 float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()  # noqa: SIM905

ROADS = {"swm.run": by_swm, "load and save": by_saved_file}


@pytest.mark.parametrize("op", operators())
@pytest.mark.parametrize("variant", ["as it is", "constants"])
def test_operator(op, variant, record_property):
    cases = cases_by_operator().get(op, [])
    passed = dict.fromkeys(["onnxruntime", *ROADS], 0)
    wrong = []
    for case in cases:
        with trusted() if passed["onnxruntime"] else contextlib.nullcontext():
            wrong += tried(case, variant, passed)
    if not passed["onnxruntime"]:
        pytest.skip("onnxruntime passes no case of this operator")
    record_property(f"onnx:{op} ({variant})", (len(cases), *passed.values()))
    assert not wrong, "\n".join(wrong)


def tried(case, variant, passed):
    """What went wrong with a case; counts in `passed` what went right."""
    wrong = []
    for inputs, outputs in case.data_sets:
        model = case.model
        feeds = {v.name: value(a) for v, a in zip(model.graph.input, inputs, strict=True)}
        wanted = value(list(outputs))
        if variant == "constants":
            model, feeds = with_constants(model, feeds)
            if model is None:
                continue
        try:
            answer = by_onnxruntime(model, feeds)
        except Exception:
            continue
        if not same(wanted, answer, case.rtol, case.atol):
            continue
        passed["onnxruntime"] += 1
        graph = from_proto(model, case.name)
        for road, run in ROADS.items():
            try:
                good, what = same(wanted, run(graph, feeds), case.rtol, case.atol), "other numbers"
            except Exception as error:
                good, what = False, f"{type(error).__name__}: {error}"
            passed[road] += good
            if good is (case.name in EXCEPTIONS):
                wrong.append(f"{case.name} by {road}: {'passes, though an exception' if good else what}")
    return wrong


def with_constants(model, feeds):
    """The case with every tensor but the first as an initialiser, which is what makes many nodes typed."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    kept = dict(list(feeds.items())[:1])
    for info in list(fixed.graph.input)[1:]:
        array = feeds[info.name]
        if info.type.WhichOneof("value") == "tensor_type" and array.dtype.name in NATIVE:
            fixed.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
            fixed.graph.input.remove(info)
        else:
            kept[info.name] = array
    return (fixed, kept) if len(kept) < len(feeds) else (None, kept)
