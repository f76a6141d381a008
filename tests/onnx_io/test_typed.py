# SPDX-License-Identifier: Apache-2.0
"""The typed operators at every opset, in each of the forms that ONNX has given them: one meaning, the same numbers.

ONNX's own cases (tests/conformance) are written at the newest opsets; what came before is tested here.
"""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from swm import graph as ir
from swm.errors import ModelError
from swm.graph import Affine, Linear, Opaque
from swm.onnx_io import from_proto, to_proto

from .support import NEWEST_RUN, assert_same, check, make_model, run, trusted

EVERY = (7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 23, 24, NEWEST_RUN)
RNG = np.random.default_rng(11)


def ints(*values):
    return np.array(values, np.int64)


def at(opset, before, form, *, then):
    """Attributes and further inputs: `form` before opset `before`, else `then`."""
    return form if opset < before else then


def build(op, opset, shape=(2, 3, 4), outputs=1, inputs=(), weights=None, **attributes):
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, ["x", *inputs, *(weights or {})], names, **attributes)
    return make_model([node], {"x": shape}, dict.fromkeys(names), weights, opset=opset)


def mixed(op, opset, form, shape=(2, 3, 4), outputs=1, **more):
    """A form is a pair: attributes, and constants in the places after x (None: left out)."""
    attributes, constants = form
    weights = {f"c{i}": c for i, c in enumerate(constants) if c is not None}
    names = [f"c{i}" if c is not None else "" for i, c in enumerate(constants)]
    outs = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, ["x", *names], outs, **attributes, **more)
    return make_model([node], {"x": shape}, dict.fromkeys(outs), weights, opset=opset)


def typed(model, feeds=None):
    """The one typed node of a model, which is tried in onnxruntime before and after."""
    (found,) = from_proto(model).nodes
    assert not isinstance(found, Opaque)
    with trusted():  # the guard has met it
        check(model, feeds)
    return found


UNARY = {
    "Abs": 6, "Neg": 6, "Reciprocal": 6, "Exp": 6, "Erf": 9, "Softplus": 1, "Mish": 18, "HardSwish": 14, "Elu": 6,
    "Selu": 6, "LeakyRelu": 6, "HardSigmoid": 6, "Gelu": 20, "Swish": 24, "GlobalAveragePool": 1, "GlobalMaxPool": 1,
    "LogSoftmax": 1,
}  # fmt: skip


@pytest.mark.parametrize("op", UNARY)
@pytest.mark.parametrize("opset", EVERY)
def test_one_input(op, opset):
    if opset < UNARY[op] or (op == "Swish" and opset > 24):
        pytest.skip("not an operator yet, or none of onnxruntime's")
    assert typed(build(op, opset)).op == op


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu", "MatMul"])
@pytest.mark.parametrize("opset", EVERY)
def test_two_variables(op, opset):
    second = {"MatMul": (2, 4, 5), "PRelu": (3, 1)}.get(op, (2, 3, 4) if opset < 8 else (3, 1))
    node = helper.make_node(op, ["x", "b"], ["y"])
    model = make_model([node], {"x": (2, 3, 4), "b": second}, {"y": None}, opset=opset)
    feeds = {"x": np.abs(RNG.normal(size=(2, 3, 4))) + 0.1, "b": np.abs(RNG.normal(size=second)) + 0.1}
    found = typed(model, {k: v.astype(np.float32) for k, v in feeds.items()})
    assert found.op == op
    assert found.inputs == ("x", "b")


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("low, high", [(-0.5, 0.25), (None, 0.5), (0.0, None), (None, None)])
def test_clip(opset, low, high):
    given = {k: v for k, v in (("min", low), ("max", high)) if v is not None}
    constants = [None if v is None else np.float32(v).reshape(()) for v in (low, high)]
    found = typed(mixed("Clip", opset, at(opset, 11, (given, ()), then=({}, constants))))
    assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("op, since", [("ReduceMean", 18), ("ReduceSum", 13), ("ReduceMax", 18)])
