# SPDX-License-Identifier: Apache-2.0
"""Every handler carries exactly the attributes and defaults of the ONNX schema, at every opset."""

import inspect

import numpy as np
import onnx
import pytest
from onnx import helper

from swm.frontend import Operator, operators
from swm.frontend._registry import _REGISTRY, find

OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)
# Attributes that a handler may know beyond a schema: (operator, opset, attribute). None today.
TOLERATED: set[tuple[str, int, str]] = set()


@pytest.mark.parametrize("key", sorted(_REGISTRY), ids=lambda key: key[1])
def test_signature_is_the_schema(key):
    domain, op = key
    for opset in OPSETS:
        handler = find(domain, op, opset)
        assert handler is not None, f"{op} at opset {opset}"
        schema = onnx.defs.get_schema(op, opset, domain)
        known = {n for n in handler.parameters if (op, opset, n) not in TOLERATED}
        assert known == set(schema.attributes), f"{op} at opset {opset}"
        for name, attribute in schema.attributes.items():
            default = handler.parameters[name].default
            if attribute.default_value.name:
                wanted = helper.get_attribute_value(attribute.default_value)
                assert (np.float32(default) if isinstance(wanted, float) else default) == wanted, (
                    f"{op}.{name} at {opset}"
                )
            elif attribute.required:
                assert default is inspect.Parameter.empty, f"{op}.{name} at {opset}"
            else:
                assert default is None, f"{op}.{name} at {opset}"


def test_operator_table_covers_each_opset_once():
    rows = operators()
    assert rows == tuple(sorted(rows, key=lambda r: (r.domain, r.op, r.first)))
    for op in {r.op for r in rows}:
        covered = [o for r in rows if r.op == op for o in range(r.first, r.last + 1)]
        assert covered == list(OPSETS)
    assert Operator("", "Gemm", 7, OPSETS[-1], "Linear") in rows
