# SPDX-License-Identifier: Apache-2.0
"""Models built for tests, and what onnxruntime answers for them."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from swm.guard import Outcome
from swm.onnx_io import from_proto, to_proto

OPSETS = (7, 9, 11, 13, 17, 21, 24)
NEWEST_RUN = 26  # of onnxruntime 1.31

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Nothing runs in a child process first, which would take most of the time.

    For models that are ONNX's own or a test's. The guard still meets every kind of them: ONNX's cases of an operator
    go without this until one has passed, and `round_trip` has it for what swm wrote.
    """
    with (
        mock.patch.dict("os.environ", SWM_TRUST_MODELS="1"),
        mock.patch("swm.onnx_io.types.guarded", _unguarded),
        mock.patch("swm.onnx_io.proto.guarded", _unguarded),
    ):
        yield


def _unguarded(function: Callable[..., bytes], *args: object, **_: object) -> Outcome:
    try:
        return Outcome(data=function(*args))
    except Exception as error:
        return Outcome(error=str(error))


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None] | None],
    outputs: Mapping[str, Sequence[int | str | None] | None],
    weights: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    ir_version: int | None = None,
    kind: int = TensorProto.FLOAT,
    **options: Any,
) -> ModelProto:
    """A model whose inputs and outputs are tensors of one element type."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset)]
    ir_version = ir_version or min(13, max(4, helper.find_min_ir_version_for(imports)))
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, **options)


def session(model: ModelProto | bytes | str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if isinstance(model, ModelProto):
        model = model.SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(model: ModelProto | bytes | str, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    return session(model).run(None, dict(feeds))


def random_feeds(runner: onnxruntime.InferenceSession, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in runner.get_inputs():
        shape = [d if isinstance(d, int) and d > 0 else 1 for d in value.shape]
        kind = np.dtype(_DTYPES[value.type])
        feeds[value.name] = (rng.standard_normal(shape) if kind.kind == "f" else np.ones(shape)).astype(kind)
    return feeds


def assert_same(wanted: Any, got: Any, rtol: float = 1e-5) -> None:
    """Equal up to float32 rounding, sequences included."""
    if isinstance(wanted, list | tuple):
        assert len(wanted) == len(got)
        for a, b in zip(wanted, got, strict=True):
            assert_same(a, b, rtol)
    elif isinstance(wanted, np.ndarray) and wanted.dtype.kind in "fc":
        assert wanted.shape == got.shape
        assert wanted.dtype == got.dtype
        finite = np.abs(wanted[np.isfinite(wanted)])
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * float(finite.max(initial=1e-3)))
    else:
        np.testing.assert_array_equal(got, wanted)


def round_trip(model: ModelProto) -> ModelProto:
    """load → save, checked: legal ONNX, and stable from then on."""
    saved = to_proto(from_proto(model))
    onnx.checker.check_model(saved, full_check=True)
    with trusted():
        again = to_proto(from_proto(saved))
    assert again.SerializeToString(deterministic=True) == saved.SerializeToString(deterministic=True)
    return saved


def check(model: ModelProto, feeds: Mapping[str, np.ndarray] | None = None) -> ModelProto:
    """The saved model answers as the original does."""
    runner = session(model)
    feeds = random_feeds(runner) if feeds is None else dict(feeds)
    saved = round_trip(model)
    assert_same(runner.run(None, feeds), run(saved, feeds))
    return saved
