# SPDX-License-Identifier: Apache-2.0
"""Numbers from .csv wherever .npy is taken, and what is said of files that hold none."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import helper
from support import inputs, mlp, write_mlp

import swm
from swm.cli import csv_files
from swm.cli.common import load_arrays, load_labels
from swm.cli.convert import convert
from swm.cli.csv_files import read_csv
from swm.cli.emit import emit
from swm.cli.report import report
from swm.errors import CalibrationError
from swm.onnx_io import from_proto


@pytest.fixture
def file(tmp_path):
    def write(text, name="x.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    "text",
    [
        "1.5,2,3\n4,5,6\n",
        "a,b,c\n1.5,2,3\n4,5,6",
        "0,1,2\n1.5,2,3\n4,5,6",  # as pandas numbers columns
        "\ufeff1.5,2,3\r\n4,5,6\r\n",
        "# numpy writes such lines\n1.5 2 3\n\n4 5 6\n",
        "1.5;2;3\n4;5;6",
        "a\tb\tc\n1.5\t2\t3\n4\t5\t6",
        '"a","b","c"\n"1.5","2","3"\n"4","5","6"\n',
        " 1.5 , 2e0, 3\n4,5,6 # note\n",
    ],
)
def test_numbers_are_read(file, text):
    table = read_csv(file(text))
    assert table.dtype == np.float64
    np.testing.assert_array_equal(table, [[1.5, 2, 3], [4, 5, 6]])


def test_whole_numbers_are_integers(file):
    assert read_csv(file("label\n3\n1\n")).dtype == np.int64
    assert read_csv(file("3.0\n1\n")).tolist() == [[3], [1]]
    assert read_csv(file("1e300,nan\n")).dtype == np.float64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no numbers"),
        ("a,b\n\n", "a header and no numbers"),
        ("a,b\n1,2\n\n3,4,5\n", "line 4: 3 cells, where line 2 has 2"),
        ("1,2\n3\n", "line 2: 1 cells, where line 1 has 2"),
        ("1,2\n3,x\n", "line 2: cell 2 is no number: 'x'"),
        ("1,2\n3,\n", "line 2: cell 2 is empty"),
        ("1;2\n3;4,5\n", "line 2: cell 2 is no number: '4,5'; write decimal points"),
        ("id,1\n2,3\n", "line 1: cell 1 is no number: 'id'; a header is a first line without any number"),
        ("1,2\n1_0,3\n", "line 2: cell 1 is no number: '1_0'"),
        ("1,2\n" + "9" * 200_000 + "x,3\n", "line 2: cell 1 is no number: '999"),
        (b"\xff\xfe1,2\n", "not a text file in UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(file, text, message):
    with pytest.raises(CalibrationError) as caught:
        read_csv(file(text))
    assert message in str(caught.value) and "x.csv" in str(caught.value) and len(str(caught.value)) < 400


def test_limits_and_missing_files(file, tmp_path, monkeypatch):
    with pytest.raises(CalibrationError, match="there is no file"):
        read_csv(str(tmp_path / "no.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(CalibrationError, match="cannot read"):
        read_csv(str(tmp_path / "folder.csv"))
    monkeypatch.setattr(csv_files, "MOST_BYTES", 3)
    with pytest.raises(CalibrationError, match=r"numpy\.save"):
        read_csv(file("1,2\n3,4\n"))


def test_labels(file, tmp_path):
    for text in ("label\n3\n1\n2\n", "3,1,2\n", "3\n1\n2"):
        assert load_labels(file(text)).tolist() == [3, 1, 2]
    for text, advice in (("0,1\n1,0\n0,1\n", "y.argmax(axis=1)"), ("1.5\n2\n", "y.astype")):
        with pytest.raises(CalibrationError, match="one vector of integer class numbers") as caught:
            load_labels(file(text))
        assert advice in str(caught.value)
    np.save(tmp_path / "y.npy", np.zeros((3, 1), np.int64))
    with pytest.raises(CalibrationError, match=r"write y\.reshape"):
        load_labels(str(tmp_path / "y.npy"))
    np.savez(tmp_path / "y.npz", y=np.zeros(3, np.int64))
    with pytest.raises(CalibrationError, match="by name"):
        load_labels(str(tmp_path / "y.npz"))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"1,2,3\n", b"\x93NUMPY\x01\x00"])
def test_damaged_arrays_end_in_one_message(file, name, content):
    with pytest.raises(CalibrationError, match=r"not a numpy \.npy or \.npz file of numbers: it ") as caught:
        load_arrays(file(content, name))
    assert "unsafe" not in str(caught.value)


def test_python_objects_and_folders_are_no_arrays(tmp_path):
    np.save(tmp_path / "o.npy", np.array([{}, None], object), allow_pickle=True)
    with pytest.raises(CalibrationError, match="holds Python objects") as caught:
        load_arrays(str(tmp_path / "o.npy"))
    assert "pickle" not in str(caught.value)
    with pytest.raises(CalibrationError, match="Is a directory"):
        load_arrays(str(tmp_path))


def test_a_row_takes_the_shape_of_the_input(file):
    proto = mlp((12, 5))
    proto.graph.node.insert(0, helper.make_node("Flatten", ["image"], ["x"], name="flat"))
    del proto.graph.input[:]
    proto.graph.input.append(helper.make_tensor_value_info("image", 1, ["n", 3, 2, 2]))
    graph = from_proto(proto)
    rows = np.arange(24.0).reshape(2, 12)
    path = file("\n".join(",".join(map(str, row)) for row in rows))
    np.testing.assert_array_equal(load_arrays(path, graph), rows.reshape(2, 3, 2, 2))
    assert load_arrays(path).shape == (2, 12)
    short = load_arrays(file("1,2\n3,4\n"), graph)
    with pytest.raises(CalibrationError, match="must have shape"):
        swm.run(graph, short)


def test_every_command_takes_it_as_it_takes_npy(tmp_path):
    model, x = write_mlp(tmp_path / "m.onnx"), inputs(60)
    y = swm.run(swm.load(model), x).argmax(axis=1)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savetxt(
        tmp_path / "x.csv", x, fmt="%.9g", delimiter=",", header=",".join(f"f{i}" for i in range(20)), comments=""
    )
    np.savetxt(tmp_path / "y.csv", y, fmt="%d", header="label", comments="")
    np.save(tmp_path / "unseen.npy", x[::-1] + 1)
    np.savetxt(tmp_path / "unseen.csv", x[::-1] + 1, fmt="%.9g", delimiter=",")

    def run(command, *arguments):
        done = CliRunner().invoke(command, [str(a) for a in arguments])
        assert done.exit_code == 0, done.output
        return done

    written = {}
    for kind in ("npy", "csv"):
        data, labels = tmp_path / f"x.{kind}", tmp_path / f"y.{kind}"
        out = tmp_path / f"{kind}.onnx"
        run(convert, model, "-o", out, "--block", 4, "--calibration", data, "--labels", labels,
            "--test", data, "--test-labels", labels, "--json", tmp_path / f"{kind}.json")  # fmt: skip
        board = ("--board", "pynq-z2", "--calibration", data, "--labels", labels)
        run(emit, model, "-o", tmp_path / kind, *board, "--vectors", data, "--backend", "generic")
        unseen = tmp_path / f"unseen.{kind}"
        done = run(report, model, *board, "--inputs", unseen, "--backend", "generic", "--json")
        vectors = (tmp_path / kind / "verify" / "vectors.npz").read_bytes()
        found = json.loads((tmp_path / f"{kind}.json").read_text())
        made = {**json.loads(done.stdout), "created": ""}
        written[kind] = (out.read_bytes(), vectors, made, found["accuracy"])
    assert written["csv"] == written["npy"]


def test_a_wrong_name_for_json_ends_before_any_work(tmp_path):
    model = write_mlp(tmp_path / "m.onnx")
    done = CliRunner().invoke(convert, [model, "-o", str(tmp_path / "o.onnx"), "--block", "4", "--json", "o.onnx"])
    assert "--json writes to files that end in .json" in str(done.exception)
    assert not (tmp_path / "o.onnx").exists()
