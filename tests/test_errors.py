# SPDX-License-Identifier: Apache-2.0
"""Errors pass from one process to another: a pool of workers gives its caller what went wrong, and does not break."""

import pickle

import pytest

from swm import errors
from swm.errors import DoesNotFit, Finding, SwmError, UnsupportedModel

OF_THEIR_OWN = {
    "UnsupportedModel": UnsupportedModel("two obstacles:", [Finding("n", "Erf", "no kernel", "leave it to the host")]),
    "DoesNotFit": DoesNotFit("pynq-z2", "DSP 300 of 220", block=8, bits=None, both=(8, 8), boards=["zcu104"]),
}
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SwmError)]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_pass_between_processes(kind):
    error = OF_THEIR_OWN.get(kind.__name__) or kind("file 'm.onnx': what to do")
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (kind, str(error), vars(error))
