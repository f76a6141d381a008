# SPDX-License-Identifier: Apache-2.0
"""Training with structure in torch (`pip install 'swm-fpga[torch]'`).

>>> import swm.torch
>>> swm.torch.structure(model, block=8, calibration=x)                        # doctest: +SKIP
>>> optimiser = torch.optim.SGD(swm.torch.parameter_groups(model, lr=0.1))    # doctest: +SKIP
>>> ...                                                                       # any training loop
>>> torch.onnx.export(swm.torch.finish(model), (x,), "model.onnx")            # doctest: +SKIP
>>> swm.load("model.onnx", detect=True)                                       # doctest: +SKIP
"""

from swm.errors import ToolError

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ToolError("torch is not installed, and training needs it: pip install 'swm-fpga[torch]'") from error

from swm.torch.attach import Structured, Weight, finish, parameter_groups, structure
from swm.torch.bits import FewBits, FixedPoint
from swm.torch.circulant import BlockCirculant
from swm.torch.schedules import Admm, Gradual, admm, gradual
from swm.torch.sparse import CoarseGrain, Hierarchical, Sparse
from swm.torch.ternary import StructuredTernary

__all__ = [
    "Admm",
    "BlockCirculant",
    "CoarseGrain",
    "FewBits",
    "FixedPoint",
    "Gradual",
    "Hierarchical",
    "Sparse",
    "Structured",
    "StructuredTernary",
    "Weight",
    "admm",
    "finish",
    "gradual",
    "parameter_groups",
    "structure",
]
