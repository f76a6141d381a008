# SPDX-License-Identifier: Apache-2.0
"""Fast block-circulant products, by `swm.kernels`, FFT libraries or BLAS.

Every engine of products answers `MatmulEngine.prepare(matrix) → callable`; `BlockMatmul` picks among them by a
measured cost model. `CompiledConv` and `CompiledCell` are the convolution and the recurrent steps, `dense_conv` and
`dense_cell` what they have to beat.
"""

from swm.engine.kernels.cell import CellParameters, CompiledCell
from swm.engine.kernels.choice import ENGINES, Choice, Policy, choose, choose_for, explain
from swm.engine.kernels.compiled import CompiledEngine
from swm.engine.kernels.conv import CompiledConv, ConvGeometry
from swm.engine.kernels.cost import CellShape, ConvShape, Shape
from swm.engine.kernels.dense import dense_cell, dense_conv
from swm.engine.kernels.interface import MatmulEngine, Prepared
from swm.engine.kernels.library_ffts import DenseEngine, FftwEngine, ScipyEngine
from swm.engine.kernels.matmul import BlockMatmul
from swm.engine.kernels.products import Product, product_of, register_product

__all__ = [
    "ENGINES",
    "BlockMatmul",
    "CellParameters",
    "CellShape",
    "Choice",
    "CompiledCell",
    "CompiledConv",
    "CompiledEngine",
    "ConvGeometry",
    "ConvShape",
    "DenseEngine",
    "FftwEngine",
    "MatmulEngine",
    "Policy",
    "Prepared",
    "Product",
    "ScipyEngine",
    "Shape",
    "choose",
    "choose_for",
    "dense_cell",
    "dense_conv",
    "explain",
    "product_of",
    "register_product",
]
