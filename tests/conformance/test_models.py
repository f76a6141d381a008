# SPDX-License-Identifier: Apache-2.0
"""Real models: what onnxruntime runs gives the same numbers here, anything else runs or ends in one clear error."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.models_table import REMARKS, Hardware, Row, hardware, hardware_table, measure, page, table

SHARED = Path(os.environ.get("SWM_SHARED") or Path(__file__).resolve().parents[3] / "shared")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
MODELS = SHARED / "models" / "models.json"
ENTRIES = json.loads(MODELS.read_text(encoding="utf-8")) if MODELS.is_file() else []
# Made of QONNX's quantizers and standard operators alone, so that they must run.
QONNX = ("branched_model_ch_last", "TFC_2W2A", "qkeras_jettagging", "finn_kws_w3a3")


@pytest.mark.parametrize("entry", ENTRIES, ids=[e["path"] for e in ENTRIES])
def test_model(entry, shared):
    row = measure(shared / "models" / entry["path"], entry["path"])
    if entry["runs"]:
        assert row.result == row.saved == "same numbers"
    elif any(name in entry["path"] for name in QONNX):
        assert row.result.startswith("runs here only")
        assert row.saved == "same as swm.run"
    else:
        assert row.ok, row.result
        assert any(name in entry["path"] for name in REMARKS), "say in words why it is refused"
    assert row.converted.startswith("same numbers") or not row.converted


def test_table_counts_every_verdict():
    rows = [
        Row("a|b", 3, 1, 2, 4, 8, 0.5, "same numbers", "same numbers", "same numbers"),
        Row("c", 0, 0, 0, 1, 0, 1.0, "differs: a|b"),
        Row("d", 1, 0, 0, 1, 0, 0.1, "same numbers", "differs: 3"),
    ]
    text = table(rows)
    assert text.count("\n|") == 5
    assert "| a/b | 3 | 1 | 2 of 4 at block 8 |" in text
    assert "differs: a/b" in text
    assert "3 models: 2 give the same numbers as onnxruntime, 0 run here only, 0 are refused, 1 differ." in text
    assert "same numbers for 1 of 2; of the 1 models" in text
    assert "4 typed and 1 opaque nodes; 2 of 6 weights become block-circulant; slowest load and check 1.00 s." in text
    assert [r.ok for r in rows] == [True, False, False]


def test_page_shortens_messages_in_the_table_and_says_why_below_it():
    message = "refused: <" + "x" * 200
    text = page([Row("burn_opset_13", 1, 0, 0, 0, 0, 0.1, message)], "a machine")
    head, below = text.split("## ")
    assert "x ..." in head
    assert "&lt;" + "x" * 200 in below
    assert "fmod" in below


@pytest.mark.parametrize(
    ("name", "verdict", "what"),
    [
        ("mlp/vnn_acasxu_1_1", "all", ""),
        ("mlp/onnx-mlir_mnist", "with host parts", "after: Softmax"),
        ("cnn/emclab_KWS-DNN_S", "with host parts", "after: Softmax"),
        ("mlp/ezkl_large_mlp", "none", "Tile"),  # it makes ten frames of a sample
        ("rnn_unit/burn_gru", "with host parts", "swm frame --batch-axis 1"),
        ("speech/dtln_model_1", "with host parts", "before: 4 Slice"),
        ("opset_compliance/burn_opset_07", "refused", "consumed_inputs"),
    ],
)
def test_what_becomes_hardware(shared, name, verdict, what):
    found = hardware(shared / "models" / f"{name}.onnx", f"{name}.onnx")
    assert found.verdict == verdict
    assert what in found.what
    if verdict != "refused":
        line = f"| {name}.onnx | {verdict} | {100 * found.share:.1f} % | {found.what} |"
        assert line in PAGE.read_text(encoding="utf-8"), "run: python benchmarks/models_table.py"


def test_hardware_table_counts_every_verdict():
    rows = [
        Row("a|b", 3, 1, 2, 4, 8, 0.5, "same numbers", hardware=Hardware("with host parts", 1.0, "after: Softmax")),
        Row("c", 3, 1, 2, 4, 8, 0.5, "same numbers", hardware=Hardware("none", 0.125, "3 Conv")),
        Row("d", 0, 0, 0, 0, 0, 0.5, "refused: x", hardware=Hardware("refused", 0.0, "x")),
    ]
    text = hardware_table(rows)
    assert "3 models: 0 become hardware as a whole, 1 with host parts, 1 do not yet, 1 cannot be read." in text
    assert "| a/b | with host parts | 100.0 % | after: Softmax |" in text
    assert "| c | none | 12.5 % | 3 Conv |" in text
    assert text in page(rows, "a machine")
