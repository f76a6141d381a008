# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""Sparse, few-bit and ternary weights as parametrizations: gradients, what stays, and what comes out of training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from support import mlp

torch = pytest.importorskip("torch", reason="needs torch: pip install 'swm-fpga[torch]'")

import swm
import swm.torch
from swm.cli.finetune import finetune as command
from swm.errors import OptionError
from swm.graph import LSTM, Conv, Linear, Recurrent, is_structured
from swm.structure import STRUCTURES, CoarseGrain, Dense, Hierarchical
from swm.structure.ternary import TERNARY
from swm.torch.chains import nearest
from swm.torch.network import Network

nn = torch.nn
SIZES = {
    "cgs": 4,
    "hcgs": 4,
    "bits": 3,
    "cgs-1bit": 2,
    "cgs-3bit": 4,
    "ternary8": 2,
    "nof4": 2,
    "permuted-diagonal": 4,
}


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chain(layer, tensor="weight"):
    return list(layer.parametrizations[tensor])


@pytest.mark.parametrize(("make", "kind"), [("CoarseGrain", CoarseGrain), ("Hierarchical", Hierarchical)])
def test_sparse_weights_are_those_of_the_numpy_structures(make, kind):
    layer = nn.Linear(40, 24)  # with padding
    wanted = kind.project(layer.weight.detach().numpy(), 4)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", getattr(swm.torch, make)(layer.weight, 4))
    np.testing.assert_array_equal(layer.weight.detach().numpy(), wanted.to_dense())
    assert layer.parametrizations.weight.original.shape == wanted.arrays["blocks"].shape


@pytest.mark.parametrize("name", ["cgs", "hcgs", "nof4", "permuted-diagonal"])
def test_gradients_agree_with_finite_differences_and_with_dense(name):
    weight = torch.randn(10, 18, dtype=torch.float64)
    sparse = swm.torch.Sparse(weight, STRUCTURES[name], SIZES[name])
    values = sparse.right_inverse(weight).requires_grad_()
    x = torch.randn(10, 18, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: (sparse(v).tanh() * x).sum(), (values,))
    dense = sparse(values).detach().requires_grad_()
    (dense.tanh() * x).sum().backward()
    (sparse(values).tanh() * x).sum().backward()
    torch.testing.assert_close(sparse.right_inverse(dense.grad), values.grad)
    assert not sparse(values)[~sparse.kept].any()


def test_structure_then_bits_is_trained_as_one():
    """Codes in the kept places alone, zeros elsewhere, a scale a row."""
    for bits in (1, 3):
        layer = nn.Linear(64, 32)
        swm.torch.structure(layer, block={"weight": 4}, structure=f"cgs-{bits}bit")
        sparse, few = chain(layer)
        optimiser = torch.optim.Adam(swm.torch.parameter_groups(layer, 0.05, weight_decay=0.1, adaptive=True), lr=0.05)
        for _ in range(3):
            optimiser.zero_grad()
            layer(torch.randn(16, 64)).square().sum().backward()
            optimiser.step()
        weight, kept = layer.weight.detach(), sparse.kept
        assert not weight[~kept].any()
        codes, scale = few.codes(sparse(layer.parametrizations.weight.original))
        assert torch.equal(weight, codes.detach() * scale.detach())
        assert int(codes.abs().max()) <= max(2 ** (bits - 1) - 1, 1)
        assert bits > 1 or bool(codes[kept].all())
        groups = swm.torch.parameter_groups(layer, 0.1, weight_decay=0.1)
        decays = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
        assert all(decays[id(p)] == 0 for p in few.parameters())


def test_ternary_patterns_are_the_projection_and_pass_gradients_to_zeros_too():
    weight = torch.randn(6, 20)
    ternary = swm.torch.StructuredTernary(weight, 2, group=8)
    wanted = TERNARY[8].project(weight.numpy(), 2)
    np.testing.assert_array_equal(ternary(weight).detach().numpy(), wanted.to_dense())
    trained = weight.clone().requires_grad_()
    seen = torch.randn(6, 20)
    (ternary(trained) * seen).sum().backward()
    inside = weight.abs() <= ternary.alpha.detach()
    torch.testing.assert_close(trained.grad, seen * inside)  # straight through, where nothing is clipped
    # Esser et al. 2020, equation 3, with patterns for rounding
    steps = (weight / ternary.alpha.detach()).clamp(-1, 1)
    signs = torch.from_numpy(wanted.to_dense()).sign()
    slope = torch.where(inside, signs - steps, signs)
    torch.testing.assert_close(ternary.alpha.grad, (slope * seen).sum(1, keepdim=True) / 20**0.5)


