# SPDX-License-Identifier: Apache-2.0
"""A small campaign in every test run, and that the supervisor sees what it is there to see."""

import json
import sys

import pytest

from tests.fuzzing import campaign, seeds

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from Linux's /proc")


@linux
def test_a_small_campaign_finds_nothing(tmp_path):
    totals = campaign.run(sorted(seeds.built().items()), 400, seed=7, jobs=2, keep=tmp_path)
    assert totals.models == 400
    assert not totals.violations, json.dumps(totals.violations, indent=1)
    assert totals.outcomes["ok"] > 10  # damage that always fails at once would try nothing behind the parser


@linux
def test_what_a_worker_does_wrong_is_seen_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "_PATIENCE", 1.0)
    programs = {
        "crash": "import os, sys; sys.stdin.readline(); os.abort()",
        "hang": "import time; time.sleep(60)",
        "exception": 'import sys; sys.stdin.readline(); print(\'{"exception": "KeyError: 1"}\')',
    }
    for what, program in programs.items():
        monkeypatch.setattr(campaign, "COMMAND", ("-c", program))
        totals = campaign.run(sorted(seeds.built().items()), 1, seed=0, jobs=1, keep=tmp_path / what)
        assert totals.outcomes == {f"violation: {what}": 1}
        assert len(list((tmp_path / what).glob("*.onnx"))) == 1


def test_seeds_are_legal():
    """Every seed loads and saves; onnxruntime's opinion is the conformance tests' business."""
    from onnx import ModelProto

    from swm.onnx_io import from_proto, to_proto

    for name, data in seeds.built().items():
        to_proto(from_proto(ModelProto.FromString(data), name))
