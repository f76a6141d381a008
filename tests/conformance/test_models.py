# SPDX-License-Identifier: Apache-2.0
"""Real models: what onnxruntime runs gives the same numbers here, anything else runs or ends in one clear error."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.models_table import Row, measure, table

SHARED = Path(os.environ.get("SWM_SHARED") or Path(__file__).resolve().parents[3] / "shared")
MODELS = SHARED / "models" / "models.json"
ENTRIES = json.loads(MODELS.read_text(encoding="utf-8")) if MODELS.is_file() else []
# Made of QONNX's quantisers and standard operators alone, so that they must run.
QONNX = ("TFC_2W2A", "qkeras_jettagging", "finn_kws_w3a3")


@pytest.mark.parametrize("entry", ENTRIES, ids=[e["path"] for e in ENTRIES])
def test_model(entry, shared):
    row = measure(shared / "models" / entry["path"], entry["path"])
    if entry["runs"]:
        assert row.result == "same numbers"
    elif any(name in entry["path"] for name in QONNX):
        assert row.result.startswith("runs here only")
    else:
        assert row.ok, row.result
    assert row.load_seconds <= 3


def test_table_counts_every_verdict():
    rows = [Row("a|b", 3, 1, 0, 0.5, "same numbers"), Row("c", 0, 0, 0, 1.0, "differs: a|b")]
    text = table(rows)
    assert text.count("\n|") == 3
    assert "| a/b |" in text
    assert "differs: a/b" in text
    assert "2 models: 1 give the same numbers as onnxruntime, 0 run here only, 0 are refused, 1 differ." in text
    assert "3 typed and 1 opaque nodes; slowest load 1.00 s." in text
