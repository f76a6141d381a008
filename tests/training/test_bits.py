# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E402
"""Few bits and fixed point while training: the grid, the gradients, and that structure survives them."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install 'swm-fpga[torch]'")

import swm
import swm.torch
from swm.errors import OptionError
from swm.graph import Linear
from swm.layers.arithmetic import packed_spectrum
from swm.layers.formats import best_format
from swm.structure import STRUCTURES, circulant_columns
from swm.torch.attach import refresh_formats

nn = torch.nn


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("bits", [4, 8, 12])
@pytest.mark.parametrize("learn", [False, True])
def test_fixed_point_has_the_formats_and_words_of_the_hardware(bits, learn):
    values = torch.randn(400) * 3
    point = swm.torch.FixedPoint(bits, learn=learn)
    wanted = best_format(values.numpy(), bits)
    got = point(values)
    assert float(point.frac) == wanted.frac
    np.testing.assert_array_equal(got.detach().numpy(), wanted.quantize(values.numpy()) / 2.0**wanted.frac)


def test_gradients_pass_where_nothing_saturates():
    point = swm.torch.FixedPoint(4)
    point(torch.linspace(-1, 1, 50))  # frac 3: -1 to 0.875
    x = torch.tensor([-3.0, -0.3, 0.4, 0.9, 2.0], requires_grad=True)
    point(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_few_bits_are_multiples_of_one_scale(bits):
    layer = nn.Linear(40, 30)
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", swm.torch.FewBits(layer.weight, bits))
    weight = layer.weight.detach()
    top = max(2 ** (bits - 1) - 1, 1)
    steps = weight / weight.abs()[weight != 0].min()
    torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
    assert len(weight.unique()) <= 2 * top + (bits > 1) and int(steps.abs().max()) <= top


def test_the_scale_of_few_bits_is_learnt_as_its_source_says():
    """Esser et al. 2020, equation 3: q - w / s inside, -L or L outside, by sqrt(count * L)."""
    weight = torch.tensor([[0.3, -2.0, 0.9, 5.0]])
    few = swm.torch.FewBits(weight, 3)
    with torch.no_grad():
        few.scale.fill_(0.5)
    few(weight).sum().backward()
    inside = (round(0.6) - 0.6) + (round(1.8) - 1.8)
    assert float(few.scale.grad) == pytest.approx((inside - 3 + 3) / np.sqrt(4 * 3), rel=1e-5)


def test_learnt_scales_find_a_better_grid():
    weight = torch.randn(64, 64)
    few = swm.torch.FewBits(weight, 3)
    with torch.no_grad():
        few.scale.mul_(4)
    optimiser = torch.optim.Adam([few.scale], lr=0.05)
    errors = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = (few(weight) - weight).square().mean()
        loss.backward()
        optimiser.step()
        errors.append(float(loss.detach()))
    assert errors[-1] < errors[0] / 3


def test_structure_survives_bits_in_either_place():
    """A chain structure, then bits; and bits of the spectra, as hardware stores them."""
    layer = nn.Linear(16, 16)
    swm.torch.structure(layer, block={"weight": 4})
    expanded = layer.weight.detach().clone()
    torch.nn.utils.parametrize.register_parametrization(layer, "weight", swm.torch.FewBits(expanded, 3))
    found = circulant_columns(layer.weight.detach().numpy()[None])
    assert found is not None and found.shape[-1] == 4
    assert len(layer.weight.unique()) <= 7

    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    swm.torch.structure(model, block=4, bits=6)
    assert circulant_columns(model[0].weight.detach().numpy()[None]).shape[-1] == 4
    columns = model[0].parametrizations.weight.original.detach().numpy()
    spectra = packed_spectrum(columns)
    form = best_format(spectra, 6)
    words = packed_spectrum(circulant_columns(model[0].weight.detach().numpy()[None]))
    np.testing.assert_allclose(words, form.quantize(spectra) / 2.0**form.frac, atol=1e-5)
    dense = best_format(model[1].parametrizations.weight.original.detach().numpy(), 6)
    steps = model[1].weight.detach().numpy() * 2.0**dense.frac
    np.testing.assert_array_equal(steps, np.round(steps))


def test_formats_are_chosen_again_when_asked():
    model = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16))
    swm.torch.structure(model, block=4, bits=8)
    points = [m for m in model.modules() if isinstance(m, swm.torch.FixedPoint)]
    before = [float(p.frac) for p in points]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    refresh_formats(model)
    assert [float(p.frac) for p in points] == [f - 3 for f in before]
    assert len(points) == 2


@pytest.mark.parametrize("bits", [0, 9, True])
def test_impossible_bits(bits):
    with pytest.raises(OptionError, match="choose 1 to 8"):
        swm.torch.FewBits(torch.ones(2, 2), bits)


@pytest.mark.filterwarnings("ignore")  # of torch's exporters
@pytest.mark.parametrize("dynamo", [False, True])
def test_rounded_activations_learn_their_scales_and_both_exporters_write_them(tmp_path, dynamo):
    if dynamo:
        pytest.importorskip("onnxscript", reason="torch's newer exporter needs onnxscript")
    x = torch.randn(8, 16)
    rounding = swm.torch.FixedPoint(6), swm.torch.FixedPoint(5, learn=True), swm.torch.FewBits(torch.rand(8, 16), 4)
    model = nn.Sequential(nn.Linear(16, 16), rounding[0], nn.Linear(16, 16), rounding[1], nn.ReLU(), rounding[2])
    swm.torch.structure(model, {"0": 2, "2": 2}, structure="ternary8")
    model(x).square().sum().backward()
    assert float(rounding[1].log_scale.grad.abs()) > 0 and float(rounding[2].scale.grad.abs().sum()) > 0
    again = copy.deepcopy(model)
    again.load_state_dict(model.state_dict())
    wanted = model.eval()(x).detach().numpy()
    torch.testing.assert_close(again.eval()(x), model(x))
    assert len(np.unique(wanted)) <= 8  # 0 to 7 times one scale
    path = tmp_path / "m.onnx"
    torch.onnx.export(model, (x,), str(path), dynamo=dynamo, opset_version=18, input_names=["x"])
    graph = swm.load(path, simplify=True, detect=True)
    np.testing.assert_allclose(swm.run(graph, x.numpy()), wanted, atol=1e-5)
    assert [type(n.weight) for n in graph.nodes if isinstance(n, Linear)] == [STRUCTURES["ternary8"]] * 2


def data():
    x = torch.randn(128, 16)
    return x, (x @ torch.randn(16, 4)).argmax(1)


def loss_of(model, x, y):
    return nn.functional.cross_entropy(model(x), y)


def test_gradual_ends_where_the_projection_is():
    x, y = data()
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    schedule = swm.torch.gradual(model, block=4, steps=20)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    shares = []
    for _ in range(20):
        optimiser.zero_grad()
        loss_of(model, x, y).backward()
        optimiser.step()
        schedule.step()
        shares.append(schedule.share)
    assert shares == sorted(shares) and shares[-1] == 1
    before = model[0].weight.detach().clone()
    schedule.finish()
    torch.testing.assert_close(model[0].weight, before)
    assert model[0].parametrizations.weight.original.shape == (1, 4, 4, 4)
    loss_of(model, x, y).backward()


def test_admm_pulls_weights_to_the_structure_and_leaves_less_to_project():
    x, y = data()
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    free = copy.deepcopy(model)
    pull = swm.torch.admm(model, block=4, rho=0.5)
    start = pull.residual()
    for net, extra in ((model, pull.penalty), (free, lambda: 0.0)):
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(60):
            optimiser.zero_grad()
            (loss_of(net, x, y) + extra()).backward()
            optimiser.step()
            if net is model and step % 10 == 9:
                pull.step()
    assert pull.residual() < start / 3
    before = model[0].weight.detach().clone()
    pull.finish()
    assert (model[0].weight - before).norm() < 0.3 * before.norm()
    assert circulant_columns(model[0].weight.detach().numpy()[None]).shape[-1] == 4


def trained(model, x, y, schedule, steps, extra=lambda: 0.0, every=1):
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        (loss_of(model, x, y) + extra()).backward()
        optimiser.step()
        if step % every == 0:
            schedule.step()


@pytest.mark.parametrize("name", ["cgs", "nof4", "bits", "cgs-3bit", "ternary8"])
def test_other_structures_come_by_and_by_too(name):
    x = torch.randn(128, 32)
    y = (x @ torch.randn(32, 4)).argmax(1)
    size, kind = 2, STRUCTURES[name]
    model = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    schedule = swm.torch.gradual(model, block=size, steps=20, structure=name)
    first = model[0].weight.detach().clone()
    torch.testing.assert_close(first, model[0].parametrizations.weight.original.detach())  # dense at first
    trained(model, x, y, schedule, 20)
    assert schedule.share == 1
    before = model[0].weight.detach().clone()
    assert structured(before, kind, size)
    schedule.finish()
    torch.testing.assert_close(model[0].weight, before, rtol=0, atol=0)
    loss_of(model, x, y).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert structured(swm.torch.finish(model)[0].weight, kind, size)


def structured(weight, kind, size):
    """Whether one matrix of the structure is this weight: rows of one scale a row, zeros where it has them."""
    array = weight.detach().numpy()
    if kind in (STRUCTURES["bits"], STRUCTURES["cgs-3bit"], STRUCTURES["ternary8"]):
        levels = max(len(np.unique(np.abs(row[row != 0]).round(5))) for row in array)
        if levels > {"bits": 1, "cgs-3bit": 3, "ternary8": 1}[next(n for n in STRUCTURES if STRUCTURES[n] is kind)]:
            return False
        if kind is STRUCTURES["bits"]:
            return True
    return np.array_equal(kind.project(array, size).to_dense() != 0, array != 0)


@pytest.mark.parametrize("name", ["cgs", "cgs-3bit", "ternary8"])
def test_admm_pulls_to_other_structures(name):
    x = torch.randn(128, 32)
    y = (x @ torch.randn(32, 4)).argmax(1)
    model = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    pull = swm.torch.admm(model, block=2, rho=0.5, structure=name)
    start = pull.residual()
    trained(model, x, y, pull, 60, pull.penalty, every=10)
    assert pull.residual() < start / 2
    wanted = STRUCTURES[name].project(model[0].weight.detach().numpy(), 2).to_dense()
    pull.finish()
    np.testing.assert_allclose(model[0].weight.detach().numpy(), wanted, atol=1e-6)
    loss_of(model, x, y).backward()


def test_places_are_chosen_anew_while_a_blend_goes_on():
    model = nn.Sequential(nn.Linear(32, 32), nn.Linear(32, 4))
    schedule = swm.torch.gradual(model, block=2, steps=10, structure="cgs")
    kept = model[0].parametrizations.weight[0].chain[0].kept.clone()
    with torch.no_grad():
        model[0].parametrizations.weight.original[~kept] *= 100
    schedule.step()
    assert not (kept & model[0].parametrizations.weight[0].chain[0].kept).any()


@pytest.mark.parametrize(
    "make",
    [
        lambda m: swm.torch.gradual(m, block=4, steps=0),
        lambda m: swm.torch.admm(m, block=4, rho=0),
        lambda m: swm.torch.admm(m, block=16),
        lambda m: swm.torch.gradual(m, block=4, steps=9, structure="cgs-9bit"),
        lambda m: swm.torch.gradual(m, block=9, steps=9, structure="bits"),
    ],
)
def test_schedules_refuse_what_cannot_be(make):
    with pytest.raises(OptionError):
        make(nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 4)))