@pytest.mark.parametrize("axes, keepdims", [((-1, 1), 1), ((2,), 0), (None, 1)])
def test_reductions(opset, op, since, axes, keepdims):
    if axes and min(axes) < 0 and opset < 11:
        axes = (2, 1)
    old = ({"axes": axes} if axes else {}, ())
    new = ({}, [ints(*axes)] if axes else ())
    found = typed(mixed(op, opset, at(opset, since, old, then=new), keepdims=keepdims))
    assert found.axes == (None if axes is None else tuple(sorted(a % 3 for a in axes)))


@pytest.mark.parametrize("opset", [13, 18, NEWEST_RUN])
def test_a_reduction_over_nothing_is_nothing(opset):
    node = helper.make_node("ReduceSum", ["x"], ["r"], noop_with_empty_axes=1)
    model = make_model([node, helper.make_node("Relu", ["r"], ["y"])], {"x": (2, 3)}, {"y": None}, opset=opset)
    assert typed(model).op == "Relu"


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("axis", [0, 2, -2])
def test_arg_max(opset, axis):
    axis = axis % 3 if opset < 11 else axis
    model = build("ArgMax", opset, axis=axis, keepdims=0)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    assert typed(model).axis == axis % 3


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes, pads",
    [
        ({"strides": [2, 1]}, (0, 0, 0, 0)),
        ({"pads": [1, 0, 1, 1], "strides": [2, 2]}, (1, 0, 1, 1)),
        ({"auto_pad": "VALID", "strides": [2, 2]}, (0, 0, 0, 0)),
        ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (0, 0, 1, 1)),
        ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (0, 1, 1, 1)),
    ],
)
def test_pools(opset, op, attributes, pads):
    model = build(op, opset, (1, 2, 7, 6), kernel_shape=[2, 3], **attributes)
    found = typed(model)
    if "SAME" in attributes.get("auto_pad", ""):  # of 7 and 6 by steps of 2: 4 and 3 windows of 2 and 3 need 8 and 7
        pads = (0, 0, 1, 1) if attributes["auto_pad"] == "SAME_UPPER" else (1, 1, 0, 0)
    assert (found.pads, found.auto_pad) == (pads, "")


@pytest.mark.parametrize("opset", [10, 17, 19, NEWEST_RUN])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pool_that_rounds_up(opset, op):
    assert typed(build(op, opset, (1, 2, 7, 6), kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)).ceil
    for auto_pad, ceil in (("VALID", True), ("SAME_UPPER", False), ("SAME_LOWER", False)):  # of 7: 4 windows of 2
        attributes = {"kernel_shape": [2, 3], "strides": [2, 2], "auto_pad": auto_pad, "ceil_mode": 1}
        found = typed(build(op, opset, (1, 2, 7, 6), **attributes))
        assert (found.ceil, found.auto_pad) == (ceil, "")


