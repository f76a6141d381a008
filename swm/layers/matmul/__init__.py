# SPDX-License-Identifier: Apache-2.0
"""Products of two streams: shapes (`spec`), resources and choice (`offer`)."""

from swm.layers.matmul.kind import MatMulKind
from swm.layers.matmul.spec import HeadProducts, MatMulBuilt, MatMulSpec

__all__ = ["HeadProducts", "MatMulBuilt", "MatMulKind", "MatMulSpec"]
