# SPDX-License-Identifier: Apache-2.0
"""Every handler carries exactly the attributes and defaults of the ONNX schema, at every opset."""

import inspect

import numpy as np
import onnx
import pytest
from onnx import helper

from swm.onnx_io import Operator, operators
from swm.onnx_io.proto import MICROSOFT
from swm.onnx_io.read.registry import _REGISTRY, find

OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)
# Attributes that a handler may know beyond a schema: (operator, opset, attribute). None today.
TOLERATED: set[tuple[str, int, str]] = set()


STANDARD = [(domain, op) for domain, op in sorted(_REGISTRY) if onnx.defs.has(op, domain)]  # QONNX has no schemas


def known(op, domain):
    """The opsets at which an operator exists."""
    return [opset for opset in OPSETS if onnx.defs.has(op, opset, domain)]


@pytest.mark.parametrize("key", STANDARD, ids=lambda key: key[1])
def test_signature_is_the_schema(key):
    domain, op = key
    for opset in known(op, domain):
        handler = find(domain, op, opset)
        assert handler is not None, f"{op} at opset {opset}"
        schema = onnx.defs.get_schema(op, opset, domain)
        attributes = {n for n in handler.parameters if (op, opset, n) not in TOLERATED}
        assert attributes == set(schema.attributes), f"{op} at opset {opset}"
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
    for domain, op in STANDARD:
        covered = [o for r in rows if (r.domain, r.op) == (domain, op) for o in range(r.first, r.last + 1)]
        assert covered == ([1] if domain else known(op, domain)), op  # other domains have versions of their own
    assert Operator("", "Gemm", 7, OPSETS[-1], "Linear, MatMul") in rows


def test_attributes_of_onnxruntimes_operators_are_known():
    """Older releases of onnxruntime know fewer."""
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

    schemas = [s for s in get_all_operator_schema() if s.domain == MICROSOFT and (s.domain, s.name) in _REGISTRY]
    assert {s.name for s in schemas} == {op for domain, op in _REGISTRY if domain == MICROSOFT}
    for schema in schemas:
        parameters = find(MICROSOFT, schema.name, 1).parameters
        assert set(schema.attributes) <= set(parameters), schema.name
        required = {n for n, a in schema.attributes.items() if a.required}
        assert required == {n for n, p in parameters.items() if p.default is inspect.Parameter.empty}, schema.name
