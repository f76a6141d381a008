# SPDX-License-Identifier: Apache-2.0
"""The block-circulant convolution: forward transforms, a line buffer of spectra, products, inverse transforms."""

from swm.layers.circulant_conv.kind import CirculantConv
from swm.layers.circulant_conv.spec import CirculantConvBuilt, CirculantConvSpec

__all__ = ["CirculantConv", "CirculantConvBuilt", "CirculantConvSpec"]
