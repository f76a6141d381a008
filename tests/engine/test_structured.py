# SPDX-License-Identifier: Apache-2.0
"""Structured Conv, LSTM, GRU and RNN: our kernels, the saved file in onnxruntime and its dense expansion agree."""

import gc
import weakref

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

import swm
from swm.api import dense_twin
from swm.engine import FloatEngine, float_engine, run_onnxruntime
from swm.engine.structured import run_structured
from swm.errors import CalibrationError
from swm.graph import GRU, LSTM, RNN, Conv, GateActivation, Graph, Linear, TensorType, Value
from swm.onnx_io import from_proto, to_proto
from swm.structure import BlockCirculant, BlockCirculantConv, default_transforms

F = TensorProto.FLOAT
SETTINGS = settings(max_examples=60, deadline=None)


def close(got, wanted):
    assert got.shape == wanted.shape
    assert got.dtype == np.float32
    assert np.abs(got - wanted).max(initial=0) <= 1e-4 * max(np.abs(wanted).max(initial=0), 1e-3)


def graph_of(node, inputs, outputs, opset=17, constants=None):
    types = {name: TensorType(kind, shape) for name, kind, shape in inputs}
    return Graph(
        name="one",
        inputs=tuple(Value(name, types[name]) for name, _, _ in inputs),
        outputs=tuple(Value(t, TensorType(F, (None,) * rank)) for t, rank in outputs.items()),
        nodes=(node,),
        types=types,
        opset=opset,
        constants=constants or {},
    ).verify()


