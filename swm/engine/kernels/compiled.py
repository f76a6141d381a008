# SPDX-License-Identifier: Apache-2.0
"""The compiled engine: `swm.kernels.CompiledProduct` among the others."""

from __future__ import annotations

from typing import ClassVar

from swm.engine.kernels.interface import MatmulEngine, Prepared
from swm.errors import ToolError
from swm.kernels import CompiledProduct, compiler
from swm.structure import BlockCirculant

__all__ = ["CompiledEngine"]


class CompiledEngine(MatmulEngine):
    """C++ with samples (many) or blocks (few samples) in vector lanes; built on first use."""

    name: ClassVar[str] = "compiled"

    def missing(self) -> str | None:
        """See MatmulEngine."""
        try:
            compiler()
        except ToolError as error:
            return str(error)
        return None

    def prepare(self, matrix: BlockCirculant, *, threads: int = 1, few: int | None = None) -> Prepared:
        """See MatmulEngine; `few` sets where the layouts change over."""
        return CompiledProduct(matrix.columns, matrix.shape, threads=threads, few=few)