class Net(nn.Module):
    """A convolution, a recurrent layer that runs both ways, and products."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, padding=1)
        self.lstm = nn.LSTM(16, 16, batch_first=True, bidirectional=True)
        self.first = nn.Linear(32, 32)
        self.last = nn.Linear(32, 3)

    def forward(self, x):
        h = torch.relu(self.conv(x)).mean(3).transpose(1, 2)
        return self.last(torch.relu(self.first(self.lstm(h)[0][:, -1])))


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_an_ordinary_export_is_found_to_be_sparse_again(tmp_path):
    for name, size in (("cgs", 4), ("cgs-3bit", 4), ("ternary8", 2)):
        model, x = Net().eval(), torch.randn(12, 8, 6, 6)
        done = swm.torch.structure(model, size, structure=name, calibration=x)
        assert [bool(w.reason) for w in done.weights] == [False] * 6 + [True]
        assert done.compression > 1.5
        torch.nn.functional.cross_entropy(model(x), torch.arange(12) % 3).backward()
        wanted = model(x).detach().numpy()
        path = tmp_path / f"{name}.onnx"
        torch.onnx.export(swm.torch.finish(model), (x,), str(path), dynamo=False, opset_version=18, input_names=["x"])
        graph = swm.load(path, simplify=True, detect=True)
        kinds = {type(n): {type(w) for w in weights(n)} for n in graph.nodes if is_structured(n)}
        assert kinds == {kind: {STRUCTURES[name]} for kind in (Conv, LSTM, Linear)}
        np.testing.assert_allclose(swm.run(graph, x.numpy()), wanted, atol=1e-5)
        network = Network(graph, graph.outputs[0].name)  # and trained on in it, by `swm finetune`
        torch.nn.functional.cross_entropy(network({"x": x}), torch.arange(12) % 3).backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.sub_(0.02 * parameter.grad.sign())
        back = network.to_graph()
        assert kinds == {type(n): {type(w) for w in weights(n)} for n in back.nodes if is_structured(n)}
        np.testing.assert_allclose(swm.run(back, x.numpy()), network({"x": x}).detach().numpy(), atol=1e-5)
        assert np.abs(swm.run(back, x.numpy()) - wanted).max() > 1e-2


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(64, 2, batch_first=True)
        self.last = nn.Linear(64, 3)

    def forward(self, x):
        return self.last(self.attention(x, x, x)[0].mean(1))


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
@pytest.mark.parametrize("name", ["circulant", *SIZES])
def test_attention_in_the_older_exporter_keeps_every_structure(tmp_path, name):
    model, x = Attending().eval(), torch.randn(3, 5, 64)
    done = swm.torch.structure(model, SIZES.get(name, 4), structure=name)
    assert [bool(w.reason) for w in done.weights] == [False, False, True]
    wanted = model(x).detach()
    with torch.no_grad():
        torch.testing.assert_close(model(x), wanted)  # torch then takes a shorter road of its own
    torch.onnx.export(model, (x,), str(tmp_path / "a.onnx"), dynamo=False, opset_version=18, input_names=["x"])
    graph = swm.load(tmp_path / "a.onnx", simplify=True, detect=True)
    found = [type(n.weight) for n in graph.nodes if isinstance(n, Linear)]
    written = STRUCTURES["nof4" if name == "permuted-diagonal" else name]  # which one in four is, too
    assert found == [written, written, Dense]
    np.testing.assert_allclose(swm.run(graph, x.numpy()), wanted.numpy(), atol=1e-6)


def weights(node):
    return (*node.input_weight, *node.recurrent_weight) if isinstance(node, Recurrent) else (node.weight,)


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize(("name", "harsh"), [("cgs", 4), ("hcgs", 8), ("bits", 2), ("cgs-3bit", 4), ("nof4", 1)])
def test_a_budget_chooses_sizes_of_any_structure(name, harsh, calibrated):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(128, 128), nn.Linear(128, 128), nn.Linear(128, 4))
    with torch.no_grad():
        bits, near = nearest(model[1].weight, 1, harsh, STRUCTURES[name])
        model[1].weight.copy_(near)  # costs nothing
    wanted = {"cgs": "1.6x", "hcgs": "1.6x", "bits": "6x", "cgs-3bit": "12x", "nof4": "2x"}[name]
    x = torch.randn(40, 128) if calibrated else None
    done = swm.torch.structure(model, budget=wanted, structure=name, calibration=x)
    first, second, last = done.weights
    assert second.bits[1] <= bits < first.bits[1] and last.reason
    assert done.compression >= float(wanted[:-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 4, "structure": "cgs-9bit"}, "there is no structure"),
        ({"budget": "999x", "structure": "cgs"}, "cannot be met"),
        ({"block": 1, "structure": "cgs"}, "keeps every block"),
        ({"block": 9, "structure": "bits"}, "choose 1 to 8"),
    ],
)
def test_bad_options_end_in_one_error(options, message):
    with pytest.raises(OptionError, match=message):
        swm.torch.structure(Net(), **options)
    with pytest.raises(OptionError, match="groups of 5"):
        swm.torch.StructuredTernary(torch.ones(2, 10), 2, group=5)
    with pytest.raises(OptionError, match="a number in several places"):
        swm.torch.Sparse(torch.randn(8, 8), STRUCTURES["circulant"], 4)


def task(count):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(count, 32)).astype(np.float32)
    return x, (x[:, :16] @ rng.normal(size=(16, 4))).argmax(1)


@pytest.mark.parametrize("name", SIZES)
def test_what_comes_out_is_what_was_trained(name):
    """The graph's weights, and the file's, are those that were evaluated, to the last bit; and they have moved."""
    x, y = task(160)
    graph = swm.load(mlp((32, 36, 32, 4)))
    tuned = swm.finetune(
        graph, x, y, block=SIZES[name], structure=STRUCTURES[name], epochs=2, batch=16, rate=0.02, distillation=0.0
    )
    kinds = [type(n.weight) for n in tuned.graph.nodes if isinstance(n, Linear)]
    assert kinds == [STRUCTURES[name]] * 2 + [Dense]
    start = swm.convert(graph, block=SIZES[name], structure=STRUCTURES[name], calibration=x[:100]).graph
    network = Network(start, start.outputs[0].name)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(5):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network({"x": torch.from_numpy(x)}), torch.from_numpy(y)).backward()
        optimiser.step()
    trained = network.to_graph()
    for before, node in zip(start.nodes, trained.nodes, strict=True):
        if isinstance(node, Linear):
            layer = network.layers[network._names[node.name]]
            np.testing.assert_array_equal(layer.weight.detach().numpy(), node.weight.to_dense())
            assert not np.array_equal(before.weight.to_dense(), node.weight.to_dense())


def test_the_command_trains_a_structure_and_goes_on_with_its_file(tmp_path):
    x, y = task(120)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    swm.save(swm.load(mlp((32, 32, 32, 4))), tmp_path / "dense.onnx")
    arguments = ["--data", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "y.npy"), "--epochs", "1", "--json", "-"]
    first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
    sizes = ["--structure", "cgs-3bit", "--block", "4"]
    found = CliRunner().invoke(command, [str(tmp_path / "dense.onnx"), *arguments, *sizes, "-o", str(first)])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert [layer["structure"] for layer in report["conversion"]["layers"][:2]] == ["coarse-grain 3-bit"] * 2
    found = CliRunner().invoke(command, [str(first), *arguments[:-2], "-o", str(second)])
    assert "bits " not in found.output  # nothing was converted
    again = [*arguments[:-2], *sizes, "--force", "-o", str(second)]
    found = CliRunner().invoke(command, [str(tmp_path / "dense.onnx"), *again])
    assert "codes and indices at their own" in found.output
    found = CliRunner().invoke(command, [str(first), *arguments, "-o", str(second), "--force"])
    assert found.exit_code == 0, found.output
    kept = [type(n.weight) for n in swm.load(second).nodes if isinstance(n, Linear)]
    assert kept == [STRUCTURES["cgs-3bit"]] * 2 + [Dense]


def test_fixed_point_on_top_of_few_bits_is_chosen_for_what_it_rounds():
    layer = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 4))
    swm.torch.structure(layer, 4, structure="cgs-3bit", bits=10)
    *_, point = chain(layer[0])
    layer(torch.randn(2, 32))
    steps = layer[0].weight.detach() * 2.0 ** float(point.frac)
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=0)
    with torch.no_grad():
        layer[0].parametrizations.weight[1].scale.mul_(8)
        layer[0].parametrizations.weight.original.mul_(8)
    before = float(point.frac)
    swm.torch.attach.refresh_formats(layer)
    assert float(point.frac) == before - 3
