# SPDX-License-Identifier: Apache-2.0
"""What the public functions say to something that is not a graph; what importing swm does."""

import os
import subprocess
import sys

import numpy as np
import pytest

import swm
from swm.errors import OptionError


@pytest.mark.parametrize(
    "call",
    [
        lambda g: swm.check(g),
        lambda g: swm.convert(g, block=8),
        lambda g: swm.convert(g, block=8, calibration=np.ones((2, 3), np.float32)),
        lambda g: swm.engines(g, np.ones((2, 3), np.float32)),
        lambda g: swm.quantize(g, bits=12, calibration=np.ones((2, 3), np.float32)),
        lambda g: swm.run(g, np.ones((2, 3), np.float32)),
        lambda g: swm.save(g, "saved.onnx"),
    ],
)
def test_a_path_where_a_graph_belongs(call):
    with pytest.raises(OptionError, match=r"read it first: swm\.load\('model\.onnx'\)"):
        call("model.onnx")
    with pytest.raises(OptionError, match="an object of type NoneType"):
        call(None)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads as Linux does")
def test_no_telemetry_leaves_the_machine():
    """onnxruntime's thread for it starts at import unless the environment forbids it."""
    script = "import os, swm; print(os.environ['ORT_DISABLE_TELEMETRY'], len(os.listdir('/proc/self/task')))"
    environment = {n: v for n, v in os.environ.items() if "TELEMETRY" not in n} | {"OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
