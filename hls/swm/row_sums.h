// SPDX-License-Identifier: Apache-2.0
/// \file row_sums.h
/// \brief What products do alike around their multipliers: weights of a cycle, beats to banks, sums of rows on their way out.
#pragma once

#include "fixed.h"

namespace swm {

/// The weights of a cycle: the words of all banks at one address, one behind the other.
template <int All, int Depth, int Lanes, class Word>
void read_rom_word(const Word (*weights)[Depth][Lanes], int address, Word (&w)[All]) {
  SWM_INLINE
ROM_BANKS:
  for (int bank = 0; bank < All / Lanes; ++bank) {
    SWM_UNROLL
  ROM_LANES:
    for (int lane = 0; lane < Lanes; ++lane) {
      SWM_UNROLL
      w[bank * Lanes + lane] = weights[bank][address][lane];
    }
  }
}

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

/// sum[r] = sum over c of w[r][c] values[c], the last fabric_rows of the rows in LUTs.
///
/// \tparam L  rows, columns, in_width, weight_width, fabric_rows, packed
template <class L, class Value, class Weight, class Sum>
void row_sums(const Value (&values)[L::columns], const Weight (&w)[L::rows * L::columns], Sum (&sum)[L::rows]) {
  SWM_INLINE
  constexpr int B = L::in_width, W = L::weight_width, rows = L::rows, columns = L::columns, fast_rows = rows - L::fabric_rows;
  constexpr int pair_b = L::packed ? B : 1, pair_w = L::packed ? W : 1;  // pairs are compiled for all, used by packed layers
CLEAR:
  for (int r = 0; r < rows; ++r) {
    SWM_UNROLL
    sum[r] = 0;
  }
COLUMNS:
  for (int c = 0; c < columns; ++c) {
    SWM_UNROLL
  FAST_ROWS:
    for (int r = 0; r < (L::packed ? 0 : fast_rows); ++r) {
      SWM_UNROLL
      sum[r] = Sum(sum[r] + multiply<B, W>(values[c], w[r * columns + c]));
    }
  PAIRS:
    for (int r = 0; r < (L::packed ? fast_rows : 0); r += 2) {
      SWM_UNROLL
      int_t<pair_w + pair_b> high, low;
      multiply_pair<pair_w, pair_b>(w[(r + 1) * columns + c], w[r * columns + c], values[c], high, low);
      sum[r] = Sum(sum[r] + low);
      sum[r + 1] = Sum(sum[r + 1] + high);
    }
  SLOW_ROWS:
    for (int r = fast_rows; r < rows; ++r) {
      SWM_UNROLL
      sum[r] = Sum(sum[r] + multiply_in_fabric<B, W>(values[c], w[r * columns + c]));
    }
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
