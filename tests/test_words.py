# SPDX-License-Identifier: Apache-2.0
"""Counts in words, as the commands print them."""

import pytest
from click.testing import CliRunner
from support import write_mlp

from swm.cli.check import check
from swm.words import many


@pytest.mark.parametrize(("count", "words"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (1200, "1,200 epochs")])
def test_one_is_no_plural(count, words):
    assert many(count, "epoch") == words


def test_a_command_counts_its_obstacles(tmp_path):
    path = write_mlp(tmp_path / "m.onnx", activation="Erf", widths=(4, 4, 4))
    assert "2 obstacles. " in " ".join(CliRunner().invoke(check, [str(path)]).output.split())
