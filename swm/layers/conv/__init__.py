# SPDX-License-Identifier: Apache-2.0
"""The dense convolution: a line buffer, and the product of a matrix with what each kernel sees."""

from swm.layers.conv.beside import ConvBesideBuilt
from swm.layers.conv.kind import Conv
from swm.layers.conv.spec import ConvBuilt, ConvSpec

__all__ = ["Conv", "ConvBesideBuilt", "ConvBuilt", "ConvSpec"]