def test_same_padding_of_unknown_size_is_kept():
    model = build("MaxPool", 17, (1, 2, "h", 6), kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    assert typed(model, {"x": RNG.normal(size=(1, 2, 7, 6)).astype(np.float32)}).auto_pad == "SAME_UPPER"


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("mode, value", [("constant", 0.0), ("constant", 1.5), ("reflect", 0.0), ("edge", 0.0)])
def test_pad(opset, mode, value):
    pads = [0, 1, 1, 0, 0, 2]
    new = ({"mode": mode}, [ints(*pads), np.float32(value).reshape(())])
    found = typed(mixed("Pad", opset, at(opset, 11, ({"mode": mode, "pads": pads, "value": value}, ()), then=new)))
    assert (found.pads, found.value) == (tuple(pads), value)


@pytest.mark.parametrize("opset", [18, 21, NEWEST_RUN])
def test_pad_of_some_axes(opset):
    found = typed(mixed("Pad", opset, ({}, [ints(1, 2), None, ints(-2)])))
    assert found.pads == (0, 1, 0, 0, 2, 0)


@pytest.mark.parametrize("opset", EVERY)
def test_concat_gather_transpose(opset):
    negative = opset >= 11
    node = helper.make_node
    nodes = [
        node("Concat", ["x", "x"], ["c"], axis=-1 if negative else 2),
        node("Gather", ["c", "i"], ["g"], axis=-2 if negative else 1),
        node("Transpose", ["g"], ["y"]),
    ]
    model = make_model(nodes, {"x": (2, 3, 4)}, {"y": None}, {"i": ints(2, 0)}, opset=opset)
    concat, gather, transpose = from_proto(model).nodes
    assert (concat.axis, gather.axis, transpose.perm) == (2, 1, (2, 1, 0))
    check(model)


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("sizes", [None, (1, 3)])
def test_split(opset, sizes):
    attributes = {} if sizes is None else {"split": sizes}
    equal = {"num_outputs": 2} if opset >= 18 else {}
    new = (equal if sizes is None else {}, () if sizes is None else [ints(*sizes)])
    found = typed(mixed("Split", opset, at(opset, 13, (attributes, ()), then=new), outputs=2, axis=2))
    assert found.sizes == (sizes or (2, 2))


@pytest.mark.parametrize("opset", [7, 13, 18, NEWEST_RUN])
def test_split_of_an_unknown_length(opset):
    equal = {"num_outputs": 2} if opset >= 18 else {}
    model = mixed("Split", opset, (equal, ()), shape=(2, "n"), outputs=2, axis=1)
    assert typed(model, {"x": np.ones((2, 6), np.float32)}).sizes is None


@pytest.mark.parametrize("opset", EVERY)
def test_slice(opset):
    old = ({"starts": [1, -3], "ends": [3, 1000], "axes": [1, 2]}, ())
    new = ({}, [ints(1, -3), ints(3, 1000), ints(-2, 2), ints(1, 2)])
    found = typed(mixed("Slice", opset, at(opset, 10, old, then=new)))
    assert (found.axes, found.steps) == ((1, 2), (1, 1 if opset < 10 else 2))


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("axes", [(0, 3), (-1, 0), None])
def test_squeeze(opset, axes):
    if axes and opset < 11:
        axes = tuple(sorted(a % 4 for a in axes))
    old = ({} if axes is None else {"axes": axes}, ())
    found = typed(mixed("Squeeze", opset, at(opset, 13, old, then=({}, [ints(*axes)] if axes else ())), (1, 2, 3, 1)))
    assert found.axes == (None if axes is None else (0, 3))


@pytest.mark.parametrize("opset", EVERY)
def test_unsqueeze(opset):
    axes = (0, 4) if opset < 11 else (-1, 0)
    found = typed(mixed("Unsqueeze", opset, at(opset, 13, ({"axes": axes}, ()), then=({}, [ints(*axes)]))))
    assert found.axes == (0, 4)


@pytest.mark.parametrize("opset", [o for o in EVERY if o >= 8])
def test_expand(opset):
    assert typed(mixed("Expand", opset, ({}, [ints(2, 1, 4)]), (3, 1))).shape == (2, 1, 4)


@pytest.mark.parametrize("opset", EVERY)
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(opset, mode):
    attributes = {"mode": mode} if opset >= 11 else {}
    found = typed(build("DepthToSpace", opset, (1, 8, 2, 3), blocksize=2, **attributes))
    assert found.mode == (mode if opset >= 11 else "DCR")


@pytest.mark.parametrize("opset", [o for o in EVERY if o >= 10])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_resize(opset, mode, by):
    scales, sizes = np.float32([1, 1, 2, 1.5]), ints(1, 2, 8, 6)
    if opset == 10:
        form = ({}, [scales])
    else:
        none = np.zeros(0, np.float32) if opset < 13 else None
        form = (
            {"coordinate_transformation_mode": "asymmetric"},
            [none, *([scales] if by == "scales" else [none, sizes])],
        )
    found = typed(mixed("Resize", opset, form, (1, 2, 4, 4), mode=mode))
    assert (found.sizes is None) == (by == "scales" or opset == 10)


COORDINATES = (
    "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn", "half_pixel_symmetric",
    "tf_crop_and_resize",
)  # fmt: skip
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@pytest.mark.parametrize("opset", [11, 12, 13, 18, 19, NEWEST_RUN])
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", *NEAREST])
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_resize_in_every_coordinate_mode(opset, coordinates, mode, by):
    if (coordinates == "half_pixel_symmetric" and opset < 19) or (coordinates == "tf_half_pixel_for_nn" and opset > 12):
        pytest.skip("no mode of this opset")
    attributes = {"coordinate_transformation_mode": coordinates, "mode": "nearest" if mode in NEAREST else mode}
    attributes |= {"nearest_mode": mode} if mode in NEAREST else {}
    none = np.zeros(0, np.float32) if opset < 13 else None
    roi = none
    if coordinates == "tf_crop_and_resize":
        roi = np.float32([0, 0, 0.1, -0.2, 1, 1, 0.9, 1.2])
        attributes["extrapolation_value"] = 7.0
    places = [roi, *([np.float32([1, 1, 2, 0.6])] if by == "scales" else [none, ints(1, 2, 9, 3)])]
    found = typed(mixed("Resize", opset, (attributes, places), (1, 2, 5, 6)))
    assert (found.coordinates, found.roi is None) == (coordinates, coordinates != "tf_crop_and_resize")


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("opset", [18, 19, NEWEST_RUN])
def test_resize_of_chosen_axes_and_with_kept_aspect_ratio(mode, policy, opset):
    attributes = {"axes": [-1, 2] if policy == "stretch" else [3, 2], "keep_aspect_ratio_policy": policy, "mode": mode}
    found = typed(mixed("Resize", opset, (attributes, [None, None, ints(9, 4)]), (1, 2, 5, 6)))
    assert (found.axes, found.policy) == ((3, 2), policy)


def test_cubic_and_antialiased_resize_stay_opaque():
    for attributes in ({"mode": "cubic"}, {"mode": "linear", "antialias": 1}):
        model = mixed("Resize", 18, (attributes, [None, np.float32([1, 1, 0.5, 0.5])]), (1, 1, 6, 6))
        assert isinstance(from_proto(model).nodes[0], Opaque)
        check(model)


@pytest.mark.parametrize(
    "op, opset",
    [(op, o) for op, since in (("LayerNormalization", 17), ("RMSNormalization", 23)) for o in EVERY if o >= since],
)
@pytest.mark.parametrize("axis", [1, -1])
def test_normalisation_over_the_last_axes(op, opset, axis):
    shape = (3, 4) if axis == 1 else (4,)
    weights = {"s": RNG.normal(size=shape).astype(np.float32)}
    found = typed(build(op, opset, weights=weights, axis=axis, epsilon=1e-3))
    assert found.axis == (-2 if axis == 1 else -1)


@pytest.mark.parametrize("opset", EVERY)
def test_instance_and_group_normalisation(opset):
    channels, groups = (RNG.normal(size=(2, n)).astype(np.float32) for n in (4, 2))
    weights = {"s": channels[0], "b": channels[1]}
    assert typed(build("InstanceNormalization", opset, (2, 4, 3), weights=weights)).epsilon == np.float32(1e-5)
    if opset >= 18:
        weights = weights if opset >= 21 else {"s": groups[0], "b": groups[1]}
        model = build("GroupNormalization", opset, (2, 4, 3), weights=weights, num_groups=2)
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y0", TensorProto.FLOAT, (2, 4, 3)))
        graph = from_proto(model)  # by hand, because the checker calls the operator deprecated before opset 21
        feeds = {"x": RNG.normal(size=(2, 4, 3)).astype(np.float32)}
        assert_same(run(model, feeds), run(to_proto(graph), feeds))
        (found,) = graph.nodes
        assert found.per_group == (opset < 21)


@pytest.mark.parametrize("opset", [o for o in EVERY if o >= 10])
@pytest.mark.parametrize("per_axis", [False, True])
def test_quantize_and_back(opset, per_axis):
    if per_axis and opset < 13:
        pytest.skip("no axis yet")
    scale = np.float32([0.1, 0.2, 0.3] if per_axis else 0.1).reshape(-1 if per_axis else ())
    zero = np.zeros(scale.shape, np.int8)
    axis = {"axis": -2} if per_axis else {}
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], **axis),
        node("DequantizeLinear", ["q", "s", "z"], ["y"], **axis),
    ]
    model = make_model(nodes, {"x": (2, 3, 4)}, {"y": None}, {"s": scale, "z": zero}, opset=opset)
    quantize, back = from_proto(model).nodes
    assert (quantize.to, quantize.axis, back.axis) == (TensorProto.INT8, 1, 1)
    check(model)


