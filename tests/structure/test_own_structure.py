# SPDX-License-Identifier: Apache-2.0
"""A weight structure of one's own, all of it in this file: fitted, run, counted, saved, read back, and forgotten."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper
from support import inputs, write_mlp

import swm
from swm.errors import OptionError
from swm.graph import LSTM, GateActivation, Graph, Linear, Opaque, TensorType, Value, is_structured
from swm.onnx_io import save
from swm.structure import Dense, Operations, WeightStructure, register, unregister


@dataclass(frozen=True, eq=False)
class Ternary(WeightStructure):
    """`scale[i] * codes[i, j]` with codes -1, 0 and 1; `size` is the number of columns that share a row's scale."""

    label: ClassVar[str] = "ternary"
    function: ClassVar[str] = "Ternary"
    letter: ClassVar[str] = "g"
    codes: ClassVar[frozenset[str]] = frozenset({"code"})

    code: np.ndarray
    scale: np.ndarray

    @property
    def shape(self):
        return self.code.shape

    @property
    def size(self):
        return -(-self.code.shape[1] // self.scale.shape[1])

    def to_dense(self):
        return self.code * np.repeat(self.scale, self.size, axis=1)[:, : self.code.shape[1]]

    def matmul(self, x):
        return x @ self.to_dense().T.astype(x.dtype, copy=False)

    @property
    def words(self):
        return self.scale.size + -(-self.code.size // 16)  # two bits a code

    @property
    def operations(self):
        return Operations(self.scale.size, self.code.size)

    @classmethod
    def reason_against(cls, shape, size):
        return "" if shape[1] % size == 0 else f"groups of {size} columns do not fit"

    @classmethod
    def project(cls, matrix, size):
        groups = matrix.reshape(len(matrix), -1, size)
        threshold = 0.7 * np.abs(groups).mean(axis=2, keepdims=True)  # Ternary Weight Networks, Li et al., 2016
        code = np.sign(groups) * (np.abs(groups) > threshold)
        scale = (groups * code).sum(axis=2) / np.maximum(np.abs(code).sum(axis=2), 1)
        return cls(code.reshape(matrix.shape).astype(np.int8), scale.astype(np.float32))

    @property
    def arrays(self):
        return {"code": self.code, "scale": self.scale}

    @classmethod
    def array_shapes(cls, shape, size):
        return {"code": shape, "scale": (shape[0], shape[1] // size)}

    @classmethod
    def from_arrays(cls, shape, size, arrays):
        if np.abs(arrays["code"]).max(initial=0) > 1:
            raise OptionError("ternary codes are -1, 0 and 1")
        return cls(arrays["code"], arrays["scale"])

    @classmethod
    def write_transposed(cls, body, shape, size):
        m, n = shape
        real = body.node("Cast", ["code"], "real", to=1)
        groups = body.node("Reshape", [real, body.integers("grouped", [m, n // size, size])], "groups")
        last = body.node("Reshape", ["scale", body.integers("last", [m, n // size, 1])], "scales")
        scaled = body.node("Mul", [groups, last], "scaled")
        matrix = body.node("Reshape", [scaled, body.integers("matrix_shape", [m, n])], "matrix")
        return body.node("Transpose", [matrix], "transposed", perm=[1, 0])


@pytest.fixture
def registered():
    register(Ternary)
    yield
    unregister(Ternary)


@pytest.fixture
def graph(tmp_path):
    return swm.load(write_mlp(tmp_path / "m.onnx", widths=(32, 24, 16, 5)))


def converted(graph, **options):
    return swm.convert(graph, structure=Ternary, block=8, **options)


@pytest.mark.usefixtures("registered")
def test_a_structure_goes_the_whole_way(graph, tmp_path):
    x = inputs(64, 32)
    result = converted(graph, calibration=x)
    linear = [n for n in result.graph.nodes if isinstance(n, Linear)]
    assert [type(n.weight) for n in linear] == [Ternary, Ternary, Dense]  # the last stays, by rule
    first = result.report.layers[0]
    assert (first.structure, first.block, first.words_after) == ("ternary", 8, linear[0].weight.words)
    assert first.multiplications_after == linear[0].weight.operations.multiplications
    assert result.report.compression > 2

    y = swm.run(result.graph, x)
    twin = swm.dense_twin(result.graph)
    np.testing.assert_allclose(y, swm.run(twin, x), rtol=1e-4, atol=1e-5)
    assert swm.engines(result.graph, x)[linear[0].name].engine == "structure"

    save(result.graph, tmp_path / "ternary.onnx")
    model = onnx.load(tmp_path / "ternary.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {numpy_helper.to_array(t).dtype for t in model.graph.initializer if t.name.endswith("code")} == {
        np.dtype(np.int8)
    }
    session = ort.InferenceSession(tmp_path / "ternary.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: x})[0], y, rtol=1e-4, atol=1e-5)

    back = swm.load(tmp_path / "ternary.onnx", simplify=True)
    assert [type(n.weight) for n in back.nodes if isinstance(n, Linear)] == [Ternary, Ternary, Dense]
    np.testing.assert_array_equal(swm.run(back, x), y)


@pytest.mark.usefixtures("registered")
def test_calibration_gives_a_better_bias_than_none(graph):
    x = inputs(256, 32)
    wanted = swm.run(graph, x)
    plain, fitted = (swm.run(converted(graph, **o).graph, x) for o in ({}, {"calibration": x}))
    assert np.square(fitted - wanted).sum() < np.square(plain - wanted).sum()


@pytest.mark.usefixtures("registered")
def test_its_rules_and_names_hold(graph):
    report = swm.convert(graph, structure=Ternary, block=5).report
    assert report.layers[0].reason == "groups of 5 columns do not fit in a 24 x 32 matrix"
    with pytest.raises(OptionError, match="size 0 is impossible for ternary weights"):
        swm.convert(graph, structure=Ternary, block=0)
    with pytest.raises(OptionError, match="'Ternary' of a structure is taken"):
        register(type("Other", (Ternary,), {}))
    with pytest.raises(OptionError, match="needs a `function`"):
        register(Dense)


@pytest.mark.usefixtures("registered")
def test_a_recurrent_layer_runs_with_it_and_files_hold_it_in_either_direction(tmp_path):
    rng = np.random.default_rng(0)
    w, r = (Ternary.project(rng.normal(size=(32, n)).astype(np.float32), 4) for n in (12, 8))
    gates = tuple(map(GateActivation, ("Sigmoid", "Tanh", "Tanh")))
    node = LSTM(
        name="cell",
        inputs=("x",),
        outputs=("y",),
        input_weight=(w,),
        recurrent_weight=(r,),
        hidden=8,
        activations=gates,
    )
    wide = TensorType(1, (None, None, 12))
    graph = Graph("g", (Value("x", wide),), (Value("y", TensorType(1, None)),), (node,), types={"x": wide}).verify()
    x = rng.normal(size=(5, 3, 12)).astype(np.float32)
    np.testing.assert_allclose(swm.run(graph, x), swm.run(swm.dense_twin(graph), x), rtol=1e-4, atol=1e-5)
    swm.save(graph, tmp_path / "m.onnx")
    (back,) = (n for n in swm.load(tmp_path / "m.onnx").nodes if isinstance(n, LSTM))
    for got, wanted in zip((*back.input_weight, *back.recurrent_weight), (w, r), strict=True):
        assert isinstance(got, Ternary)
        np.testing.assert_array_equal(got.to_dense(), wanted.to_dense())
    both = replace(node, input_weight=(w, w), recurrent_weight=(r, r), direction="bidirectional", activations=gates * 2)
    swm.save(graph.with_replaced(node, both), tmp_path / "both.onnx")
    (back,) = (n for n in swm.load(tmp_path / "both.onnx").nodes if isinstance(n, LSTM))
    for got, wanted in zip((*back.input_weight, *back.recurrent_weight), (w, w, r, r), strict=True):
        assert isinstance(got, Ternary)
        np.testing.assert_array_equal(got.to_dense(), wanted.to_dense())


def test_a_file_is_run_as_any_other_where_the_structure_is_unknown(graph, tmp_path):
    x = inputs(8, 32)
    small = converted(graph).graph
    save(small, tmp_path / "ternary.onnx")
    back = swm.load(tmp_path / "ternary.onnx")
    assert any(isinstance(n, Opaque) and n.op_type.startswith("Ternary_") for n in back.nodes)
    assert not any(map(is_structured, back.nodes))
    np.testing.assert_allclose(swm.run(back, x), swm.run(small, x), rtol=1e-4, atol=1e-5)
