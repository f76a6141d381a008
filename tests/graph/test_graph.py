# SPDX-License-Identifier: Apache-2.0
"""The graph as a value: what it knows about itself, what it refuses, and nodes that change their weights' form."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from onnx import TensorProto

from swm.errors import ModelError
from swm.graph import (
    LSTM,
    Affine,
    Conv,
    GateActivation,
    Graph,
    Linear,
    Opaque,
    Relu,
    TensorType,
    Value,
    densified,
    is_structured,
    reads,
)
from swm.structure import BlockCirculant, BlockCirculantConv, Dense

F = TensorProto.FLOAT
RNG = np.random.default_rng(0)


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def fc(name="fc", x="x", y="h", bias=4):
    return Linear(name=name, inputs=(x,), outputs=(y,), weight=Dense(values(4, 6)), bias=np.ones(bias, np.float32))


def graph(*nodes, outputs=("y",), constants=None):
    return Graph(
        "g",
        (Value("x", TensorType(F, (None, 6))),),
        tuple(Value(t, TensorType(F, None)) for t in outputs),
        nodes,
        constants or {},
    )


RELU = Relu(name="relu", inputs=("h",), outputs=("y",))


def test_who_writes_and_reads_each_tensor():
    first = fc()
    second = Opaque(name="if", inputs=("h", ""), outputs=("z",), op_type="If", domain="", proto=b"", reads=("x", "x"))
    found = graph(first, RELU, second, outputs=("y", "z")).verify()
    assert found.producers() == {"h": first, "y": RELU, "z": second}
    assert found.consumers() == {"x": [first, second], "h": [RELU, second]}
    assert found.readers() == {"x": [first, second], "h": [RELU, second], "y": [None], "z": [None]}
    assert graph(first, outputs=("x", "h")).readers() == {"x": [None, first], "h": [None]}
    assert reads(second) == ("h", "x", "x")
    assert found.linear() == (first,)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((RELU,), "reads tensor 'h', which no input, initialiser or earlier node gives"),
        ((RELU, fc()), "reads tensor 'h'"),
        ((fc(), fc("other")), "writes tensor 'h', which exists already"),
        ((fc(y="x"),), "writes tensor 'x', which exists already"),
        ((fc(), replace(RELU, name="fc")), "2 nodes are named 'fc'"),
        ((fc(),), "output 'y' of the graph is written by no node"),
        ((fc(bias=5), RELU), r"bias of shape \(5,\) beside a matrix with 4 rows"),
        ((replace(fc(), bias=np.full(4, np.nan, np.float32)), RELU), "holds NaN or infinite weights"),
        (
            (Affine(name="a", inputs=("x",), outputs=("y",), scale=np.ones(6), shift=np.ones(5)),),
            "must be vectors of one length",
        ),
    ],
)
def test_graphs_that_are_not_well_formed_are_refused(nodes, message):
    with pytest.raises(ModelError, match=message):
        graph(*nodes).verify()


def test_a_graph_is_replaced_never_changed():
    old = fc()
    before = graph(old, RELU)
    after = before.with_replaced(old, fc())
    assert before.nodes[0] is old
    assert after.nodes[0] is not old
    assert after.nodes[1] is RELU
    with pytest.raises(FrozenInstanceError):
        before.name = "other"
    with pytest.raises(ModelError, match="reads tensor 'h'"):
        before.with_nodes([RELU])


def structured():
    gates = tuple(map(GateActivation, ("Sigmoid", "Tanh", "Tanh")))
    return (
        Linear(name="l", inputs=("x",), outputs=("y",), weight=BlockCirculant(values(2, 3, 4), (7, 10))),
        Conv(
            name="c",
            inputs=("x",),
            outputs=("y",),
            weight=BlockCirculantConv(values(9, 2, 2, 4), (8, 7), (3, 3)),
            bias=None,
            channels=7,
            kernel=(3, 3),
            strides=(1, 1),
            dilations=(1, 1),
            pads=(1, 1, 1, 1),
        ),
        LSTM(
            name="r",
            inputs=("x",),
            outputs=("y",),
            input_weight=(Dense(values(32, 5)),),
            recurrent_weight=(BlockCirculant(values(4, 1, 8)),),
            hidden=8,
            activations=gates,
        ),
    )


@pytest.mark.parametrize("node", structured(), ids=lambda n: n.op)
def test_structured_nodes_are_known_and_written_out(node):
    assert is_structured(node)
    dense = densified(node)
    assert not is_structured(dense)
    assert (dense.name, dense.inputs, dense.outputs) == (node.name, node.inputs, node.outputs)
    old, new = (n.recurrent_weight[0] if isinstance(n, LSTM) else n.weight for n in (node, dense))
    np.testing.assert_array_equal(new.matrix, old.to_dense())
    assert densified(RELU) is RELU
    assert not is_structured(RELU)


def test_the_directions_of_a_recurrent_layer_have_one_structure():
    _, _, node = structured()
    two = replace(
        node,
        input_weight=node.input_weight * 2,
        recurrent_weight=(node.recurrent_weight[0], BlockCirculant(values(8, 2, 4))),
        activations=node.activations * 2,
        direction="bidirectional",
    )
    with pytest.raises(ModelError, match="one structure and size in both directions"):
        graph(two).verify()
