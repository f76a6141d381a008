# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN, one direction each.

Shapes (`spec`), parallelism and loops (`built`), a node's layer (`node`, `layer`), number formats (`quantize`,
`points`), integers (`steps`), resources (`cost`), choice (`offer`).
"""

from swm.layers.recurrent.built import RecurrentBuilt
from swm.layers.recurrent.kind import RecurrentKind
from swm.layers.recurrent.layer import RecurrentLayer
from swm.layers.recurrent.node import Steps
from swm.layers.recurrent.spec import RecurrentSpec

__all__ = ["RecurrentBuilt", "RecurrentKind", "RecurrentLayer", "RecurrentSpec", "Steps"]