@pytest.mark.parametrize("opset", [21, 23, 24, NEWEST_RUN])
@pytest.mark.parametrize("axis, shape", [(1, (2, 2, 4)), (2, (2, 6, 2)), (-1, (2, 6, 2))])
@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint16, None])
def test_quantize_by_blocks_and_back(opset, axis, shape, kind):
    scale = RNG.uniform(0.1, 0.3, size=shape).astype(np.float32)
    zero = {} if kind is None else {"z": np.full(shape, 3, kind)}
    attributes = {"axis": axis, "block_size": 6 // shape[1] if axis == 1 else 2}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", *zero], ["q"], **attributes),
        helper.make_node("DequantizeLinear", ["q", "s", *zero], ["y"], **attributes),
    ]
    model = make_model(nodes, {"x": (2, 6, 4)}, {"y": None}, {"s": scale, **zero}, opset=opset)
    quantize, back = from_proto(model).nodes
    assert (quantize.block, back.block) == (attributes["block_size"],) * 2
    assert (quantize.axis, back.axis) == (axis % 3,) * 2
    check(model)


@pytest.mark.parametrize(
    "equation, transposed", [("bij,bjk->bik", False), ("bij,bkj->bik", True), ("b h i j , b h k j -> b h i k", True)]
)
def test_einsum_that_is_a_product(equation, transposed):
    rank = len(equation.replace(" ", "").split(",")[0])
    left, right = (2, 2, 3, 4)[4 - rank :], (2, 2, 5, 4)[4 - rank :] if transposed else (2, 4, 5)
    node = helper.make_node("Einsum", ["x", "b"], ["y"], equation=equation)
    model = make_model([node], {"x": left, "b": right}, {"y": None})
    feeds = {"x": RNG.normal(size=left).astype(np.float32), "b": RNG.normal(size=right).astype(np.float32)}
    graph = from_proto(model)
    assert_same(run(model, feeds), run(to_proto(graph), feeds))
    (found,) = graph.nodes
    assert isinstance(found, ir.MatMul)
    assert found.transpose_b == transposed