def check_everywhere(graph, feeds):
    """Engine, saved file in onnxruntime, dense twin in onnxruntime; and the file reads back bit for bit."""
    ours = FloatEngine(graph).run(feeds)
    plain = run_onnxruntime(graph, feeds)
    dense = run_onnxruntime(dense_twin(graph), feeds)
    for name, values in dense.items():
        close(ours[name], values)
        close(plain[name], values)
    model = to_proto(graph)
    onnx.checker.check_model(model, full_check=True)
    back = from_proto(model)
    assert [type(n) for n in back.nodes] == [type(n) for n in graph.nodes]
    assert not back.functions
    saved = to_proto(back)
    assert to_proto(from_proto(saved)) == saved
    return graph.nodes[0], back.nodes[0]


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 2))
    k = draw(st.sampled_from([2, 4, 8]))
    m, c = (draw(st.integers(1, 3 * k)) for _ in range(2))
    kernel, strides, dilations = (tuple(draw(st.integers(1, top)) for _ in range(rank)) for top in (3, 3, 2))
    pads = tuple(draw(st.integers(0, 2)) for _ in range(2 * rank))
    size = tuple(d * (r - 1) + draw(st.integers(1, 5)) for r, d in zip(kernel, dilations, strict=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    columns = rng.normal(size=(int(np.prod(kernel)), -(-m // k), -(-c // k), k)).astype(np.float32)
    node = Conv(
        name="conv",
        inputs=("x",),
        outputs=("y",),
        weight=BlockCirculantConv(columns, (m, c), kernel),
        bias=rng.normal(size=m).astype(np.float32) if draw(st.booleans()) else None,
        channels=c,
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        pads=pads,
    )
    x = rng.normal(size=(draw(st.integers(1, 3)), c, *size)).astype(np.float32)
    opset = draw(st.sampled_from([7, 9, 11, 13, 17, 22]))
    return graph_of(node, [("x", F, ("n", c, *size))], {"y": 2 + rank}, opset), {"x": x}


@SETTINGS
@given(convolutions())
def test_structured_convolution(case):
    before, after = check_everywhere(*case)
    assert after.weight.columns.tobytes() == before.weight.columns.tobytes()
    assert after.weight.columns.shape == before.weight.columns.shape
    assert (after.strides, after.dilations, after.pads) == (before.strides, before.dilations, before.pads)


ACTIVATIONS = [
    GateActivation("Sigmoid"),
    GateActivation("Tanh"),
    GateActivation("Relu"),
    GateActivation("HardSigmoid", 0.3, 0.4),
    GateActivation("LeakyRelu", 0.2),
    GateActivation("Elu", 0.7),
    GateActivation("Softsign"),
    GateActivation("Softplus"),
    GateActivation("ScaledTanh", 0.9, 0.8),
    GateActivation("ThresholdedRelu", 0.3),
    GateActivation("Affine", 0.4, 0.1),
]


@st.composite
def recurrences(draw):
    kind = draw(st.sampled_from([LSTM, GRU, RNN]))
    direction = draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    d = 2 if direction == "bidirectional" else 1
    kw, kr = (draw(st.sampled_from([2, 4, 8])) for _ in range(2))
    h, n = draw(st.integers(1, 10)), draw(st.integers(1, 12))
    steps, batch = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    rows = kind.gates * h

    def matrices(width, k):
        shape = (-(-rows // k), -(-width // k), k)
        return tuple(
            BlockCirculant((rng.normal(size=shape) / np.sqrt(9 * width)).astype(np.float32), (rows, width))
            for _ in range(d)
        )

    def maybe(shape):  # small, so that unbounded gates do not explode, which magnifies any rounding
        return (rng.normal(size=shape) / 3).astype(np.float32) if draw(st.booleans()) else None

    places = {LSTM: 3, GRU: 2, RNN: 1}[kind]
    defaults = {LSTM: (0, 1, 1), GRU: (0, 1), RNN: (1,)}[kind] * d
    own = draw(st.booleans())
    activations = [
        ACTIVATIONS[draw(st.integers(0, len(ACTIVATIONS) - 1)) if own else defaults[i]] for i in range(places * d)
    ]
    inputs, feeds = [("x", F, (None, None, n))], {"x": (rng.normal(size=(steps, batch, n)) / 2).astype(np.float32)}
    names = ["x", "", "", ""][: 4 if kind is LSTM else 3]
    if draw(st.booleans()):
        names[1] = "lengths"
        inputs.append(("lengths", TensorProto.INT32, (None,)))
        feeds["lengths"] = rng.integers(1, steps + 1, batch).astype(np.int32)
    for i in range(2, len(names)):
        if draw(st.booleans()):
            names[i] = f"s{i}"
            inputs.append((names[i], F, (d, None, h)))
            feeds[names[i]] = (rng.normal(size=(d, batch, h)) / 2).astype(np.float32)
    own_fields = {}
    if kind is LSTM:
        own_fields = {"peepholes": maybe((d, 3 * h)), "input_forget": draw(st.booleans())}
    elif kind is GRU:
        own_fields = {"linear_before_reset": draw(st.booleans())}
    outputs = {"y": 4, "y_h": 3, "y_c": 3} if kind is LSTM else {"y": 4, "y_h": 3}
    node = kind(
        name="cell",
        inputs=tuple(names),
        outputs=tuple(outputs),
        input_weight=matrices(n, kw),
        recurrent_weight=matrices(h, kr),
        bias=maybe((d, 2 * rows)),
        hidden=h,
        direction=direction,
        activations=tuple(activations),
        clip=draw(st.sampled_from([None, 0.5, 3.0])),
        **own_fields,
    )
    opset = draw(st.sampled_from([7, 11, 13, 14, 21, 22]))
    return graph_of(node, inputs, outputs, opset), feeds


@settings(max_examples=120, deadline=None)
@given(recurrences())
def test_structured_recurrence(case):
    before, after = check_everywhere(*case)
    for one, two in zip(
        before.input_weight + before.recurrent_weight, after.input_weight + after.recurrent_weight, strict=True
    ):
        assert two.columns.tobytes() == one.columns.tobytes()
        assert two.shape == one.shape
    assert after.activations == tuple(
        GateActivation(a.name, float(np.float32(a.alpha)), float(np.float32(a.beta))) for a in before.activations
    )


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
def test_layout_one_is_layout_zero_with_batch_first(kind):
    rng = np.random.default_rng(0)
    h, n, rows = 4, 6, 4 * kind.gates
    places = {LSTM: "gtt", GRU: "gt", RNN: "t"}[kind]
    names = {"g": GateActivation("Sigmoid"), "t": GateActivation("Tanh")}

    def node(layout):
        return kind(
            name="cell",
            inputs=("x",),
            outputs=("y", "y_h"),
            input_weight=(BlockCirculant(np.ones((rows // 2, 3, 2), np.float32) / 9, (rows, n)),) * 2,
            recurrent_weight=(BlockCirculant(np.ones((rows // 2, 2, 2), np.float32) / 9, (rows, h)),) * 2,
            hidden=h,
            direction="bidirectional",
            activations=tuple(names[c] for c in places * 2),
            layout=layout,
        )

    x = rng.normal(size=(5, 3, n)).astype(np.float32)
    first, second = (
        FloatEngine(graph_of(node(layout), [("x", F, (None, None, n))], {"y": 4, "y_h": 3})).run(
            {"x": x.swapaxes(0, 1) if layout else x}
        )
        for layout in (0, 1)
    )
    np.testing.assert_allclose(second["y"], first["y"].transpose(2, 0, 1, 3), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(second["y_h"], first["y_h"].swapaxes(0, 1), rtol=1e-5, atol=1e-6)


class Counting:
    def __init__(self):
        self.inner, self.forwards, self.inverses = default_transforms(), 0, 0

    def forward(self, x):
        self.forwards += int(np.prod(x.shape[:-1]))
        return self.inner.forward(x)

    def inverse(self, spectrum, k):
        self.inverses += int(np.prod(spectrum.shape[:-1]))
        return self.inner.inverse(spectrum, k)


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 1, 1, 1)])
def test_one_transform_a_pixel_and_block_whatever_the_kernel(pads):
    """q forward transforms per input pixel and p inverse ones an output pixel, not one for each kernel position."""
    p, q, k = 3, 2, 8
    kernel = BlockCirculantConv(np.ones((9, p, q, k), np.float32), (p * k, q * k), (3, 3))
    counting = Counting()
    y = kernel.convolve(np.ones((2, q * k, 6, 7), np.float32), (1, 1), (1, 1), pads, counting)
    assert counting.forwards == 2 * 6 * 7 * q
    assert counting.inverses == 2 * y.shape[2] * y.shape[3] * p


def test_large_batches_are_cut_without_a_seam(monkeypatch):
    kernel = BlockCirculantConv(np.random.default_rng(0).normal(size=(9, 2, 2, 4)).astype(np.float32), (8, 7), (3, 3))
    x = np.random.default_rng(1).normal(size=(7, 7, 5, 5)).astype(np.float32)
    whole = kernel.convolve(x, (1, 1), (1, 1), (1, 1, 1, 1))
    monkeypatch.setattr("swm.structure.circulant_conv.SPECTRA_BYTES", 5000)
    np.testing.assert_allclose(kernel.convolve(x, (1, 1), (1, 1), (1, 1, 1, 1)), whole, atol=1e-5)


def test_a_kernel_is_a_matrix_over_patches():
    kernel = BlockCirculantConv(np.random.default_rng(0).normal(size=(6, 2, 3, 4)).astype(np.float32), (7, 10), (2, 3))
    patches = np.random.default_rng(1).normal(size=(5, 60)).astype(np.float32)
    np.testing.assert_allclose(kernel.matmul(patches), patches @ kernel.to_dense().T, atol=1e-4)
    again = BlockCirculantConv.from_dense(kernel.to_tensor(), block=4)
    np.testing.assert_allclose(again.to_tensor(), kernel.to_tensor(), atol=1e-6)


def test_a_structured_weight_that_something_else_reads_is_written_out_for_it():
    """The call stays in the file for the other reader, and the layer is structured all the same."""
    rng = np.random.default_rng(0)
    weight = BlockCirculantConv(rng.normal(size=(1, 2, 2, 4)).astype(np.float32), (8, 8), (1, 1))
    node = Conv(
        name="c", inputs=("x",), outputs=("y",), weight=weight, channels=8, kernel=(1, 1), strides=(1, 1),
        dilations=(1, 1), pads=(0, 0, 0, 0),
    )  # fmt: skip
    model = to_proto(graph_of(node, [("x", F, ("n", 8, 3, 3))], {"y": 4}))
    model.graph.node.append(onnx.helper.make_node("Identity", [model.graph.node[0].output[0]], ["w"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("w", F, (8, 8, 1, 1)))
    graph = from_proto(model)
    x = rng.normal(size=(2, 8, 3, 3)).astype(np.float32)
    got = swm.run(graph, {"x": x})
    np.testing.assert_array_equal(got["w"], weight.to_tensor())
    assert any(isinstance(n, Conv) and isinstance(n.weight, BlockCirculantConv) for n in graph.nodes)
    again = run_onnxruntime(from_proto(to_proto(graph)), {"x": x})
    close(again["y"], got["y"])


def test_what_onnxruntime_refuses_at_run_time_is_an_error_of_ours():
    """Its exceptions derive from Exception alone."""
    node = onnx.helper.make_node("Reshape", ["x", "shape"], ["y"])
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("x", F, ["n", 3])],
        [onnx.helper.make_tensor_value_info("y", F, [None, None])],
        [onnx.numpy_helper.from_array(np.array([1, 6]), "shape")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(swm.CalibrationError, match="could not run"):
        swm.run(from_proto(model), np.ones((3, 3), np.float32))


def layer_graph():
    rng = np.random.default_rng(0)
    node = Conv(
        name="conv",
        inputs=("x",),
        outputs=("y",),
        weight=BlockCirculantConv(rng.normal(size=(9, 2, 2, 8)).astype(np.float32), (16, 16), (3, 3)),
        channels=16,
        kernel=(3, 3),
        strides=(1, 1),
        dilations=(1, 1),
        pads=(1, 1, 1, 1),
    )
    return graph_of(node, [("x", F, (None, 16, None, None))], {"y": 4})


@pytest.mark.parametrize("engine", ["compiled", "pyfftw", "scipy", "dense"])
def test_every_engine_gives_the_same_numbers_and_says_so(monkeypatch, engine):
    graph = layer_graph()
    x = np.random.default_rng(1).normal(size=(2, 16, 9, 9)).astype(np.float32)
    monkeypatch.setenv("SWM_ENGINE", engine)
    choice = swm.engines(graph, x)["conv"]
    if engine in choice.missing:
        pytest.skip(choice.missing[engine])
    assert choice.engine == engine
    assert "SWM_ENGINE" in choice.reason
    close(FloatEngine(graph).run({"x": x})["y"], run_onnxruntime(dense_twin(graph), {"x": x})["y"])


def test_conversions_do_not_depend_on_what_is_built(monkeypatch):
    monkeypatch.delenv("SWM_ENGINE", raising=False)
    graph = layer_graph()
    engine = FloatEngine(graph, deterministic=True)
    engine.run({"x": np.ones((2, 16, 9, 9), np.float32)})
    assert engine.choices["conv"].reason == "by size alone"


def test_a_graph_is_run_without_a_trace_in_it_and_its_engine_ends_with_it():
    graph, x = layer_graph(), np.ones((1, 16, 9, 9), np.float32)
    before = dict(vars(graph))
    swm.run(graph, x)
    assert vars(graph) == before
    engine = weakref.ref(float_engine._kept[graph])
    swm.run(graph, x)
    assert float_engine._kept[graph] is engine()
    del graph
    gc.collect()
    assert engine() is None


def test_one_tensor_may_be_both_initial_states_of_a_layer_that_runs_dense(monkeypatch):
    monkeypatch.setenv("SWM_ENGINE", "dense")
    rng = np.random.default_rng(0)
    w, r = (BlockCirculant(rng.normal(size=(4, 1, 8)).astype(np.float32)) for _ in "wr")
    sigmoid, tanh = GateActivation("Sigmoid"), GateActivation("Tanh")
    node = LSTM(
        name="cell",
        inputs=("x", "", "s", "s"),
        outputs=("y",),
        input_weight=(w,),
        recurrent_weight=(r,),
        hidden=8,
        activations=(sigmoid, tanh, tanh),
    )
    graph = graph_of(node, [("x", F, (None, None, 8)), ("s", F, (1, None, 8))], {"y": 4})
    feeds = {
        "x": rng.normal(size=(3, 2, 8)).astype(np.float32),
        "s": rng.normal(size=(1, 2, 8)).astype(np.float32),
    }
    engine = FloatEngine(graph)
    close(engine.run(feeds)["y"], run_onnxruntime(graph, feeds)["y"])
    assert engine.choices["cell"].engine == "dense"


def test_other_types_than_float_are_one_error():
    """As in onnxruntime, which knows no Gemm of mixed types."""
    layer = Linear(name="fc", inputs=("x",), outputs=("y",), weight=BlockCirculant(np.ones((2, 2, 4), np.float32)))
    for kind in (np.int64, np.float16):
        with pytest.raises(CalibrationError, match="Linear 'fc' takes float32, got"):
            run_structured(layer, [np.ones((3, 8), kind)])
