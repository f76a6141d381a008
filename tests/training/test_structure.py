# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""Block-circulant weights as parametrizations: against dense, finite differences, numpy, and files read back."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'swm-fpga[torch]'")

import swm
import swm.torch
from swm.errors import OptionError
from swm.graph import Conv, Linear, Recurrent, is_structured
from swm.structure import BlockCirculant, BlockCirculantConv, least_squares
from swm.torch.circulant import Layout

nn = torch.nn


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def columns_of(module, tensor="weight"):
    return module.parametrizations[tensor].original


class Own(nn.Module):
    """Somebody else's layer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, 16))

    def forward(self, x):
        return x @ self.weight.T


class Classifier(nn.Module):
    """Convolutions and products, with a layer that torch does not have."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 16, 3, padding=1, stride=2)
        self.sequence = nn.Conv1d(16, 8, 3)
        self.own = Own()
        self.last = nn.Linear(12, 3)

    def forward(self, x):
        h = torch.relu(self.conv(x)).flatten(2)
        h = torch.relu(self.sequence(h)).flatten(1)[:, :16]
        return self.last(torch.relu(self.own(h)))


@pytest.mark.parametrize("shape", [(16, 24), (13, 21), (8, 12, 3), (9, 8, 3, 2)], ids=str)
def test_expansion_and_projection_are_those_of_the_numpy_structures(shape):
    weight = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    layout = Layout(shape, 4)
    columns = layout.project(torch.from_numpy(weight))
    if len(shape) == 2:
        wanted = BlockCirculant.from_dense(weight, block=4)
        expanded = wanted.to_dense()
    else:
        wanted = BlockCirculantConv.from_dense(weight, block=4)
        expanded = wanted.to_tensor()
    np.testing.assert_allclose(columns.numpy().reshape(wanted.columns.shape), wanted.columns, atol=1e-6)
    np.testing.assert_allclose(layout.expand(columns).numpy(), expanded, atol=1e-6)


