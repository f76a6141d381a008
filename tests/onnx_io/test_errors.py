# SPDX-License-Identifier: Apache-2.0
"""Bad files: each a clear ModelError that names the file or node; names of any text are only data."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from swm.errors import ModelError, OutputError
from swm.graph import Linear, Opaque
from swm.onnx_io import from_proto, load, save, to_proto

from .support import NEWEST_RUN, check, make_model, random_feeds, run, session

node = helper.make_node
W = np.ones((4, 3), np.float32)


def mlp(**options):
    return make_model([node("MatMul", ["x", "W"], ["y"], name="fc")], {"x": (2, 4)}, {"y": None}, {"W": W}, **options)


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.SerializeToString())
    return path


def refuse(path, *words):
    with pytest.raises(ModelError) as caught:
        load(path)
    for word in (repr(str(path)), *words):
        assert word in str(caught.value)


def test_missing_file_directory_empty_and_pipe(tmp_path):
    refuse(tmp_path / "none.onnx", "no file")
    refuse(tmp_path, "directory")
    refuse(write(tmp_path / "empty.onnx", b""), "empty")
    os.mkfifo(tmp_path / "pipe")
    refuse(tmp_path / "pipe", "regular file")
    refuse(write(tmp_path / "lfs.onnx", b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull")


def test_null_byte_in_the_path():
    with pytest.raises(ModelError, match="no file"):
        load("a\0b.onnx")


def test_every_truncation(tmp_path):
    data = mlp().SerializeToString()
    path = tmp_path / "cut.onnx"
    for length in range(1, len(data)):
        path.write_bytes(data[:length])
        try:
            load(path)
        except ModelError as exc:
            assert repr(str(path)) in str(exc)


def test_other_files(tmp_path):
    refuse(write(tmp_path / "image.onnx", b"\x89PNG\r\n\x1a\n" + bytes(100)), "ONNX")
    refuse(write(tmp_path / "no_graph.onnx", onnx.ModelProto(ir_version=8)), "no ONNX graph")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite(bad):
    weights = {"W": np.full((4, 3), bad, np.float32)}
    model = make_model([node("MatMul", ["x", "W"], ["y"], name="fc")], {"x": (2, 4)}, {"y": None}, weights)
    with pytest.raises(ModelError, match=r"'fc'.*'W' holds 12 NaN or infinite"):
        from_proto(model)
    kernel = {"K": np.full((1, 1, 1, 1), bad, np.float32)}
    with pytest.raises(ModelError, match="'K'"):
        from_proto(make_model([node("Conv", ["x", "K"], ["y"])], {"x": (1, 1, 2, 2)}, {"y": None}, kernel))


def test_missing_initialiser():
    with pytest.raises(ModelError, match="'W'"):
        from_proto(make_model([node("MatMul", ["x", "W"], ["y"])], {"x": (2, 4)}, {"y": None}))


@pytest.mark.parametrize("op, inputs", [("Gemm", (2, 5)), ("MatMul", (2, 5)), ("Gemm", (2, 4, 1))])
def test_shapes_that_contradict(op, inputs):
    with pytest.raises(ModelError, match="'fc'"):
        from_proto(make_model([node(op, ["x", "W"], ["y"], name="fc")], {"x": inputs}, {"y": None}, {"W": W}))


@pytest.mark.parametrize("dims", [[1 << 40, 1 << 20], [4, 4], [-4, -3], [4, 3, 0]])
def test_declared_sizes_that_the_data_lacks(dims):
    model = mlp()
    model.graph.initializer[0].dims[:] = dims
    with pytest.raises(ModelError, match="'W'"):
        from_proto(model)


def test_huge_sparse_initialiser():
    model = mlp()
    del model.graph.initializer[:]
    values = helper.make_tensor("W", TensorProto.FLOAT, [1], [1.0])
    index = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, index, [1 << 40, 3]))
    with pytest.raises(ModelError, match="'W'"):
        from_proto(model)


def test_names_defined_twice():
    twice = make_model([node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])], {"x": (2,)}, {"y": None})
    with pytest.raises(ModelError, match="'y' is written by Tanh"):
        from_proto(twice)
    model = mlp()
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(ModelError, match="2 initialisers are named 'W'"):
        from_proto(model)


def test_names_that_are_not_utf8():
    data = mlp().SerializeToString().replace(b"\x02fc", b"\x02\xff\xfe")
    with pytest.raises(ModelError, match="not UTF-8"):
        from_proto(onnx.ModelProto.FromString(data))


def test_cycle():
    model = make_model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])], {"x": (2,)}, {"b": None})
    with pytest.raises(ModelError, match="cycle"):
        from_proto(model)


def test_opsets():
    with pytest.raises(ModelError, match="upgrade the onnx package"):
        from_proto(mlp(opset=1000, ir_version=8))
    with pytest.raises(ModelError, match="no such opset"):
        from_proto(mlp(opset=0, ir_version=8))
    none = mlp()
    del none.opset_import[:]
    with pytest.raises(ModelError, match="no version"):
        from_proto(none)


def test_a_file_that_imports_other_domains_only_gets_the_newest_opset_that_onnxruntime_runs():
    model = make_model([node("ReduceSum", ["x", "axes"], ["y"])], {"x": (2, 3)}, {"y": None}, {"axes": np.array([1])})
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    graph = from_proto(model)
    assert graph.opset == NEWEST_RUN
    check(model)


def test_opset_6_is_converted():
    old = make_model([node("Relu", ["x"], ["y"])], {"x": (2, 3)}, {"y": (2, 3)}, opset=6, ir_version=3)
    graph = from_proto(old)
    assert graph.opset == 7
    np.testing.assert_array_equal(run(to_proto(graph), {"x": -np.ones((2, 3), np.float32)})[0], 0)


def test_opset_that_cannot_be_converted():
    old = make_model(
        [node("Upsample", ["x"], ["y"], width_scale=2.0, height_scale=2.0)],
        {"x": (1, 1, 2, 2)},
        {"y": None},
        opset=1,
        ir_version=3,
    )
    with pytest.raises(ModelError, match="cannot be converted"):
        from_proto(old)


# External data ---------------------------------------------------------------------------------------------------


def external(location, **entries):
    model = mlp()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return model


def test_external_data_is_read(tmp_path):
    write(tmp_path / "w.bin", b"12345678" + W.tobytes())
    path = write(tmp_path / "m.onnx", external("w.bin", offset=8, length=48))
    graph = load(path)
    np.testing.assert_array_equal(graph.linear()[0].weight.to_dense(), W.T)
    save(graph, tmp_path / "inline.onnx")
    assert load(tmp_path / "inline.onnx").linear()


def test_external_data_as_onnx_writes_it(tmp_path):
    rng = np.random.default_rng(0)
    weights = {
        "W": rng.standard_normal((4, 300)).astype(np.float32),
        "V": rng.standard_normal((300, 2)).astype(np.float32),
    }
    nodes = [node("MatMul", ["x", "W"], ["h"]), node("MatMul", ["h", "V"], ["y"])]
    model = make_model(nodes, {"x": (2, 4)}, {"y": None}, weights)
    feeds = random_feeds(session(model))
    wanted = run(model, feeds)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    np.testing.assert_allclose(run(to_proto(load(tmp_path / "m.onnx")), feeds)[0], wanted[0], rtol=1e-6)


@pytest.mark.parametrize(
    "location, entries, word",
    [
        ("absent.bin", {}, "no such file"),
        ("../w.bin", {}, "inside the model's folder"),
        ("a/../../w.bin", {}, "inside the model's folder"),
        ("/etc/passwd", {}, "inside the model's folder"),
        ("C:\\w.bin", {}, "inside the model's folder"),
        ("..\\w.bin", {}, "inside the model's folder"),
        ("", {}, "inside the model's folder"),
        ("a\0b", {}, "cannot be used"),
        ("x" * 5000, {}, "cannot be used"),
        ("link.bin", {}, "symbolic link"),
        ("loop.bin", {}, ""),
        (".", {}, "no such file"),
        ("w.bin", {"offset": 8}, "48 bytes"),
        ("w.bin", {"length": 40}, "40"),
        ("w.bin", {"offset": "-8"}, "byte count"),
        ("w.bin", {"offset": "9" * 30}, "byte count"),
    ],
)
def test_external_data_outside_missing_or_short(tmp_path, location, entries, word):
    folder = tmp_path / "model"
    folder.mkdir()
    write(tmp_path / "w.bin", W.tobytes())
    write(folder / "w.bin", W.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    (folder / "loop.bin").symlink_to(folder / "loop.bin")
    refuse(write(folder / "m.onnx", external(location, **entries)), "'W'", word)


def test_external_data_of_a_model_without_a_file():
    with pytest.raises(ModelError, match="load it from its path"):
        from_proto(external("w.bin"))


# Names and order -------------------------------------------------------------------------------------------------


def test_names_are_data(tmp_path):
    name = "a'b\"c\n../../$(touch pwned)`x`\\"
    nodes = [
        node("MatMul", [name, name + "W"], [name + "y"], name=name),
        node("Softplus", [name + "y"], ["z"], name=name + "2"),
    ]
    model = make_model(nodes, {name: (2, 4)}, {"z": None}, {name + "W": W})
    saved = check(model)
    assert saved.graph.node[0].name == name
    save(from_proto(model), tmp_path / "m.onnx")
    assert sorted(os.listdir(tmp_path)) == ["m.onnx"]
    bad = make_model(nodes, {name: (2, 5)}, {"z": None}, {name + "W": W})
    with pytest.raises(ModelError) as caught:
        from_proto(bad)
    assert "\n" not in str(caught.value)


def test_nodes_out_of_order_and_without_names():
    nodes = [node("Tanh", ["b"], ["y"]), node("Relu", ["a"], ["b"], name="n"), node("Exp", ["x"], ["a"], name="n")]
    graph = from_proto(make_model(nodes, {"x": (2,)}, {"y": None}))
    assert [n.outputs for n in graph.nodes] == [("a",), ("b",), ("y",)]
    assert len({n.name for n in graph.nodes}) == 3


def test_initialisers_listed_as_inputs_are_constants():
    model = mlp(opset=7, ir_version=3)
    model.graph.input.append(helper.make_tensor_value_info("W", TensorProto.FLOAT, (4, 3)))
    graph = from_proto(model)
    assert [v.name for v in graph.inputs] == ["x"]
    assert isinstance(graph.nodes[0], Linear)


def test_subgraphs_capture_outer_tensors():
    def branch(op):
        out = [helper.make_tensor_value_info("o" + op, TensorProto.FLOAT, None)]
        return helper.make_graph([node(op, ["hidden", "k"], ["o" + op])], op, [], out)

    nodes = [
        node("Relu", ["x"], ["r"]),
        node("Identity", ["r"], ["hidden"]),
        node("Constant", [], ["k"], value_floats=[1.0, 2.0, 3.0]),
        node("If", ["c"], ["y"], then_branch=branch("Add"), else_branch=branch("Mul")),
    ]
    model = make_model(nodes, {"x": (2, 3)}, {"y": None})
    model.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, ()))
    graph = from_proto(model)
    choice = graph.nodes[-1]
    assert isinstance(choice, Opaque)
    assert set(choice.reads) == {"hidden", "k"}
    for value in (True, False):
        check(model, {"x": np.ones((2, 3), np.float32), "c": np.array(value)})


def test_inputs_that_are_no_tensors_are_carried():
    kind = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    model = make_model([node("SequenceAt", ["s", "i"], ["y"])], {}, {"y": None}, {"i": np.array(1)})
    model.graph.input.append(kind)
    graph = from_proto(model)
    assert graph.inputs[0].type is None
    assert graph.inputs[0].proto
    feeds = {"s": [np.zeros(2, np.float32), np.ones(3, np.float32)]}
    np.testing.assert_array_equal(run(to_proto(graph), feeds)[0], np.ones(3))


def test_the_callers_model_stays_as_it_is():
    model = make_model([node("Relu", ["x"], ["y"])], {"x": (2,)}, {"y": None})
    before = model.SerializeToString(deterministic=True)
    from_proto(model)
    assert model.SerializeToString(deterministic=True) == before


def test_initialiser_in_strings_of_any_bytes():
    text = TensorProto(name="s", data_type=TensorProto.STRING, dims=[1], string_data=[b"\xff\xfe"])
    model = make_model([node("Identity", ["s"], ["y"])], {}, {"y": None}, kind=TensorProto.STRING)
    model.graph.initializer.append(text)
    assert b"\xff\xfe" in to_proto(from_proto(model)).SerializeToString()


# Saving ----------------------------------------------------------------------------------------------------------


def test_save_refuses_missing_folders_directories_and_strange_paths(tmp_path):
    graph = from_proto(mlp())
    with pytest.raises(OutputError, match="no directory"):
        save(graph, tmp_path / "none" / "m.onnx")
    with pytest.raises(OutputError, match="is a directory"):
        save(graph, tmp_path)
    with pytest.raises(OutputError, match="null byte"):
        save(graph, f"{tmp_path}/a\0b")
    with pytest.raises(OutputError):
        save(graph, tmp_path / ("x" * 300))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        save(graph, tmp_path / "file" / "m.onnx")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = write(tmp_path / "m.onnx", b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match="No space left"):
        save(from_proto(mlp()), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["m.onnx"]


def test_save_replaces_and_keeps_usual_permissions(tmp_path):
    path = write(tmp_path / "m.onnx", b"old")
    save(from_proto(mlp()), path)
    assert load(path).linear()
    (tmp_path / "usual").touch()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_metadata_travels(tmp_path):
    model = mlp()
    model.metadata_props.add(key="swm.format", value="{}")
    save(from_proto(model), tmp_path / "m.onnx")
    assert load(tmp_path / "m.onnx").metadata == {"swm.format": "{}"}
