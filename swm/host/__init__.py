# SPDX-License-Identifier: Apache-2.0
"""What stays with the host: a network cut around its hardware, and the parts run together."""

from swm.host.cut import Split, Verdict, split, split_for_hardware
from swm.host.run import (
    NetworkResult,
    after_hardware,
    before_hardware,
    before_split,
    calibrate,
    host_parts,
    run_network,
)
from swm.host.scales import ranged_tensors, scaled_cells, scaled_parts

__all__ = [
    "NetworkResult",
    "Split",
    "Verdict",
    "after_hardware",
    "before_hardware",
    "before_split",
    "calibrate",
    "host_parts",
    "ranged_tensors",
    "run_network",
    "scaled_cells",
    "scaled_parts",
    "split",
    "split_for_hardware",
]
