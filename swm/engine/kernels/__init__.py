# SPDX-License-Identifier: Apache-2.0
"""Fast block-circulant products and the fast integer engine, from C++ that is compiled on first use.

Every engine answers `MatmulEngine.prepare(columns, shape) → callable`; `BlockMatmul` picks among them by a measured
cost model. `run_integers_fast` gives the bits of `swm.engine.run_integers`.
"""

from swm.engine.kernels._build import load_library
from swm.engine.kernels._cache import cache_folder, cpu_name
from swm.engine.kernels._choose import BlockMatmul, Choice, choose, explain
from swm.engine.kernels._compiled import CompiledEngine
from swm.engine.kernels._cost import ENGINES, measure_constants
from swm.engine.kernels._fixed import run_integers_fast
from swm.engine.kernels._interface import MatmulEngine, Prepared
from swm.engine.kernels._transforms import DenseEngine, FftwEngine, ScipyEngine

__all__ = [
    "ENGINES",
    "BlockMatmul",
    "Choice",
    "CompiledEngine",
    "DenseEngine",
    "FftwEngine",
    "MatmulEngine",
    "Prepared",
    "ScipyEngine",
    "cache_folder",
    "choose",
    "cpu_name",
    "explain",
    "load_library",
    "measure_constants",
    "run_integers_fast",
]
