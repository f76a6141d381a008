# SPDX-License-Identifier: Apache-2.0
"""How a network is run: which layers our kernels take, what runs whole in onnxruntime, and how little a repeat does."""

import logging

import numpy as np
import pytest
from support import mlp

import swm
from swm.api import dense_twin
from swm.engine import FloatEngine, cutting, float_engine, planning, run_onnxruntime
from swm.engine.kernels import CompiledEngine
from swm.errors import CalibrationError, OptionError
from swm.graph import Conv, Graph, Linear, Relu, TensorType, Value
from swm.kernels import CompiledProduct, build
from swm.kernels.background import BUILDING, Wanted
from swm.onnx_io import from_proto
from swm.structure import BlockCirculant, BlockCirculantConv

needs_compiler = pytest.mark.skipif(CompiledEngine().missing() is not None, reason="no C++ compiler")
WIDTHS = (32, 48, 40, 6)


@pytest.fixture(autouse=True)
def defaults(monkeypatch):
    """No wishes in the environment, kernels built when they are wanted."""
    for name in ("SWM_ENGINE", "SWM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SWM_BUILD", "wait")


@pytest.fixture
def seconds(monkeypatch):
    """Predictions by engine, for the tests to set."""
    table = {"compiled": 1e-6, "pyfftw": 1.0, "scipy": 1.0, "dense": 1e-3}
    monkeypatch.setattr(planning, "predict", lambda name, shape, _: table[name] * getattr(shape, "batch", 1))
    return table


def converted(batch="batch", widths=WIDTHS):
    """Three layers, of which two are block-circulant, with a Relu after each of them."""
    return swm.convert(from_proto(mlp(widths, batch=batch)), block=8).graph


def inputs(rows, graph=None, width=WIDTHS[0]):
    return np.random.default_rng(rows).normal(size=(rows, width)).astype(np.float32)


def plan_of(graph, rows=4):
    return planning.make_plan(graph, ["h2"], {"x": (rows, WIDTHS[0])}, 1)


def agrees(graph, x, y):
    wanted = run_onnxruntime(dense_twin(graph), {"x": x})["h2"]
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)


def test_a_network_that_would_not_gain_runs_whole_in_onnxruntime(seconds):
    graph, x = converted(), inputs(4)
    seconds["compiled"] = 0.9e-3  # faster, but not by enough to trust in
    assert not plan_of(graph).engines
    engine = FloatEngine(graph)
    agrees(graph, x, engine.run({"x": x})["h2"])
    (segment,) = engine._last[0].segments
    assert segment.layer is None
    choices = swm.engines(graph, x)
    assert {c.engine for c in choices.values()} == {"dense"}
    assert all("runs whole in onnxruntime" in c.reason for c in choices.values())


@needs_compiler
def test_a_network_that_gains_runs_its_layers_in_our_kernels_with_what_follows_them(seconds):
    graph, x = converted(), inputs(4)
    assert dict(plan_of(graph).engines) == {"fc0": "compiled", "fc1": "compiled"}
    engine = FloatEngine(graph)
    agrees(graph, x, engine.run({"x": x})["h2"])
    first, second, last = engine._last[0].segments
    assert [first.layer.name, second.layer.name, last.layer] == ["fc0", "fc1", None]
    assert first.relu
    assert second.relu
    assert [n.name for n in last.nodes] == ["fc2"]
    assert {c.engine for c in swm.engines(graph, x).values()} == {"compiled"}


@needs_compiler
def test_a_layer_that_would_be_slower_runs_dense_within_onnxruntime(monkeypatch):
    graph, x = converted(), inputs(4)

    def predict(name, shape, _):
        of_fc1 = (shape.p, shape.q) == (5, 6)
        return 1e-2 if name in ("pyfftw", "scipy") or (name == "compiled") == of_fc1 else 1e-5

    monkeypatch.setattr(planning, "predict", predict)
    assert dict(plan_of(graph).engines) == {"fc0": "compiled"}
    engine = FloatEngine(graph)
    agrees(graph, x, engine.run({"x": x})["h2"])
    first, rest = engine._last[0].segments
    assert first.layer.name == "fc0"
    assert [n.name for n in rest.nodes] == ["fc1", "act1", "fc2"]
    assert engine.choices["fc1"].engine == "dense"


