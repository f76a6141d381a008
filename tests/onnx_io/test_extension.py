# SPDX-License-Identifier: Apache-2.0
"""An operator of one's own, all of it in this file: loaded typed, run, saved, and forgotten again."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

import swm
from swm.errors import ModelError, OptionError
from swm.graph import Node, Opaque
from swm.onnx_io import from_proto, operators, register_operator, unregister_operator
from swm.onnx_io.read.context import Context
from swm.onnx_io.read.registry import RawNode, Result
from swm.onnx_io.write.target import Target

from .support import make_model

DOMAIN = "com.example"


@dataclass(frozen=True, kw_only=True, eq=False)
class Sign(Node):
    op: ClassVar[str] = "Sign"


def read_sign(context: Context, node: RawNode) -> Result:
    return Sign(name=node.name, inputs=node.inputs, outputs=node.outputs)


def write_sign(target: Target, node: Sign) -> None:
    target.add(node, "Sign")


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube(Node):
    """`factor * x ** 3`, which ONNX does not have."""

    op: ClassVar[str] = "Cube"

    factor: float


def read_cube(context: Context, node: RawNode, *, factor: float = 1.0) -> Result:
    if len(node.inputs) != 1:
        raise node.error("takes one input")
    return Cube(name=node.name, inputs=node.inputs, outputs=node.outputs, factor=factor)


def write_cube(target: Target, node: Cube) -> None:
    power = target.tensor(f"{node.name}/power")
    target.extra(node, "Pow", [node.inputs[0], target.constant(node, np.float32(3), "three")], power, "pow")
    target.add(node, "Mul", [power, target.constant(node, np.float32(node.factor), "factor")])


@pytest.fixture
def registered():
    register_operator("Sign", since=9, node=Sign, read=read_sign, write=write_sign)
    register_operator("Cube", domain=DOMAIN, node=Cube, read=read_cube, write=write_cube)
    yield
    unregister_operator("Sign")
    unregister_operator("Cube", domain=DOMAIN)


def model(**attributes):
    nodes = [
        helper.make_node("Sign", ["x"], ["s"], name="sign"),
        helper.make_node("Cube", ["s"], ["c"], name="cube", domain=DOMAIN, **attributes),
        helper.make_node("MatMul", ["c", "w"], ["y"], name="fc"),
    ]
    weight = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    found = make_model(nodes, {"x": ("n", 6)}, {"y": ("n", 4)}, {"w": weight})
    if not any(o.domain == DOMAIN for o in found.opset_import):
        found.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return found, weight


@pytest.mark.usefixtures("registered")
def test_a_registered_operator_is_read_run_converted_and_written(tmp_path):
    proto, weight = model(factor=0.5)
    graph = from_proto(proto)
    assert [type(n) for n in graph.nodes[:2]] == [Sign, Cube]
    assert graph.nodes[1].factor == 0.5
    x = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    wanted = 0.5 * np.sign(x) ** 3 @ weight
    np.testing.assert_allclose(swm.run(graph, x), wanted, atol=1e-6)
    swm.save(graph, tmp_path / "m.onnx")
    session = ort.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"x": x})[0], wanted, atol=1e-6)
    small = swm.convert(graph, block={"fc": 2}, calibration=x).graph
    assert swm.run(small, x).shape == (5, 4)
    assert [n.name for n in swm.check(graph).nodes if not n.hardware][:2] == ["sign", "cube"]
    assert {(o.domain, o.op) for o in operators()} >= {("", "Sign"), (DOMAIN, "Cube")}
    with pytest.raises(ModelError, match="'scale' does not exist"):
        from_proto(model(scale=2.0)[0])


def test_an_operator_is_opaque_again_once_it_is_unregistered():
    register_operator("Sign", since=9, node=Sign, read=read_sign, write=write_sign)
    proto = make_model([helper.make_node("Sign", ["x"], ["y"])], {"x": ("n", 6)}, {"y": None})
    typed = from_proto(proto)
    unregister_operator("Sign")
    assert isinstance(from_proto(proto).nodes[0], Opaque)
    with pytest.raises(ModelError, match="has no ONNX form"):
        swm.run(typed, np.ones((1, 6), np.float32))
    with pytest.raises(OptionError, match="was not registered"):
        unregister_operator("Sign")


@pytest.mark.usefixtures("registered")
def test_what_swm_has_is_not_replaced():
    with pytest.raises(OptionError, match="reads 'Relu'"):
        register_operator("Relu", node=Sign, read=read_sign, write=write_sign)
    with pytest.raises(OptionError, match="registered as Sign"):
        register_operator("Sign", node=Cube, read=read_cube, write=write_cube)
    with pytest.raises(OptionError, match="written already"):
        register_operator("Other", node=swm.graph.Softmax, read=read_sign, write=write_sign)
