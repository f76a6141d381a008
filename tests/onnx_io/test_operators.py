# SPDX-License-Identifier: Apache-2.0
"""Each operator against onnxruntime, and what it becomes."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from swm.errors import ModelError
from swm.graph import Add, Affine, Cast, Linear, MatMul, Opaque, Relu, Reshape, Sigmoid, Softmax, Tanh
from swm.onnx_io import from_proto, to_proto

from .support import NEWEST_RUN, OPSETS, check, make_model, run

RNG = np.random.default_rng(7)
node = helper.make_node


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def only(model):
    """The one node of a converted model."""
    (found,) = from_proto(model).nodes
    return found


@settings(max_examples=60, deadline=None)
@given(
    m=st.integers(1, 9),
    n=st.integers(1, 9),
    batch=st.integers(1, 3),
    alpha=st.sampled_from([1.0, 0.5, -2.0, 0.0]),
    beta=st.sampled_from([1.0, 0.25, -1.0, 0.0]),
    trans_a=st.booleans(),
    trans_b=st.booleans(),
    bias=st.sampled_from(["none", "scalar", "one", "vector", "row", "one_one", "column", "full"]),
    opset=st.sampled_from([*OPSETS, NEWEST_RUN]),
)
def test_gemm(m, n, batch, alpha, beta, trans_a, trans_b, bias, opset):
    if bias == "none" and opset < 11:
        bias = "vector"
    shapes = {
        "scalar": (),
        "one": (1,),
        "vector": (m,),
        "row": (1, m),
        "one_one": (1, 1),
        "column": (batch, 1),
        "full": (batch, m),
    }
    weights = {"B": normal(*((m, n) if trans_b else (n, m)))}
    if bias != "none":
        weights["C"] = np.asarray(normal(*shapes[bias]), np.float32)
    gemm = node("Gemm", ["x", *weights], ["y"], alpha=alpha, beta=beta, transA=int(trans_a), transB=int(trans_b))
    shape = (n, batch) if trans_a else (batch, n)
    model = make_model([gemm], {"x": shape}, {"y": None}, weights, opset=opset)
    check(model)
    per_row = bias in ("column", "full") and batch > 1 and beta != 0
    got = from_proto(model).nodes
    assert not any(isinstance(n, Opaque) for n in got)
    if not per_row and not trans_a:
        (layer,) = got
        wanted = alpha * (weights["B"] if trans_b else weights["B"].T)
        np.testing.assert_array_equal(layer.weight.to_dense(), wanted.astype(np.float32))
    else:
        assert sum(isinstance(n, Linear) for n in got) == 1


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 3),
    alpha=st.sampled_from([1.0, 0.5, 0.0]),
    beta=st.sampled_from([1.0, 0.25, 0.0]),
    trans_a=st.booleans(),
    trans_b=st.booleans(),
    addend=st.sampled_from(["none", "scalar", "vector", "row", "column", "full"]),
    constant=st.sets(st.sampled_from("ABC")),
    symbolic=st.booleans(),
    opset=st.sampled_from([7, 11, 13, 21]),
)
def test_gemm_of_any_operands(sizes, alpha, beta, trans_a, trans_b, addend, constant, symbolic, opset):
    rows, inner, columns = sizes
    if addend == "none" and opset < 11:
        addend = "vector"
    shapes = {"scalar": (), "vector": (columns,), "row": (1, columns), "column": (rows, 1), "full": (rows, columns)}
    values = {
        "A": normal(*((inner, rows) if trans_a else (rows, inner))),
        "B": normal(*((columns, inner) if trans_b else (inner, columns))),
    }
    if addend != "none":
        values["C"] = np.asarray(normal(*shapes[addend]), np.float32)
    weights = {k: v for k, v in values.items() if k in constant and not (k == "A" and {"A", "B"} <= constant)}
    feeds = {k: v for k, v in values.items() if k not in weights}
    names = {rows: "m", inner: "k", columns: "n"} if symbolic and len(set(sizes)) == 3 and 1 not in sizes else {}
    inputs = {k: tuple(names.get(d, d) for d in v.shape) for k, v in feeds.items()}
    gemm = node("Gemm", list(values), ["y"], alpha=alpha, beta=beta, transA=int(trans_a), transB=int(trans_b))
    model = make_model([gemm], inputs, {"y": None}, weights, opset=opset)
    check(model, feeds)
    # A constant's number beside the symbol of an input: the addend may not fit.
    unsure = names and beta and weights and "C" in values and values["C"].size > 1
    if not unsure:
        assert not any(isinstance(n, Opaque) for n in from_proto(model).nodes)


def test_gemm_whose_addend_may_not_fit_is_carried():
    gemm = node("Gemm", ["A", "B", "C"], ["y"])
    model = make_model([gemm], {"A": ("m", 3), "B": (3, 4), "C": ("k", 4)}, {"y": None})
    assert isinstance(only(model), Opaque)
    check(model, {"A": normal(2, 3), "B": normal(3, 4), "C": normal(2, 4)})


def test_gemm_keeps_weights_bit_for_bit():
    matrix = normal(3, 5)
    model = make_model(
        [node("Gemm", ["x", "W", "b"], ["y"], transB=1)], {"x": (1, 5)}, {"y": None}, {"W": matrix, "b": normal(3)}
    )
    assert only(model).weight.to_dense().tobytes() == matrix.tobytes()


def test_gemm_multiplies_after_the_product_when_its_scaled_weights_overflow():
    matrix = np.full((2, 2), 3e38, np.float32)
    gemm = node("Gemm", ["x", "W"], ["y"], alpha=10.0)
    model = make_model([gemm], {"x": (1, 2)}, {"y": None}, {"W": matrix})
    assert [type(n) for n in from_proto(model).nodes] == [Linear, Affine]
    check(model, {"x": np.full((1, 2), 1e-3, np.float32)})


@pytest.mark.parametrize("opset", [7, 13, 21])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), ("batch", 4)])
def test_matmul_add_is_one_linear(opset, shape):
    nodes = [node("MatMul", ["x", "W"], ["p"]), node("Add", ["b", "p"], ["y"])]
    model = make_model(nodes, {"x": shape}, {"y": None}, {"W": normal(4, 5), "b": normal(5)}, opset=opset)
    assert isinstance(only(model), Linear)
    check(model)


def test_matmul_add_at_unknown_rank_round_trips():
    nodes = [node("MatMul", ["x", "W"], ["p"]), node("Add", ["p", "b"], ["q"]), node("Relu", ["q"], ["y"])]
    model = make_model(nodes, {"x": None}, {"y": None}, {"W": normal(4, 5), "b": normal(5)})
    saved = to_proto(from_proto(model))
    assert [n.op_type for n in saved.graph.node] == ["MatMul", "Add", "Relu"]
    assert [n.op for n in from_proto(saved).nodes] == ["Linear", "Relu"]
    x = {"x": normal(2, 3, 4)}
    np.testing.assert_allclose(run(saved, x)[0], run(model, x)[0], rtol=1e-6)


@pytest.mark.parametrize("reader", ["output", "second"])
def test_matmul_read_twice_is_not_fused(reader):
    nodes = [node("MatMul", ["x", "W"], ["p"]), node("Add", ["p", "b"], ["y"])]
    outputs = {"y": None, "p": None}
    if reader == "second":
        nodes.append(node("Relu", ["p"], ["z"]))
        outputs = {"y": None, "z": None}
    model = make_model(nodes, {"x": (2, 4)}, outputs, {"W": normal(4, 5), "b": normal(5)})
    assert [n.op for n in from_proto(model).nodes][:2] == ["Linear", "Affine"]
    check(model)


def test_matrix_times_vector_is_linear_and_other_left_constants_are_products():
    vector = make_model([node("MatMul", ["W", "x"], ["y"])], {"x": (4,)}, {"y": None}, {"W": normal(5, 4)})
    assert isinstance(only(vector), Linear)
    check(vector)
    matrix = make_model([node("MatMul", ["W", "x"], ["y"])], {"x": (4, 2)}, {"y": None}, {"W": normal(5, 4)})
    assert isinstance(only(matrix), MatMul)
    check(matrix)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_other_element_types_are_products(dtype):
    weight = np.ones((4, 5), dtype)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = make_model([node("MatMul", ["x", "W"], ["p"])], {"x": (2, 4)}, {"p": None}, {"W": weight}, kind=kind)
    assert isinstance(only(model), MatMul)
    check(model, {"x": np.ones((2, 4), dtype)})


def test_shared_weights_stay_shared():
    nodes = [node("MatMul", ["x", "W"], ["p"]), node("Tanh", ["p"], ["t"]), node("MatMul", ["t", "W"], ["y"])]
    model = make_model(nodes, {"x": (2, 4)}, {"y": None}, {"W": normal(4, 4)})
    assert len(check(model).graph.initializer) == 1


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("op, typed", [("Relu", Relu), ("Sigmoid", Sigmoid), ("Tanh", Tanh)])
def test_activations(op, typed, opset):
    model = make_model([node(op, ["x"], ["y"])], {"x": (2, 3)}, {"y": None}, opset=opset)
    assert isinstance(only(model), typed)
    check(model)


def test_activation_of_another_type_is_carried():
    model = make_model([node("Tanh", ["x"], ["y"])], {"x": (2, 3)}, {"y": None}, kind=TensorProto.DOUBLE)
    assert isinstance(only(model), Opaque)
    check(model)


def softmax_cases():
    """Every legal (opset, shape, axis); None leaves the attribute out."""
    for opset in OPSETS:
        for shape in ((3,), (2, 3), (2, 3, 4)):
            lowest = -len(shape) if opset >= 11 else 0
            axes = list(range(lowest, len(shape)))
            if opset >= 13 or len(shape) > 1:
                axes.append(None)  # the default axis exists
            yield from ((opset, shape, axis) for axis in axes)


@pytest.mark.parametrize("opset, shape, axis", list(softmax_cases()))
def test_softmax(opset, shape, axis):
    rank = len(shape)
    effective = axis if axis is not None else (1 if opset < 13 else -1)
    attributes = {} if axis is None else {"axis": axis}
    model = make_model([node("Softmax", ["x"], ["y"], **attributes)], {"x": shape}, {"y": None}, opset=opset)
    got = only(model)
    assert isinstance(got, Softmax)
    last = effective in (-1, rank - 1)
    assert got.flattened == (opset < 13 and not last)
    check(model)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("axis", [None, 0, 1, 2, 3, -1])
def test_flatten(opset, axis):
    if axis == -1:
        opset = max(opset, 11)  # the first with negative axes
    attributes = {} if axis is None else {"axis": axis}
    model = make_model([node("Flatten", ["x"], ["y"], **attributes)], {"x": (2, 3, 4)}, {"y": None}, opset=opset)
    assert isinstance(only(model), Reshape)
    check(model)


def test_flatten_of_an_empty_batch():
    model = make_model([node("Flatten", ["x"], ["y"])], {"x": ("batch", 3, 4)}, {"y": None})
    check(model, {"x": np.zeros((0, 3, 4), np.float32)})


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("shape", [(6, -1), (0, -1), (-1,), (2, 0, 2, 2), (4, 6)])
def test_reshape(opset, shape):
    weights = {"s": np.array(shape, np.int64)}
    model = make_model([node("Reshape", ["x", "s"], ["y"])], {"x": (2, 3, 4)}, {"y": None}, weights, opset=opset)
    assert only(model).shape == shape
    check(model)


def test_reshape_with_allowzero():
    reshape = node("Reshape", ["x", "s"], ["y"], allowzero=1)
    model = make_model([reshape], {"x": (0, 3)}, {"y": None}, {"s": np.array([3, 0], np.int64)})
    assert only(model).allowzero
    check(model, {"x": np.zeros((0, 3), np.float32)})


def test_reshape_to_a_computed_shape_is_carried():
    nodes = [node("Shape", ["r"], ["s"]), node("Reshape", ["x", "s"], ["y"])]
    model = make_model(nodes, {"x": (2, 3), "r": (3, 2)}, {"y": None})
    assert [type(n) for n in from_proto(model).nodes] == [Opaque, Opaque]
    check(model)


@pytest.mark.parametrize("opset", [7, 13, 21])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (1, 1), (3, 1), (3, 4), (2, 1, 4)])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("constant_first", [False, True])
def test_arithmetic_with_a_constant(opset, shape, op, constant_first):
    c = np.asarray(np.abs(normal(*shape)) + np.float32(0.5), np.float32)
    inputs = ["c", "x"] if constant_first else ["x", "c"]
    model = make_model([node(op, inputs, ["y"])], {"x": (3, 4)}, {"y": None}, {"c": c}, opset=opset)
    along_one_axis = len(shape) <= 2 and sum(size != 1 for size in shape) <= 1
    affine = along_one_axis and not (op == "Div" and constant_first)
    assert only(model).op == ("Affine" if affine else op)
    check(model, {"x": np.abs(normal(3, 4)) + 1})


@pytest.mark.parametrize("shape", [(3, 1), (None, None), None])
def test_arithmetic_that_may_widen_its_input_is_no_affine(shape):
    model = make_model([node("Add", ["x", "c"], ["y"])], {"x": shape}, {"y": None}, {"c": normal(4)})
    assert isinstance(only(model), Add)


@pytest.mark.parametrize("op, value", [("Div", 0.0), ("Div", 1e-42), ("Div", 1e38), ("Add", -np.inf), ("Mul", np.nan)])
def test_arithmetic_that_an_affine_cannot_say(op, value):
    model = make_model([node(op, ["x", "c"], ["y"])], {"x": (3, 4)}, {"y": None}, {"c": np.array(value, np.float32)})
    assert only(model).op == op


def test_mul_add_is_one_affine():
    nodes = [node("Mul", ["x", "s"], ["p"]), node("Add", ["p", "t"], ["y"])]
    model = make_model(nodes, {"x": (3, 4)}, {"y": None}, {"s": normal(4), "t": np.float32(2).reshape(())})
    assert isinstance(only(model), Affine)
    check(model)


@pytest.mark.parametrize("opset", OPSETS)
def test_batch_normalization(opset):
    weights = {name: np.abs(normal(4)) + np.float32(0.1) for name in "gbmv"}
    bn = node("BatchNormalization", ["x", *weights], ["y"], epsilon=1e-3)
    vectors = make_model([bn], {"x": (3, 4)}, {"y": None}, weights, opset=opset)
    assert isinstance(only(vectors), Affine)
    check(vectors)
    images = make_model([bn], {"x": (3, 4, 2, 2)}, {"y": None}, weights, opset=opset)
    assert only(images).axis == -3
    check(images)


def test_batch_normalization_in_training_is_carried():
    weights = {name: np.abs(normal(4)) + np.float32(0.1) for name in "gbmv"}
    bn = node("BatchNormalization", ["x", *weights], ["y"], training_mode=1)
    assert isinstance(only(make_model([bn], {"x": (3, 4)}, {"y": None}, weights)), Opaque)


@pytest.mark.parametrize("opset", [7, 9, 13, 19, 24])
@pytest.mark.parametrize("to", [TensorProto.INT32, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL])
def test_cast(opset, to):
    model = make_model([node("Cast", ["x"], ["y"], to=to)], {"x": (2, 3)}, {}, opset=opset)
    model.graph.output.add(name="y").type.tensor_type.elem_type = to
    assert only(model).to == to
    assert isinstance(only(model), Cast)
    check(model, {"x": np.array([[0.5, 1, -2], [3, 4, 0]], np.float32)})


def test_cast_to_an_eight_bit_float_is_carried():
    cast = node("Cast", ["x"], ["e"], to=TensorProto.FLOAT8E4M3FN, saturate=0)
    model = make_model([cast, node("Cast", ["e"], ["y"], to=TensorProto.FLOAT)], {"x": (2, 3)}, {"y": None}, opset=19)
    assert [type(n) for n in from_proto(model).nodes] == [Opaque, Opaque]
    check(model)


@pytest.mark.parametrize("opset", OPSETS)
def test_dropout_and_identity_vanish(opset):
    nodes = [
        node("Identity", ["x"], ["a"]),
        node("Dropout", ["a"], ["d", "mask"]),
        node("Relu", ["d"], ["r"]),
        node("Dropout", ["r"], ["e"]),
        node("Identity", ["e"], ["y"]),
    ]
    model = make_model(nodes, {"x": (2, 3)}, {"y": None}, opset=opset)
    got = only(model)
    assert (got.op, got.inputs, got.outputs) == ("Relu", ("x",), ("y",))
    check(model)


def test_one_tensor_joined_to_none_is_that_tensor():
    """torchvision's DenseNet, through torch's older exporter."""
    model = make_model([node("Concat", ["x"], ["c"], axis=1), node("Relu", ["c"], ["y"])], {"x": (2, 3)}, {"y": None})
    assert only(model).inputs == ("x",)
    check(model)


def test_identity_between_outputs_and_inputs_stays():
    nodes = [node("Identity", ["x"], ["y"]), node("Relu", ["x"], ["r"]), node("Identity", ["r"], ["s"])]
    check(make_model(nodes, {"x": (2, 3)}, {"y": None, "r": None, "s": None}))
    twice = [node("Relu", ["x"], ["r"]), node("Identity", ["r"], ["s"]), node("Identity", ["r"], ["t"])]
    check(make_model(twice, {"x": (2, 3)}, {"s": None, "t": None}))


def test_dropout_with_its_mask_read_is_carried():
    model = make_model([node("Dropout", ["x"], ["y", "mask"])], {"x": (2, 3)}, {"y": None})
    model.graph.output.add(name="mask").type.tensor_type.elem_type = TensorProto.BOOL
    assert isinstance(only(model), Opaque)
    check(model)


@pytest.mark.parametrize("training, typed", [(True, Opaque), (False, Relu)])
def test_dropout_in_training_is_carried(training, typed):
    nodes = [node("Dropout", ["x", "", "t"], ["d"]), node("Relu", ["d"], ["y"])]
    model = make_model(nodes, {"x": (2, 3)}, {"y": None}, {"t": np.array(training)})
    assert isinstance(from_proto(model).nodes[0], typed)


@pytest.mark.parametrize(
    "attribute, value",
    [
        ("value", numpy_helper.from_array(np.float32([1.5, 2, 3]))),
        ("value_float", 1.5),
        ("value_floats", [1.5, 2.5, 3.5]),
    ],
)
def test_constant(attribute, value):
    nodes = [node("Constant", [], ["c"], **{attribute: value}), node("Add", ["x", "c"], ["y"])]
    model = make_model(nodes, {"x": (2, 3)}, {"y": None})
    assert isinstance(only(model), Affine)
    check(model)


@pytest.mark.parametrize("attribute, value", [("value_int", 1), ("value_ints", [1, 2]), ("value_strings", ["a", "b"])])
def test_constants_of_other_kinds_reach_the_output(attribute, value):
    kind = TensorProto.STRING if attribute == "value_strings" else TensorProto.INT64
    model = make_model([node("Constant", [], ["y"], **{attribute: value})], {}, {"y": None}, kind=kind)
    check(model)


def test_chains_of_constants_fold_into_the_weight():
    weight = RNG.integers(-3, 4, (20,)).astype(np.int8)
    nodes = [
        node("Constant", [], ["raw"], value=numpy_helper.from_array(weight)),
        node("Cast", ["raw"], ["float"], to=TensorProto.FLOAT),
        node("Reshape", ["float", "shape"], ["matrix"]),
        node("Transpose", ["matrix"], ["transposed"], perm=[1, 0]),
        node("Identity", ["transposed"], ["W"]),
        node("MatMul", ["x", "W"], ["y"]),
    ]
    model = make_model(nodes, {"x": (2, 4)}, {"y": None}, {"shape": np.array([5, -1], np.int64)})
    got = only(model)
    np.testing.assert_array_equal(got.weight.to_dense(), weight.reshape(5, 4))
    check(model)


def test_element_types_that_numpy_lacks_travel_unchanged():
    values = helper.make_tensor("q", TensorProto.INT4, [3], [-8, 7, 1])
    dequantize = node("DequantizeLinear", ["q", "scale"], ["d"])
    model = make_model([dequantize, node("Mul", ["x", "d"], ["y"])], {"x": (2, 3)}, {"y": None}, opset=21)
    model.graph.initializer.extend([values, numpy_helper.from_array(np.float32(0.5), "scale")])
    check(model)


def test_sparse_initialisers_are_written_out():
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("W", TensorProto.FLOAT, [2], [1.5, -2.0]),
        helper.make_tensor("i", TensorProto.INT64, [2], [1, 7]),
        [4, 3],
    )
    model = make_model([node("MatMul", ["x", "W"], ["y"])], {"x": (2, 4)}, {"y": None})
    model.graph.sparse_initializer.append(sparse)
    wanted = np.zeros((4, 3), np.float32)
    wanted.reshape(-1)[[1, 7]] = 1.5, -2
    np.testing.assert_array_equal(only(model).weight.to_dense(), wanted.T)


def test_an_unknown_attribute_is_an_error_that_names_it():
    gemm = node("Gemm", ["x", "W"], ["y"], transb=1)
    with pytest.raises(ModelError, match="'transb'"):
        from_proto(make_model([gemm], {"x": (1, 2)}, {"y": None}, {"W": normal(2, 2)}))


def test_newest_opset_that_onnx_knows_loads():
    newest = onnx.defs.onnx_opset_version()
    model = make_model([node("Relu", ["x"], ["y"])], {"x": (1, 2)}, {"y": None}, opset=newest)
    assert from_proto(model).opset == newest


def test_declared_shapes_that_are_wrong_do_no_harm():
    nodes = [node("MatMul", ["x", "W"], ["h"]), node("Relu", ["h"], ["r"]), node("Reshape", ["r", "s"], ["y"])]
    weights = {"W": normal(4, 5), "s": np.array([-1, 5], np.int64)}
    model = make_model(nodes, {"x": (2, 4)}, {"y": None, "r": (1, 2)}, weights)
    assert from_proto(model).types["r"].shape == (2, 5)
    check(model)
