# SPDX-License-Identifier: Apache-2.0
"""RMS normalisation: `y = activation(g x / sqrt(mean square + epsilon))`, a layer normalisation whose sums are zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from swm.device.board import DspPorts
from swm.graph import Node, RMSNormalization
from swm.layers.layernorm import LayerNorm, LayerNormSpec, Normalize
from swm.layers.program import ProcessModel
from swm.layers.values import Implementation, Ints
from swm.package_data import hls_dir

__all__ = ["RmsNorm", "RmsNormSpec", "RmsNormalize"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RmsNormalize(Normalize):
    """An RMSNormalization whose gains are known."""

    op: ClassVar[str] = "RMSNormalization"


@dataclass(frozen=True)
class RmsNormSpec(LayerNormSpec):
    """An RMS normalisation by its shapes."""

    kind: ClassVar[str] = "rmsnorm"
    mean_free: ClassVar[bool] = True


class RmsNorm(LayerNorm):
    """A token's mean square, exactly; then each value by one root a token. The kernels are those of layernorm."""

    name: ClassVar[str] = "rmsnorm"
    takes: ClassVar[tuple[type[Node], ...]] = (RMSNormalization, RmsNormalize)
    _form: ClassVar[type[Normalize]] = RmsNormalize
    _spec: ClassVar[type[LayerNormSpec]] = RmsNormSpec

    @property
    def headers(self) -> tuple[Path, ...]:
        """Its own, and that of the kernels."""
        return (hls_dir() / "swm" / "rmsnorm.h", hls_dir() / "swm" / "layernorm.h")

    def total(self, x: Ints) -> Ints:
        """No mean is taken off."""
        return np.zeros((len(x), 1), np.int64)

    def processes(self, built: Implementation, ports: DspPorts) -> tuple[ProcessModel, ...]:
        """Those of layernorm, told that there is no mean."""
        return tuple(replace(process, view="rmsnorm_config") for process in super().processes(built, ports))
