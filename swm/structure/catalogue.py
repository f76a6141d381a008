# SPDX-License-Identifier: Apache-2.0
"""Names of all weight structures, for `swm convert --structure`."""

from __future__ import annotations

import difflib

from swm.errors import OptionError
from swm.structure.base import WeightStructure
from swm.structure.circulant import BlockCirculant
from swm.structure.coarse_few_bits import COARSE_FEW_BITS
from swm.structure.coarse_grain import CoarseGrain
from swm.structure.few_bits import FewBits
from swm.structure.hierarchical import Hierarchical
from swm.structure.n_of_m import N_OF_M
from swm.structure.permuted_diagonal import PermutedDiagonal
from swm.structure.ternary import TERNARY

__all__ = ["STRUCTURES", "structure_named"]

# By name on the command line. The number that goes with each (`WeightStructure.size`) is named in the help of convert.
STRUCTURES: dict[str, type[WeightStructure]] = {
    "circulant": BlockCirculant,
    "cgs": CoarseGrain,
    "hcgs": Hierarchical,
    "bits": FewBits,
    **{f"cgs-{bits}bit": kind for bits, kind in COARSE_FEW_BITS.items()},
    **{f"ternary{group}": kind for group, kind in TERNARY.items()},
    **{f"nof{group}": kind for group, kind in N_OF_M.items()},
    "permuted-diagonal": PermutedDiagonal,
}


def structure_named(name: str) -> type[WeightStructure]:
    """The structure of that name in `STRUCTURES`.

    Raises:
        OptionError: there is none.
    """
    if name not in STRUCTURES:
        near = difflib.get_close_matches(name, STRUCTURES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise OptionError(f"there is no structure {name!r}{hint} Choose one of {', '.join(STRUCTURES)}")
    return STRUCTURES[name]
