// SPDX-License-Identifier: Apache-2.0
/// \file row_sums.h
/// \brief What dense.h and matmul.h do alike around their multipliers: beats to banks, sums of rows, sums on their way out.
#pragma once

#include "fixed.h"

namespace swm {

/// A beat of inputs to its bank. Banks behind that one are overwritten later, or meet zeros: none is left without a value.
template <int Banks, int Depth, class Word>
void fill_banks(Word (&x)[Banks][Depth], int bank, int address, const Word& beat) {
  SWM_INLINE
FILL_BANKS:
  for (int b = 0; b < Banks; ++b) {
    SWM_UNROLL
    if (b >= bank) x[b][address] = beat;
  }
}

/// The products of a cycle to the sums of their rows; where these are complete they are held until they leave.
template <int Rows, int Held, class Sum>
void add_to_rows(Sum (&rows)[Rows], Sum (&held)[Held], const Sum (&products)[Rows], bool start, bool complete) {
  SWM_INLINE
ACCUMULATE:
  for (int r = 0; r < Rows; ++r) {
    SWM_UNROLL
    const Sum before = start ? Sum(0) : rows[r];
    rows[r] = Sum(before + products[r]);
  }
HOLD:
  for (int r = 0; r < Held; ++r) {
    SWM_UNROLL
    if (complete) held[r] = r < Rows ? rows[r < Rows ? r : 0] : Sum(0);
  }
}

/// The next beat of `Left` held sums to the front, where one has left.
template <int Left, int Held, class Sum>
void next_held(Sum (&held)[Held]) {
  SWM_INLINE
SHIFT_HELD:
  for (int r = 0; r < Held - Left; ++r) {
    SWM_UNROLL
    held[r] = held[r + Left];
  }
}

}  // namespace swm