@pytest.mark.parametrize(
    "equation, left, right",
    [
        ("bij,bjk->bki", (2, 3, 4), (2, 4, 5)),
        ("ki,kj->ij", (3, 4), (3, 5)),
        ("BTNH,BFNH->BNFT", (2, 3, 2, 4), (2, 5, 2, 4)),
        ("BNFT,BTNH->BFNH", (2, 2, 5, 3), (2, 3, 2, 4)),
        ("abc,dc->dab", (2, 3, 4), (5, 4)),
        ("abc,ad->bcd", (2, 3, 4), (2, 5)),
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_einsum_in_another_order_is_a_product_between_transposes(equation, left, right, constant):
    node = helper.make_node("Einsum", ["x", "b"], ["y"], equation=equation)
    feeds = {"x": RNG.normal(size=left).astype(np.float32), "b": RNG.normal(size=right).astype(np.float32)}
    weights = {"b": feeds.pop("b")} if constant else {}
    inputs = {"x": left} if constant else {"x": left, "b": right}
    model = make_model([node], inputs, {"y": None}, weights)
    kinds = {n.op for n in from_proto(model).nodes}
    assert kinds <= {"Transpose", "Linear", "MatMul"}
    check(model, feeds)


@pytest.mark.parametrize("equation, shape", [("bij,jk->bik", (4, 5)), ("bij,kj->bik", (5, 4))])
def test_einsum_with_a_weight_is_linear(equation, shape):
    weight = RNG.normal(size=shape).astype(np.float32)
    model = build("Einsum", 17, weights={"W": weight}, equation=equation)
    (found,) = from_proto(model).nodes
    assert isinstance(found, Linear)
    check(model)


@pytest.mark.parametrize(
    "equation, right",
    [
        ("bij,bij->bij", (2, 3, 4)),
        ("bij,bkj->bik", (2, 5, 1)),
        ("bij,bij->bi", (2, 3, 4)),
        ("bij,jkl->bikl", (4, 2, 2)),
    ],
)
def test_einsum_that_is_none_is_carried(equation, right):
    node = helper.make_node("Einsum", ["x", "b"], ["y"], equation=equation)
    model = make_model([node], {"x": (2, 3, 4), "b": right}, {"y": None})
    (found,) = from_proto(model).nodes
    assert isinstance(found, Opaque)


@pytest.mark.parametrize("opset", EVERY)
def test_scale_and_shift_by_channel_become_one_affine(opset):
    node = helper.make_node
    nodes = [node("Mul", ["x", "s"], ["p"]), node("Add", ["p", "t"], ["y"])]
    weights = {name: RNG.normal(size=(3, 1, 1)).astype(np.float32) for name in "st"}
    model = make_model(nodes, {"x": (2, 3, 4, 5)}, {"y": None}, weights, opset=opset)
    found = typed(model)
    assert isinstance(found, Affine)
    assert found.axis == -3


def test_affines_along_different_axes_stay_apart():
    node = helper.make_node
    nodes = [node("Mul", ["x", "s"], ["p"]), node("Add", ["p", "t"], ["y"])]
    weights = {"s": RNG.normal(size=(3, 1)).astype(np.float32), "t": RNG.normal(size=3).astype(np.float32)}
    model = make_model(nodes, {"x": (2, 3, 3)}, {"y": None}, weights)
    assert [n.axis for n in from_proto(model).nodes] == [-2, -1]
    check(model)


@pytest.mark.parametrize(
    "op, form, problem",
    [
        ("Concat", ({"axis": 5}, ()), "axis 5"),
        ("ArgMax", ({"axis": -4}, ()), "axis -4"),
        ("Slice", ({}, [ints(0), ints(1, 2)]), "do not fit"),
        ("Slice", ({}, [ints(0), ints(1), ints(0), ints(0)]), "do not fit"),
        ("Pad", ({}, [ints(1, 1)]), "pads"),
        ("MaxPool", ({"kernel_shape": [2], "strides": [1, 1]}, ()), "do not fit"),
        ("MaxPool", ({"kernel_shape": [2], "auto_pad": "SAME"}, ()), "auto_pad"),
        ("Squeeze", ({}, [ints(0, -3)]), "twice"),
        ("Transpose", ({"perm": [0, 1]}, ()), "perm"),
        ("Gelu", ({"approximate": "sigmoid"}, ()), "approximation"),
    ],
)
def test_contradictions_are_named(op, form, problem):
    with pytest.raises(ModelError, match=problem):
        from_proto(mixed(op, 21, form))


def test_a_variable_bound_is_carried():
    node = helper.make_node("Clip", ["x", "low"], ["y"])
    model = make_model([node], {"x": (2, 3), "low": ()}, {"y": None})
    (found,) = from_proto(model).nodes
    assert isinstance(found, Opaque)
    assert onnx.NodeProto.FromString(found.proto).op_type == "Clip"
    assert run(model, {"x": np.zeros((2, 3), np.float32), "low": np.array(1, np.float32)})[0].min() == 1