@pytest.mark.parametrize(("shape", "gates"), [((6, 9), 1), ((8, 3), 2), ((5, 4, 2), 1)], ids=str)
def test_gradients_agree_with_finite_differences(shape, gates):
    layout = Layout(shape, 4, gates)
    columns = torch.randn(layout.stored, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    x = torch.randn(shape, dtype=torch.float64)

    def product(c):
        return (layout.expand(c).tanh() * x).sum()

    assert torch.autograd.gradcheck(product, (columns,))
    assert torch.autograd.gradgradcheck(product, (columns,))
    assert torch.autograd.gradcheck(lambda w: layout.project(w).square(), (weight,))


def test_a_column_has_the_gradient_of_all_places_where_it_stands():
    dense, shared = nn.Linear(16, 8, dtype=torch.float64), nn.Linear(16, 8, dtype=torch.float64)
    swm.torch.structure(shared, block={"weight": 4})
    with torch.no_grad():
        dense.weight.copy_(shared.weight)
        dense.bias.copy_(shared.bias)
    x = torch.randn(5, 16, dtype=torch.float64)
    for module in (dense, shared):
        module(x).square().sum().backward()
    torch.testing.assert_close(dense(x), shared(x))
    k = 4
    blocks = dense.weight.grad.reshape(2, k, 4, k).transpose(1, 2)
    sums = torch.stack([sum(blocks[:, :, (r + d) % k, r] for r in range(k)) for d in range(k)], -1)
    torch.testing.assert_close(columns_of(shared).grad[0], sums)


def test_descent_by_parameter_groups_is_dense_descent_with_projection():
    """k times larger gradients, lr / k: one step, decay included."""
    dense, shared = nn.Linear(16, 8, dtype=torch.float64), nn.Linear(16, 8, dtype=torch.float64)
    swm.torch.structure(shared, block={"weight": 4})
    with torch.no_grad():
        dense.weight.copy_(shared.weight)
        dense.bias.copy_(shared.bias)
    groups = swm.torch.parameter_groups(shared, lr=0.1, weight_decay=0.01)
    assert sorted(g["lr"] for g in groups) == pytest.approx([0.025, 0.1])
    assert {g["lr"] for g in swm.torch.parameter_groups(shared, lr=0.1, adaptive=True)} == {0.1}
    optimisers = [
        torch.optim.SGD([{"params": [dense.weight], "weight_decay": 0.01}, {"params": [dense.bias]}], lr=0.1),
        torch.optim.SGD(groups, lr=0.1),
    ]
    x = torch.randn(5, 16, dtype=torch.float64)
    for module, optimiser in zip((dense, shared), optimisers, strict=True):
        module(x).square().sum().backward()
        optimiser.step()
    layout = Layout((8, 16), 4)
    torch.testing.assert_close(layout.expand(layout.project(dense.weight)), shared.weight)
    torch.testing.assert_close(dense.bias, shared.bias)


def test_every_kind_of_weight_takes_part_and_the_rules_say_why_others_do_not():
    model = nn.ModuleDict(
        {
            "conv": nn.Conv2d(8, 16, 3),
            "grouped": nn.Conv2d(16, 16, 3, groups=4),
            "depthwise": nn.Conv2d(16, 16, 3, groups=16),
            "lstm": nn.LSTM(8, 16, 2, bidirectional=True),
            "gru": nn.GRU(8, 16),
            "odd": nn.GRU(8, 18),
            "attention": nn.MultiheadAttention(16, 4),
            "other": nn.MultiheadAttention(16, 4, kdim=8, vdim=8),
            "embedding": nn.Embedding(40, 16),
            "own": Own(),
            "norm": nn.LayerNorm(16),
            "last": nn.Linear(16, 8),
        }
    )
    done = {w.name: w for w in swm.torch.structure(model, block=4).weights}
    stays = {name: w.reason for name, w in done.items() if w.block == 1}
    assert set(stays) == {"depthwise.weight", "odd.weight_ih_l0", "odd.weight_hh_l0", "last.weight"}
    assert columns_of(model["grouped"], "weight").numel() == 16 * 4 * 9 // 4
    assert "16 groups of 1 x 1" in stays["depthwise.weight"] and "straddle two gates of 18" in stays["odd.weight_hh_l0"]
    assert done["lstm.weight_hh_l1_reverse"].words == (64 * 16, 64 * 16 // 4)
    assert done["attention.in_proj_weight"].block == done["other.k_proj_weight"].block == 4
    assert columns_of(model["lstm"], "weight_ih_l0").shape == (4, 4, 2, 4)
    assert columns_of(model["conv"]).shape == (9, 4, 2, 4)


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "attention"])
def test_recurrent_layers_and_attention_run_and_learn_with_their_new_weights(kind):
    make = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
    model = make[kind](8, 8, batch_first=True) if kind in make else nn.MultiheadAttention(8, 2, batch_first=True)
    swm.torch.structure(model, block=4)
    x = torch.randn(3, 5, 8)

    def run(module):
        return module(x)[0] if kind in make else module(x, x, x)[0]

    optimiser = torch.optim.SGD(swm.torch.parameter_groups(model, 0.1))
    first = run(model)
    first.square().sum().backward()
    optimiser.step()
    assert not torch.equal(run(model), first)  # torch's own list of weights would be the old one
    copied = copy.deepcopy(model)
    plain = swm.torch.finish(copy.deepcopy(model))
    assert not hasattr(plain, "parametrizations")
    torch.testing.assert_close(run(plain), run(model))
    torch.testing.assert_close(run(copied), run(model))
    fresh = make[kind](8, 8, batch_first=True) if kind in make else nn.MultiheadAttention(8, 2, batch_first=True)
    swm.torch.structure(fresh, block=4)
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(run(fresh), run(model))