@needs_compiler
def test_a_cut_has_to_gain_more_than_the_calls_that_it_costs(seconds):
    seconds["dense"], seconds["compiled"] = 2e-6, 1e-6
    assert not plan_of(converted(), rows=1).engines
    assert plan_of(converted(), rows=64).engines


@needs_compiler
def test_a_kernel_that_is_being_built_runs_as_soon_as_it_is_there(seconds, monkeypatch):
    graph, x = converted(), inputs(4)
    there = []
    monkeypatch.setattr(
        planning, "wanted_library", lambda *a: Wanted(there[0] if there else None, BUILDING, coming=True)
    )
    monkeypatch.setattr(float_engine, "_AGAIN", 0.0)
    assert plan_of(graph).coming
    agrees(graph, x, swm.run(graph, x))
    meanwhile = swm.engines(graph, x)["fc0"]
    assert meanwhile.engine == "dense"
    assert BUILDING in meanwhile.reason
    assert meanwhile.missing["compiled"] == BUILDING
    there.append(build.load_library("matmul.cpp", {"SWM_K": 8}))
    agrees(graph, x, swm.run(graph, x))
    assert float_engine._kept[graph].choices["fc0"].engine == "compiled"
    assert not plan_of(graph).coming


def test_without_a_compiler_another_engine_answers_in_silence_and_the_reason_can_be_asked(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    graph, x = converted(), inputs(4)
    with caplog.at_level(logging.DEBUG):
        agrees(graph, x, swm.run(graph, x))
    assert not [r for r in caplog.records if r.name.startswith("swm")]
    choice = swm.engines(graph, x)["fc0"]
    assert choice.engine != "compiled"
    assert "no-such-compiler" in choice.missing["compiled"]
    assert "no-such-compiler" in choice.reason


@needs_compiler
def test_conversion_has_the_kernels_of_its_graph_built_and_no_others(monkeypatch):
    asked = []
    monkeypatch.setattr(planning, "wanted_library", lambda *a: asked.append(a) or Wanted(None, BUILDING, coming=True))
    converted()
    assert not asked, "it would run whole in onnxruntime"
    converted(widths=(1024, 1024, 1024, 10))
    assert set(asked) == {("matmul.cpp", 8)}


def test_conversions_give_the_same_numbers_whatever_is_built(monkeypatch):
    x = inputs(64)
    first = swm.convert(from_proto(mlp(WIDTHS)), block=8, calibration=x).graph
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(build, "_loaded", {})
    second = swm.convert(from_proto(mlp(WIDTHS)), block=8, calibration=x).graph
    for one, other in zip(first.linear(), second.linear(), strict=True):
        assert np.array_equal(one.weight.to_dense(), other.weight.to_dense())


def test_a_relu_goes_along_only_where_nobody_else_wants_what_is_before_it():
    graph = converted()
    both = {"fc0", "fc1"}
    assert [s.relu for s in cutting.cut(graph, ["h2"], both, both) if s.layer] == [True, True]
    assert [s.relu for s in cutting.cut(graph, ["h2", "h0"], both, both) if s.layer] == [False, True]
    assert [s.relu for s in cutting.cut(graph, ["h2"], both) if s.layer] == [False, False]


def test_a_repeat_neither_checks_nor_plans(monkeypatch):
    graph, x = converted(), inputs(4)
    y = swm.run(graph, x)
    monkeypatch.setattr("swm.api.feeds", lambda *_, **__: pytest.fail("checked again"))
    monkeypatch.setattr(float_engine, "make_plan", lambda *_: pytest.fail("planned again"))
    assert np.array_equal(swm.run(graph, x), y)
    np.testing.assert_allclose(swm.run(graph, 2 * x), swm.run(graph, 2 * x))
    with pytest.raises(pytest.fail.Exception):
        swm.run(graph, inputs(5))


def test_repeats_take_nothing_for_what_it_is_not():
    graph, x = converted(), inputs(4)
    y = swm.run(graph, x)
    for other in (x.astype(np.float64), x.astype(">f4"), x.T.copy().T, x[::-1][::-1]):
        np.testing.assert_allclose(swm.run(graph, other), y, rtol=1e-5)
    for _ in range(2):
        named = swm.run(graph, {"x": x})
        assert list(named) == ["h2"]
        np.testing.assert_allclose(named["h2"], y, rtol=1e-6)
        np.testing.assert_allclose(swm.run(graph, {"x": x.astype(">f4")})["h2"], y, rtol=1e-5)
        np.testing.assert_allclose(swm.run(graph, {"x": x.tolist()})["h2"], y, rtol=1e-5)
        with pytest.raises(CalibrationError, match="inputs are"):
            swm.run(graph, {"y": x})
    with pytest.raises(CalibrationError):
        swm.run(graph, x[:, :-1])


def test_batches_of_a_fixed_size_are_repeated_too(monkeypatch):
    graph, x = converted(batch=2), inputs(6)
    first = swm.run(graph, x)
    monkeypatch.setattr("swm.api.feeds", lambda *_, **__: pytest.fail("checked again"))
    again = swm.run(graph, x)
    assert again.shape == (6, WIDTHS[-1])
    assert np.array_equal(first, again)
    np.testing.assert_allclose(first[2:4], run_onnxruntime(dense_twin(graph), {"x": x[2:4]})["h2"], rtol=1e-4)


@needs_compiler
@pytest.mark.parametrize("rows", [1, 3, 7, 21])
def test_the_kernel_adds_the_bias_and_rectifies(rows):
    rng = np.random.default_rng(0)
    for shape in ((24, 16), (21, 15)):
        matrix = BlockCirculant(rng.normal(size=(3, 2, 8)).astype(np.float32), shape)
        bias, x = rng.normal(size=shape[0]).astype(np.float32), inputs(rows, width=shape[1])
        for relu in (False, True):
            wanted = matrix.reference(x) + bias
            got = CompiledProduct(matrix.columns, shape, bias=bias, relu=relu)(x)
            np.testing.assert_allclose(got, np.maximum(wanted, 0) if relu else wanted, atol=1e-5)
    x[-1, 0] = np.nan
    assert np.isnan(CompiledProduct(matrix.columns, shape, relu=True)(x)[-1]).all(), "as in onnxruntime"


@needs_compiler
def test_a_convolution_takes_its_relu_along(seconds):
    rng = np.random.default_rng(0)
    weight = BlockCirculantConv(rng.normal(size=(9, 2, 2, 8)).astype(np.float32), (13, 16), (3, 3))
    pair = (1, 1)
    options = {"channels": 16, "kernel": (3, 3), "strides": pair, "dilations": pair, "pads": (1, 1, 1, 1)}
    bias = rng.normal(size=13).astype(np.float32)
    conv = Conv(name="conv", inputs=("x",), outputs=("c",), weight=weight, bias=bias, **options)
    kind = TensorType(1, (None, 16, None, None))
    graph = Graph(
        name="g",
        inputs=(Value("x", kind),),
        outputs=(Value("y", TensorType(1, (None,) * 4)),),
        nodes=(conv, Relu(name="relu", inputs=("c",), outputs=("y",))),
        types={"x": kind},
        opset=17,
    ).verify()
    x = rng.normal(size=(2, 16, 7, 7)).astype(np.float32)
    engine = FloatEngine(graph)
    got = engine.run({"x": x})["y"]
    (segment,) = engine._last[0].segments
    assert segment.relu
    wanted = run_onnxruntime(dense_twin(graph), {"x": x})["y"]
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    assert (got == 0).any()


def test_unknown_lengths_are_guessed_and_a_wrong_guess_only_costs_time():
    layer = Linear(name="fc", inputs=("x",), outputs=("y",), weight=BlockCirculant(np.ones((4, 4, 8), np.float32)))
    kind = TensorType(1, None)
    graph = Graph("g", (Value("x", kind),), (Value("y", kind),), (layer,), types={"x": kind}).verify()
    assert planning.make_plan(graph, ["y"], {"x": (3, 2, 32)}, 1).choices["fc"]
    assert planning._Sizes(graph, {"x": (5, 2)}).of("nowhere") == (5, 1)


def test_threads_of_the_environment_are_checked(monkeypatch):
    monkeypatch.setenv("SWM_THREADS", "3")
    assert FloatEngine(converted())._threads == 3
    monkeypatch.setenv("SWM_THREADS", "many")
    with pytest.raises(OptionError, match="many"):
        FloatEngine(from_proto(mlp(WIDTHS)))
