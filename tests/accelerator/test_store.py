# SPDX-License-Identifier: Apache-2.0
"""A fixed-point graph as a file: the same bytes, the same words, and one kind of error for whatever is damaged."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import branches, quantized, residual, smooth, tokens

import swm
from swm.accelerator.integers import run_fixed
from swm.accelerator.store import load_fixed, save_fixed
from swm.errors import OutputError


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A network of every kind but the placed ones, and its file."""
    folder = tmp_path_factory.mktemp("store")
    x = smooth(60, 20)
    graph = swm.convert(branches(folder / "m.onnx"), block=4, calibration=x).graph
    fixed = quantized(graph, x)
    assert {"circulant", "concat"} <= {spec.kind for spec in fixed.specs}
    save_fixed(fixed, folder / "f.npz")
    return fixed, (folder / "f.npz").read_bytes()


@pytest.mark.parametrize(("build", "shape"), [(residual, (24,)), (tokens, (6, 12)), (branches, (20,))])
def test_round_trip(tmp_path, build, shape):
    fixed = quantized(build(tmp_path / "m.onnx"), smooth(60, *shape))
    for name in ("a.npz", "b.npz"):
        save_fixed(fixed, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = load_fixed(tmp_path / "a.npz")
    assert again.shape == fixed.shape
    assert again.formats() == fixed.formats()
    assert (again.name, again.bits, again.host, again.output_name) == ("net", 12, fixed.host, fixed.output_name)
    words = [run_fixed(g, smooth(70, *shape)).words for g in (fixed, again)]
    np.testing.assert_array_equal(*words)


def edited(data, change):
    """The file with other metadata or arrays."""
    with np.load(io.BytesIO(data)) as file:
        arrays = dict(file)
    meta = json.loads(arrays["meta"].tobytes())
    change(meta, arrays)
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def setter(*path, value):
    def change(meta, arrays):
        place = meta
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def drop_array(meta, arrays):
    del arrays["layer0_weights"]


def float_weights(meta, arrays):
    arrays["layer0_weights"] = arrays["layer0_weights"] * 1.0


def cut_weights(meta, arrays):
    arrays["layer0_weights"] = arrays["layer0_weights"][:-1]


def extra_field(meta, arrays):
    meta["layers"][0]["spec"]["surprise"] = 1


CHANGES = {
    "kind": setter("layers", 0, "layer", "kind", value="nothing"),
    "other kind": setter("layers", 0, "layer", "kind", value="add"),
    "no layers": setter("layers", value=[]),
    "unknown input": setter("layers", 1, "layer", "inputs", value=["nowhere"]),
    "format": setter("layers", 1, "layer", "input_formats", 0, "frac", value=33),
    "bits": setter("layers", 0, "layer", "output_format", "bits", value=70),
    "negative": setter("layers", 0, "spec", "block", value=-4),
    "huge block": setter("layers", 0, "spec", "block", value=1 << 40),
    "text": setter("layers", 0, "spec", "block", value="4"),
    "true": setter("layers", 0, "spec", "block", value=True),
    "activation": setter("layers", 0, "spec", "activation", value="nothing"),
    "large block": setter("layers", 0, "spec", "block", value=1 << 30),
    "huge shift": setter("layers", 0, "layer", "acc_shift", value=1 << 70),
    "large shift": setter("layers", 0, "layer", "acc_shift", value=1 << 30),
    "not a number": setter("layers", 0, "layer", "acc_shift", value=float("nan")),
    "output": setter("graph", "output_tensor", value="nowhere"),
    "positions": setter("layers", 0, "spec", "output", "positions", value=0),
    "meta": setter("graph", value=7),
    "drop": drop_array,
    "float": float_weights,
    "cut": cut_weights,
    "extra": extra_field,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_hostile_contents_end_in_one_error(tmp_path, stored, change):
    (tmp_path / "f.npz").write_bytes(edited(stored[1], change))
    with pytest.raises(OutputError, match="damaged"):
        load_fixed(tmp_path / "f.npz")


def test_another_version_is_named(tmp_path, stored):
    (tmp_path / "f.npz").write_bytes(edited(stored[1], setter("version", value=1)))
    with pytest.raises(OutputError, match="another version"):
        load_fixed(tmp_path / "f.npz")


def test_missing_and_foreign_files(tmp_path):
    (tmp_path / "zip.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "text.npz").write_text("no archive")
    with zipfile.ZipFile(tmp_path / "pickle.npz", "w") as archive:
        archive.writestr("meta.npy", np.lib.format.magic(1, 0) + b"\x10\x00{'descr': '|O', ")
    for name in ("missing.npz", "zip.npz", "text.npz", "pickle.npz"):
        with pytest.raises(OutputError, match="damaged or missing"):
            load_fixed(tmp_path / name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_and_cut_bytes_end_in_one_error_or_in_a_graph_that_runs(tmp_path, stored, data):
    damaged = bytearray(stored[1])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
    (tmp_path / "f.npz").write_bytes(damaged)
    try:
        graph = load_fixed(tmp_path / "f.npz")
    except OutputError:
        return
    run_fixed(graph, np.zeros((2, graph.inputs), np.float32))