def test_it_starts_from_the_data_aware_fit():
    model = Classifier()
    dense = copy.deepcopy(model)
    x = torch.randn(80, 4, 9, 9).repeat(1, 2, 1, 1) + 0.3 * torch.randn(80, 8, 9, 9)
    done = swm.torch.structure(model, block=4, calibration=x)
    assert [w.block for w in done.weights] == [4, 4, 4, 1] and done.compression > 3
    projected = copy.deepcopy(dense)
    swm.torch.structure(projected, block=4)

    def error(found):
        return float((found(x) - dense(x)).detach().square().sum())

    assert error(model) < error(projected)
    linear = nn.Sequential(nn.Linear(16, 12), nn.Linear(12, 3))
    inputs = torch.randn(60, 16)
    targets = linear[0](inputs).detach().numpy()
    swm.torch.structure(linear, block=4, calibration=inputs)
    fit = least_squares(inputs.numpy(), targets, 4)
    np.testing.assert_allclose(columns_of(linear[0])[0].detach().numpy(), fit.columns, atol=1e-5)
    np.testing.assert_allclose(linear[0].bias.detach().numpy(), fit.bias, atol=1e-5)


def test_a_budget_gives_larger_blocks_to_weights_that_matter_less():
    model = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 4))
    with torch.no_grad():
        layout = Layout((32, 32), 16)
        model[1].weight.copy_(layout.expand(layout.project(model[1].weight)))  # costs nothing
    done = swm.torch.structure(model, budget="2x", calibration=torch.randn(40, 32))
    first, second, last = (w.block for w in done.weights)
    assert second == 16 and first < 16 and last == 1
    assert done.compression >= 2
    with pytest.raises(OptionError, match="cannot be met"):
        swm.torch.structure(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4)), budget="50x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 3}, "power of two"),
        ({"block": {"con": 4}}, "nearest names are 'conv.weight'"),
        ({"block": 4, "budget": "2x"}, "one of the two"),
        ({}, "one of the two"),
        ({"block": 4, "bits": 40}, "choose 2 to 24"),
    ],
)
def test_bad_options_end_in_one_error(options, message):
    with pytest.raises(OptionError, match=message):
        swm.torch.structure(Classifier(), **options)


@pytest.mark.filterwarnings("ignore")  # of torch's exporter: deprecated, or traced
@pytest.mark.parametrize("dynamo", [False, True])
def test_an_ordinary_export_is_found_to_be_block_circulant(tmp_path, dynamo):
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's newer exporter needs onnxscript")

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(16, 16, 3)
            self.first = nn.Linear(64, 16)
            self.lstm = nn.LSTM(16, 16, batch_first=True)
            self.last = nn.Linear(16, 5)

        def forward(self, x):
            h = torch.relu(self.first(torch.relu(self.conv(x)).flatten(1)))
            return self.last(torch.relu(self.lstm(h.unflatten(1, (1, 16)))[0][:, -1]))

    model = Net().eval()
    swm.torch.structure(model, block=8)
    x = torch.randn(3, 16, 4, 4)
    wanted = model(x).detach().numpy()
    for name, exported in (("finished", swm.torch.finish(copy.deepcopy(model))), ("as it is", model)):
        path = tmp_path / f"{name}.onnx"
        torch.onnx.export(exported, (x,), str(path), dynamo=dynamo, opset_version=18, input_names=["x"])
        graph = swm.load(path, simplify=True, detect=True)
        structured = {type(n): n for n in graph.nodes if is_structured(n)}
        assert set(structured) >= {Conv, Linear}, name
        assert any(isinstance(n, Recurrent) for n in structured.values()), name
        assert all(w.size == 8 for n in structured.values() for w in weights(n)), name
        np.testing.assert_allclose(swm.run(graph, x.numpy()), wanted, atol=1e-5)


def weights(node):
    return (*node.input_weight, *node.recurrent_weight) if isinstance(node, Recurrent) else (node.weight,)
