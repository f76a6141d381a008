# SPDX-License-Identifier: Apache-2.0
"""Operations of spectral products: transforms, products of half spectra and their sums, the way back."""

from __future__ import annotations

from swm.layers.circulant.spec import CirculantSpec
from swm.layers.values import TWIDDLE_FRAC
from swm.layers.work import Work, additions, multiplications
from swm.structure.circulant import product_cost, transform_cost

__all__ = ["spectral_work"]

_TWIDDLE_BITS = TWIDDLE_FRAC + 2


def spectral_work(spec: CirculantSpec, forward: int, products: int, inverse: int) -> tuple[Work, ...]:
    """Operations of so many transforms, products of blocks and inverse transforms, counted as `BlockCirculant` does.

    A complex product counts as four multiplications and two additions, whichever form the hardware has.

    Args:
        spec: widths and block size.
        forward: blocks that are transformed.
        products: blocks of weights that are multiplied.
        inverse: blocks that are transformed back; each ends the sum of products / inverse blocks.
    """
    k, front, back = spec.block, spec.spectrum_bits, spec.inverse_bits
    transform, product = transform_cost(k), product_cost(k)
    return (
        multiplications(products * product.multiplications, front, spec.weight_bits),
        additions(products * product.additions + (products - inverse) * k, spec.accumulator_bits),
        multiplications(forward * transform.multiplications, front, _TWIDDLE_BITS),
        additions(forward * transform.additions, front),
        multiplications(inverse * transform.multiplications, back, _TWIDDLE_BITS),
        additions(inverse * (transform.additions + k), back),  # k biases a block
    )
