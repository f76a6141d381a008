# SPDX-License-Identifier: Apache-2.0
"""A layer kind from outside the package: its Python here, its kernel and template in a folder of the test.

It goes the whole road: lowering, quantization, integers, schedule, project, C simulation; then it is taken out again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from accelerator.networks import Model, quantized, smooth

from swm.accelerator.backend import backend
from swm.accelerator.design import Design
from swm.accelerator.integers import run_fixed
from swm.accelerator.lower import lower
from swm.accelerator.schedule import make_schedule
from swm.accelerator.store_design import load_design
from swm.device.board import load_board
from swm.device.primitives import control, multiplier
from swm.emit import emit_project, verify_project
from swm.errors import OptionError, UnsupportedModel
from swm.graph import Mul
from swm.layers import registry
from swm.layers.beats import BeatKind, every_beat
from swm.layers.finish import finish, finish_configuration, finish_cost
from swm.layers.formats import output_format
from swm.layers.program import Port, ProcessModel, Program
from swm.layers.values import FixedLayer, FloatLayer, LayerSpec, TensorShape, ceil_div

KERNEL = """\
// SPDX-License-Identifier: Apache-2.0
/// \\file times.h
/// \\brief y = activation(a b), one beat of each an iteration.
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct times_layer {
  enum { V = Cfg::vec, beats = ceil_div(Cfg::n, V) };
  enum { tail = Cfg::n - (beats - 1) * V, value_bits = Cfg::a_bits + Cfg::b_bits };
  typedef int_t<Cfg::a_bits> a_t;
  typedef int_t<Cfg::b_bits> b_t;
  typedef int_t<Cfg::out_bits> out_t;
};

