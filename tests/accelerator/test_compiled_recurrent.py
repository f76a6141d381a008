# SPDX-License-Identifier: Apache-2.0
"""The fast integer engine on recurrent layers and on layers that only move words, against each kind's own `run`."""

from dataclasses import replace

import numpy as np
import pytest
from networks import smooth
from recurrent_models import returning, sequence
from test_integers_compiled import needs_compiler

import swm
from swm.accelerator.compiled_moves import compiled_move
from swm.accelerator.compiled_recurrent import compiled_recurrent
from swm.accelerator.integers import run_integers, run_layer
from swm.accelerator.integers_compiled import run_integers_fast
from swm.accelerator.interleave import interleaved
from swm.host import before_hardware
from swm.layers.depth_to_space import DepthToSpaceSpec
from swm.layers.pad import Margins, PadSpec
from swm.layers.reorder import ReorderSpec
from swm.layers.reverse import ReverseSpec
from swm.layers.upsample import UpsampleSpec
from swm.layers.values import FixedLayer, Format, TensorShape

pytestmark = needs_compiler
STEPS, WIDTH = 5, 16
NETWORKS = [
    ("LSTM", 0, {"peepholes": True, "clip": 0.9}),
    ("LSTM", 8, {"direction": "bidirectional", "take": "state"}),
    ("LSTM", 4, {"batch": 1, "state": "constant", "activations": ["HardSigmoid", "Tanh", "Softplus"]}),
    ("GRU", 0, {"linear_before_reset": 0, "batch": 1, "state": "constant"}),
    ("GRU", 8, {"linear_before_reset": 0, "clip": 0.7}),
    ("GRU", 0, {"linear_before_reset": 1}),
    ("GRU", 2, {"linear_before_reset": 1, "batch": 1, "state": "constant"}),
    ("RNN", 0, {"activations": ["Relu", "Tanh"], "direction": "bidirectional"}),
    ("RNN", 16, {"take": "gather"}),
    ("LSTM", 8, {"state": "given", "peepholes": True}),
    ("GRU", 0, {"state": "given", "direction": "bidirectional"}),
]


@pytest.mark.parametrize(("op", "block", "options"), NETWORKS)
def test_recurrent_layers(op, block, options):
    """Inputs far beyond the calibration."""
    graph, x = sequence(op, n=WIDTH, hidden=32, **options), smooth(40, STEPS, WIDTH)
    if block:
        graph = swm.convert(graph, block=block).graph
    if options.get("state") == "given":
        x = {v.name: smooth(40, *v.type.shape[1:]) for v in graph.inputs}
    for bits in (4, 12, 16):
        fixed = swm.quantize(graph, bits=bits, calibration=x)
        made = [compiled_recurrent(layer) for layer in fixed.layers if layer.spec.kind == "recurrent"]
        assert all(one.proven(bits) for one in made)
        given = x if isinstance(x, np.ndarray) else before_hardware(fixed, x)[fixed.input_name]
        inputs = fixed.input.quantize(8 * given[:37].reshape(37, -1))
        words, counts = run_integers(fixed, inputs)
        fast, fast_counts = run_integers_fast(fixed, inputs, threads=2)
        np.testing.assert_array_equal(fast, words)
        assert fast_counts == counts


def test_cells_behind_the_outputs():
    """Of several sequences that take turns, inputs far beyond the calibration."""
    x = smooth(40, STEPS, 12)
    for outputs in ("yhc", "hc"):
        fixed = interleaved(swm.quantize(returning(*outputs), bits=9, calibration=x), 2)
        inputs = fixed.input.quantize(8 * x[:38].reshape(19, -1))
        words, counts = run_integers(fixed, inputs)
        fast, fast_counts = run_integers_fast(fixed, inputs, threads=2)
        np.testing.assert_array_equal(fast, words)
        assert fast_counts == counts


def test_projections_and_sequences_that_take_turns():
    """A projection, which no ONNX file has: the rows of an LSTM's own weights stand for it."""
    fixed = swm.quantize(sequence(n=WIDTH, hidden=16), bits=12, calibration=smooth(40, STEPS, WIDTH))
    layer = fixed.layers[0]
    rng = np.random.default_rng(0)
    for block in (1, 4):
        spec = replace(layer.spec, block=block, output=TensorShape(8, 12, STEPS), fft_shifts=0)
        columns = spec.in_blocks + spec.out_units
        points = layer.arrays["points"].copy()
        points[3] += 3  # a state with so few bits before its point saturates
        points[6:9] = 11, 11, 7  # middle, weight_b, shift_b
        arrays = {
            **layer.arrays,
            "weights": rng.integers(-2048, 2048, (spec.units * spec.gates, columns, block)),
            "second": rng.integers(-2048, 2048, (spec.out_units, spec.units, block)),
            "points": points,
        }
        one = replace(layer, spec=spec, arrays=arrays, acc_shift=0 if block == 1 else 9)
        x = rng.integers(-2048, 2048, size=(21 * STEPS, WIDTH))
        words, counts = run_layer(one, (x,))
        fast, fast_counts = compiled_recurrent(one).run((x,))
        np.testing.assert_array_equal(fast, words)
        assert fast_counts == counts
        assert counts["state"]
    turns = interleaved(fixed, 3)
    inputs = rng.integers(-2048, 2048, size=(7, turns.inputs))
    np.testing.assert_array_equal(run_integers_fast(turns, inputs)[0], run_integers(turns, inputs)[0])


@pytest.mark.parametrize(
    "spec",
    [
        ReverseSpec("l", (TensorShape(5, 8, 12),), TensorShape(5, 8, 12), sequences=3),
        ReorderSpec("l", (TensorShape(5, 8, 12),), TensorShape(12, 8, 5)),
        PadSpec("l", (TensorShape(5, 8, 12),), TensorShape(5, 8, 20), margins=Margins((3, 4), (-1, 2), (0, 4))),
        UpsampleSpec("l", (TensorShape(5, 8, 12),), TensorShape(5, 8, 72), rows_columns=(3, 4), factors=(2, 3)),
        DepthToSpaceSpec("l", (TensorShape(8, 8, 12),), TensorShape(2, 8, 48), rows_columns=(3, 4), side=2),
    ],
)
def test_layers_that_move_words(spec):
    form = Format(8, 7)
    arrays = {"fill": np.array([-77])} if isinstance(spec, PadSpec) else {}
    layer = FixedLayer(spec, "l", ("x",), "y", (form,), form, arrays)
    x = np.random.default_rng(0).integers(-128, 128, size=(3 * 12, spec.n))
    words, counts = run_layer(layer, (x,))
    fast, fast_counts = compiled_move(layer).run((x,))
    np.testing.assert_array_equal(fast, words)
    assert fast_counts == counts
