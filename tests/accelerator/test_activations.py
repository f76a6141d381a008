# SPDX-License-Identifier: Apache-2.0
"""Activations as exporters write them, from an ONNX file to words that the C simulation confirms."""

import numpy as np
import pytest
from networks import Model, quantized, relative_error, smooth

import swm
from swm.accelerator.backend import backend
from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.lower import hardware_findings, lower
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store import load_fixed, save_fixed
from swm.device.board import load_board
from swm.emit import emit_project, verify_project
from swm.errors import UnsupportedModel

WIDTH = 10


def silu(model, x):
    return model.node("Mul", x, model.node("Sigmoid", x))


def hard_silu(model, x):
    return model.node("Mul", model.node("HardSigmoid", x, alpha=1 / 6), x)


def mish(model, x):
    return model.node("Mul", x, model.node("Tanh", model.node("Softplus", x)))


def gelu(model, x):
    """As torch exports it to opset 17."""
    half = model.node("Erf", model.node("Div", x, model.constant(np.sqrt(2))))
    spread = model.node("Mul", x, model.node("Add", half, model.constant(1.0)))
    return model.node("Mul", spread, model.constant(0.5))


def plain(op, *constants, **attributes):
    return lambda model, x: model.node(op, x, *map(model.constant, constants), **attributes)


FORMS = {
    "leaky": (plain("LeakyRelu", alpha=0.2), "leaky_relu"),
    "shared slope": (plain("PRelu", [0.3]), "leaky_relu"),
    "slopes": (plain("PRelu", np.linspace(-0.5, 0.9, WIDTH)), "prelu"),
    "relu6": (plain("Clip", 0.0, 6.0), "clip"),
    "hardtanh": (plain("Clip", -1.0, 1.0), "clip"),
    "hard sigmoid": (plain("HardSigmoid"), "hard_sigmoid"),
    "softplus": (plain("Softplus"), "softplus"),
    "elu": (plain("Elu"), "elu"),
    "hard swish": (plain("HardSwish"), "hard_swish"),
    "silu": (silu, "swish"),
    "hard silu": (hard_silu, "hard_swish"),
    "mish": (mish, "mish"),
    "sigmoid": (plain("Sigmoid"), "sigmoid"),
}


def network(path, forms):
    """A chain of matrices with one of the forms behind each."""
    model, tensor = Model(WIDTH), "x"
    for index, form in enumerate(forms):
        tensor = form(model, model.linear(tensor, WIDTH, WIDTH, f"fc{index}"))
    return model.save(path, model.linear(tensor, WIDTH, 4, "head"), 4)


@pytest.mark.parametrize("name", FORMS)
def test_each_form_becomes_one_fused_activation(tmp_path, name):
    form, wanted = FORMS[name]
    layers = lower(network(tmp_path / "m.onnx", [form])).layers
    if wanted == "prelu":
        assert [layer.kind for layer in layers] == ["dense", "prelu", "dense"]
    else:
        assert [layer.activation for layer in layers] == [wanted, "identity"]


def test_gelu_as_torch_exports_it(tmp_path):
    graph = swm.simplify(network(tmp_path / "m.onnx", [gelu]))
    assert [layer.activation for layer in lower(graph).layers] == ["gelu", "identity"]


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A network with every form, quantized to 8 and 14 bits, and its inputs."""
    graph = network(tmp_path_factory.mktemp("every") / "m.onnx", [form for form, _ in FORMS.values()])
    x = 3 * smooth(200, WIDTH)
    return graph, x, {bits: quantized(graph, x, bits) for bits in (8, 14)}


def test_words_follow_the_float_network(every):
    graph, x, fixed = every
    errors = [relative_error(run_fixed(fixed[bits], x).values, swm.run(graph, x)) for bits in (8, 14)]
    told = [entry["activation"] for entry in fixed[8].formats().values() if "activation" in entry]
    assert len(told) == len(FORMS) - 1  # slopes a channel are a layer
    assert all("off by at most" in text for text in told if not text.startswith("clip"))
    assert errors[0] < 0.1
    assert errors[1] < errors[0] / 25


def test_compiled_and_stored_graphs_give_the_same_words(every, tmp_path):
    _, x, fixed = every
    words = run_fixed(fixed[8], x).words
    np.testing.assert_array_equal(run_fixed(fixed[8], x, compiled=True).words, words)
    save_fixed(fixed[8], tmp_path / "f.npz")
    again = load_fixed(tmp_path / "f.npz")
    assert [layer.curve for layer in again.layers] == [layer.curve for layer in fixed[8].layers]
    np.testing.assert_array_equal(run_fixed(again, x).words, words)


@pytest.mark.parametrize("name", ["vitis", "generic"])
def test_c_simulation_confirms_every_word(every, tmp_path, name):
    _, x, fixed = every
    schedule = make_schedule(fixed[8].shape, load_board("pynq-z2"), backend=backend(name))
    result = verify_project(emit_project(Design(fixed[8], schedule), tmp_path / "p", vectors=x[:30]))
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 30 * 4


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (plain("Selu"), "no hardware kernel"),
        (plain("Elu", alpha=9.0), "its parameter 9 is not one of"),
        (plain("PRelu", np.full((2, 5), [[0.1], [0.2]])), "slopes of shape"),
        (plain("PRelu", np.linspace(1, 100, WIDTH)), "a slope is larger than 64"),
    ],
)
def test_what_is_not_built_is_refused_by_name(tmp_path, form, words):
    model = Model(WIDTH)
    tensor = model.linear("x", WIDTH, WIDTH, "fc")
    if "shape" in words:
        tensor = model.node("Reshape", tensor, model.constant([-1, 2, 5], np.int64))
    graph = model.save(tmp_path / "m.onnx", form(model, tensor))
    (finding,) = hardware_findings(graph)
    assert words in finding.reason
    assert finding.remedy
    with pytest.raises(UnsupportedModel, match="cannot become hardware"):
        lower(graph)
