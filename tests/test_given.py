# SPDX-License-Identifier: Apache-2.0
"""What the public functions say to something that is no graph."""

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
