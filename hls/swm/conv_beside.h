// SPDX-License-Identifier: Apache-2.0
/// \file conv_beside.h
/// \brief A dense convolution that computes several output positions of a row at once, behind its line buffer.
///
/// acc[p][r] = sum over what position p sees of W[r][tap, channel] x, exact; then bias, activation, one rounding
/// (docs/arithmetic.md section 6): the sums of conv.h, beside_out of them side by side. All read the same word of weights;
/// each has multipliers of its own, for all outputs and all channels of tap_rows kernel rows.
///
/// II = 1. Iterations: tokens * period, period = kernel_rows / tap_rows; a token is beside_out output positions. Iteration i
/// reads beat i of the line buffer, and the last one of a token writes all its outputs in one beat.
///
/// \tparam Cfg  of the layer: what window.h and beside.h ask; m, in_bits, weight_bits, bias_bits, out_bits, out_shift, out_vec (a
///              power of two, at least beside_out m), rom_banks, rom_lanes, fabric_rows, packed as in dense.h; activation.
///              tick is that of the line buffer, the process before this one
#pragma once

#include "beside.h"
#include "dense.h"

namespace swm {

/// The product of one position: all rows, all channels of some kernel rows at once.
template <class Cfg>
struct conv_lane : Cfg {
  static constexpr int columns = Cfg::tap_rows * Cfg::column_taps * Cfg::n, in_vec = columns, rows = Cfg::m;
  static constexpr int n = Cfg::kernel_rows * Cfg::column_taps * Cfg::n, out_vec = 1 << clog2(Cfg::m);
};

/// \param tokens   of all frames of this call
/// \param weights  ROM, banks of [kernel_rows / tap_rows][lane]; over all banks, lane row * columns + column, columns being
///                 [tap row][tap column][channel]
/// \param bias     values at the binary point of the sums, zeros behind the first m
/// \param in       window_beats beats a token
/// \param out      a beat a token: [output position][row], zeros behind them
template <class Cfg, class In, class Out>
void conv_beside(int tokens,
                 const typename dense_layer<conv_lane<Cfg> >::weight_t weights[Cfg::rom_banks][dense_layer<conv_lane<Cfg> >::rom_depth]
                                                                              [Cfg::rom_lanes],
                 const typename dense_layer<conv_lane<Cfg> >::bias_t bias[dense_layer<conv_lane<Cfg> >::bias_words], In& in,
                 Out& out) {
  typedef dense_layer<conv_lane<Cfg> > L;
  typedef window_layer<Cfg> window;
  typedef beside_taps<Cfg> seen;
  typedef int_t<L::acc_bits> acc_t;
  constexpr int P = Cfg::beside_out, U = Cfg::out_vec, rows = L::rows, columns = L::columns, groups = L::column_groups;
  static_assert(U >= P * rows && is_power_of_two(U) && U * Cfg::out_bits <= 4096, "all outputs of a token are one beat");
  static_assert(int(groups) == int(window::window_beats), "an iteration takes a beat of windows");

  SWM_PARTITION(weights, 1)
  SWM_WIDE_WORD(weights, 3)
  SWM_PARTITION(bias, 0)
  acc_t acc[P * rows] = {};
  SWM_PARTITION(acc, 0)
  count_t<groups> group = 0;
  const int total = tokens * groups;
  int done = 0;
FLAT:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1);
    const vec<typename L::in_t, window::out_words> x = read_beat<window::out_words, typename L::in_t>(in, i);
    const bool first = int(group) == 0, last = int(group) == groups - 1;
    typename L::weight_t w[rows * columns];
    SWM_PARTITION(w, 0)
    read_rom_word(weights, int(group), w);
    vec<typename L::out_t, U> value;
  CLEAR_BEAT:
    for (int v = 0; v < U; ++v) {
      SWM_UNROLL
      value.v[v] = 0;
    }
  POSITIONS:
    for (int p = 0; p < P; ++p) {
      SWM_UNROLL
      typename L::in_t values[columns];
      SWM_PARTITION(values, 0)
    SEEN:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
        values[c] = x.v[seen::word(p, c / Cfg::n, c % Cfg::n)];
      }
      acc_t sum[rows];
      SWM_PARTITION(sum, 0)
      row_sums<L>(values, w, sum);
    ACCUMULATE:
      for (int r = 0; r < rows; ++r) {
        SWM_UNROLL
        const acc_t before = first ? acc_t(0) : acc[p * rows + r];
        acc[p * rows + r] = acc_t(before + sum[r]);
        const typename L::bias_t offset = bias[r];
        const int_t<L::value_bits> v =
            int_t<L::value_bits>(int_t<L::value_bits>(acc[p * rows + r]) + int_t<L::value_bits>(offset));
        value.v[p * rows + r] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      }
    }
    if (last) {
      write_beat<U>(out, done, value);
      ++done;
    }
    group = count_t<groups>(last ? 0 : int(group) + 1);
  }
}

}  // namespace swm
