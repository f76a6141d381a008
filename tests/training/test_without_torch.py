# SPDX-License-Identifier: Apache-2.0
"""Where torch is missing, one error says what to install."""

import sys

import pytest

from swm.errors import ToolError


def test_missing_torch_is_one_error(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "torch" or n.startswith("swm.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolError, match=r"pip install 'swm-fpga\[torch\]'"):
        __import__("swm.torch")