template <class Cfg, class A, class B, class Out>
void times(int tokens, A& a, B& b, Out& out) {
  typedef times_layer<Cfg> L;
  const int total = tokens * L::beats;
  count_t<L::beats - 1> beat = 0;
TIMES:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const vec<typename L::a_t, L::V> x = read_beat<L::V, typename L::a_t>(a, step);
    const vec<typename L::b_t, L::V> y = read_beat<L::V, typename L::b_t>(b, step);
    vec<typename L::out_t, L::V> value;
  TIMES_LANES:
    for (int i = 0; i < L::V; ++i) {
      SWM_UNROLL
      const int_t<L::value_bits> v = multiply<Cfg::a_bits, Cfg::b_bits>(x.v[i], y.v[i]);
      const typename L::out_t z = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? z : typename L::out_t(0);
    }
    write_beat<L::V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm
"""
TEMPLATE = """\
{% import "process.j2" as process with context %}
{% macro title(layer) %}times, {{ layer.spec.n }} channels{% endmacro %}
{% macro traits(layer) %}swm::times_layer<{{ layer.name }}>{% endmacro %}
{% macro configuration(layer) %}
{{ process.configuration(layer, [["n", "a_bits", "b_bits", "out_bits"], ["vec"], ["activation"]]) }}
{%- endmacro %}
{% macro rom_order(layer) %}{% endmacro %}
{% macro functions(layer) %}{{ process.functions(layer) }}{% endmacro %}
{% macro calls(layer) %}{{ process.calls(layer) }}{% endmacro %}
"""


@dataclass(frozen=True)
class TimesSpec(LayerSpec):
    kind: ClassVar[str] = "times"


class Times(BeatKind):
    """y = activation(a * b), value by value."""

    name: ClassVar[str] = "times"
    takes: ClassVar = (Mul,)

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def headers(self):
        return (self.folder / "times.h",)

    @property
    def template(self):
        return self.folder / "times.j2"

    def lower(self, node, operands, name):
        if not isinstance(node, Mul) or len(operands) != 2:
            return None
        shapes = tuple((o.channels, o.positions) for o in operands)
        tensors = tuple(o.tensor for o in operands)
        return FloatLayer(self.name, name, node.name, tensors, node.outputs[0], shapes, *shapes[0])

    def spec(self, layer, bits):
        shapes = tuple(TensorShape(n, bits, positions) for n, positions in layer.shapes)
        return TimesSpec(layer.name, shapes, shapes[0], layer.activation)

    def quantize(self, spec, layer, inputs, outputs, formats):
        low, high = sorted(f.frac for f in formats)  # value_frac counts from the finer one
        fine = output_format(outputs, spec.out_bits, spec.activation, low + high)
        return FixedLayer(spec, layer.node, layer.inputs, layer.output, formats, fine, weight_frac=low)

    def run(self, layer, values):
        out, lost = finish(values[0] * values[1], layer)
        return out, {"output": lost}

    def processes(self, built, ports):
        spec, vec = built.spec, built.in_vec
        beats = ceil_div(spec.n, vec)
        program = Program(
            beats, tuple(Port(f"in{i}", every_beat(beats)) for i in range(2)), (Port("out0", every_beat(beats)),)
        )
        cost = control().plus(
            multiplier(spec.data_bits, spec.data_bits, ports).times(vec),
            finish_cost(spec, 2 * spec.data_bits, vec, ports),
        )
        return (ProcessModel("times", "times", program, cost, products=spec.n),)

    def configuration(self, layer, built):
        return {
            "n": built.spec.n,
            "a_bits": built.spec.inputs[0].bits,
            "b_bits": built.spec.inputs[1].bits,
            "vec": built.in_vec,
            **finish_configuration(layer),
        }


@pytest.fixture(autouse=True)
def without_products_of_its_own(monkeypatch):
    """swm has a kind for the same nodes; here it has none."""
    monkeypatch.setattr(registry, "_KINDS", {k.name: k for k in registry.kinds() if k.name != "hadamard"})


@pytest.fixture
def times(tmp_path):
    folder = tmp_path / "times"
    folder.mkdir()
    (folder / "times.h").write_text(KERNEL)
    (folder / "times.j2").write_text(TEMPLATE)
    registry.register(Times(folder))
    try:
        yield registry.kind("times")
    finally:
        registry.unregister("times")


def network(path):
    """Two dense layers, one gating the other, and a third behind."""
    model = Model(12)
    left = model.linear("x", 12, 21, "left")
    gate = model.node("Sigmoid", model.linear("x", 12, 21, "right"))
    return model.save(path, model.linear(model.node("Mul", left, gate, name="both"), 21, 4, "last"), 4)


def test_without_the_kind_the_node_is_an_obstacle(tmp_path):
    with pytest.raises(UnsupportedModel, match="both"):
        lower(network(tmp_path / "m.onnx"))
    with pytest.raises(OptionError, match="times"):
        registry.kind("times")


@pytest.mark.parametrize("name", ["vitis", "generic"])
def test_a_new_kind_goes_the_whole_road(tmp_path, times, name):
    graph = network(tmp_path / "m.onnx")
    lowered = lower(graph)
    assert [layer.kind for layer in lowered.layers] == ["dense", "dense", "times", "dense"]
    x = smooth(200, 12)
    fixed = quantized(graph, x)
    left, right, product, _ = fixed.layers
    given = (fixed.input.quantize(x.astype(np.float64)),)
    values = tuple(registry.kind("dense").run(layer, given)[0] for layer in (left, right))
    words, _ = times.run(product, values)
    scale = 2.0**product.output_format.frac
    want = values[0] / 2.0**left.output_format.frac * values[1] / 2.0**right.output_format.frac
    kept = np.abs(words) < (1 << (product.spec.out_bits - 1)) - 1
    assert np.abs(words / scale - want)[kept].max() <= 0.5 / scale
    assert len(np.unique(words)) > 100
    schedule = make_schedule(fixed.shape, load_board("pynq-z2"), backend=backend(name))
    assert schedule.fits
    assert {"fork", "times"} <= {la.spec.kind for la in schedule.layers}
    project = emit_project(Design(fixed, schedule), tmp_path / "p", vectors=x[:20])
    assert (project / "include" / "swm" / "times.h").read_text() == KERNEL
    result = verify_project(project)
    assert result.ok, (result.first_mismatch, result.remarks)
    assert result.words == 20 * 4
    assert sum(key.endswith(".times") for key in result.iterations) == 1
    again = load_design(project / "verify")
    assert again.schedule == schedule
    assert np.array_equal(run_fixed(again.graph, x).words, run_fixed(fixed, x).words)
