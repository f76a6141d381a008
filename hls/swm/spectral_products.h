// SPDX-License-Identifier: Apache-2.0
/// \file spectral_products.h
/// \brief The complex products of one cycle of spectral_mac.h, and the sums that they belong to.
///
/// A complex product on three multipliers (w and x with parts re, im), each with a sum of its own, combined once at the end:
///     a1 = sum w.re (x.re + x.im)   a2 = sum x.re (w.im - w.re)   a3 = sum x.im (w.re + w.im)   re = a1 - a3   im = a1 + a2
/// or on four: a1 = w.re x.re, a2 = w.im x.im, a3 = w.im x.re, a4 = w.re x.im, re = a1 - a2, im = a3 + a4. Packed word 0 is
/// two real products; a lane that sees no other word has two multipliers.
///
/// Products of the last fabric_rows rows are made in LUTs; with `packed` two of the other rows share each multiplier.
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "circulant.h"

namespace swm {
namespace detail {

/// What the products of one cycle share, and their sums.
template <class Cfg>
struct mac_cycle {
  typedef circulant<Cfg> L;
  enum { sums = Cfg::products, weights = Cfg::mac_rows * Cfg::mac_columns * Cfg::mac_bins * 2 };
  typedef cplx<L::spectrum_bits> words_t[Cfg::mac_columns][Cfg::mac_bins];
  typedef typename L::weight_t weights_t[weights];
  typedef int_t<L::acc_bits> acc_t;
  typedef acc_t row_t[Cfg::mac_bins][sums];
};

/// Adds the products of one row, weights w[at] and behind. `first_words`: word 0 is packed; `start`: a new sum begins.
template <class Cfg, bool Fabric>
inline void row_products(const typename mac_cycle<Cfg>::words_t& x, const typename mac_cycle<Cfg>::weights_t& w, int row,
                         bool first_words, bool start, typename mac_cycle<Cfg>::row_t& acc) {
  SWM_INLINE
  typedef circulant<Cfg> L;
  typedef int_t<L::acc_bits> acc_t;
  constexpr int X = L::spectrum_bits, W = L::weight_width, bins = Cfg::mac_bins, columns = Cfg::mac_columns;
  constexpr bool three = Cfg::products == 3;
  constexpr int WX = three ? X + 1 : X, WW = three ? W + 1 : W;  // operands
BINS:
  for (int b = 0; b < bins; ++b) {
    SWM_UNROLL
    const bool always = b == 0 && L::word_groups == 1;  // packed whatever the cycle
    const bool packed = always || (b == 0 && first_words);
    acc_t sum[4] = {0, 0, 0, 0};
    SWM_PARTITION(sum, 0)
  COLUMNS:
    for (int c = 0; c < columns; ++c) {
      SWM_UNROLL
      const int at = ((row * columns + c) * bins + b) * 2;
      const int_t<X> x_re = x[c][b].re, x_im = x[c][b].im;
      const int_t<W> w_re = w[at], w_im = w[at + 1];
      int_t<WX> left[4] = {x_re, x_im, x_re, x_im};
      int_t<WW> right[4] = {w_re, w_im, w_im, w_re};
      SWM_PARTITION(left, 0)
      SWM_PARTITION(right, 0)
      if (three) {
        const int_t<WX> x_sum = int_t<WX>(int_t<WX>(x_re) + int_t<WX>(x_im));
        const int_t<WW> w_difference = int_t<WW>(int_t<WW>(w_im) - int_t<WW>(w_re));
        const int_t<WW> w_sum = int_t<WW>(int_t<WW>(w_re) + int_t<WW>(w_im));
        left[0] = packed ? int_t<WX>(x_re) : x_sum;
        left[1] = x_re;
        right[1] = w_difference;
        left[2] = x_im;
        right[0] = w_re;
        right[2] = packed ? int_t<WW>(w_im) : w_sum;
      }
    PRODUCTS:
      for (int t = 0; t < Cfg::products; ++t) {
        SWM_UNROLL
        const bool unused = always && (three ? t == 1 : t >= 2);
        if (!unused) {
          const int_t<WX + WW> product =
              Fabric ? multiply_in_fabric<WX, WW>(left[t], right[t]) : multiply<WX, WW>(left[t], right[t]);
          sum[t] = acc_t(sum[t] + product);
        }
      }
    }
  ACCUMULATE:
    for (int t = 0; t < Cfg::products; ++t) {
      SWM_UNROLL
      const acc_t before = start ? acc_t(0) : acc[b][t];
      acc[b][t] = acc_t(before + sum[t]);
    }
  }
}

/// The same for rows `row` and `row + 1`, which share their multipliers (four products).
template <class Cfg>
inline void pair_products(const typename mac_cycle<Cfg>::words_t& x, const typename mac_cycle<Cfg>::weights_t& w, int row,
                          bool start, typename mac_cycle<Cfg>::row_t& low_acc, typename mac_cycle<Cfg>::row_t& high_acc) {
  SWM_INLINE
  typedef circulant<Cfg> L;
  typedef int_t<L::acc_bits> acc_t;
  // Compiled for every layer, used by packed ones: the others' products would not fit.
  constexpr int X = L::packed ? L::spectrum_bits : 1, W = L::packed ? L::weight_width : 1;
  constexpr int bins = Cfg::mac_bins, columns = Cfg::mac_columns;
PAIR_BINS:
  for (int b = 0; b < bins; ++b) {
    SWM_UNROLL
    const bool always = b == 0 && L::word_groups == 1;
  PAIR_PRODUCTS:
    for (int t = 0; t < Cfg::products; ++t) {
      SWM_UNROLL
      acc_t low_sum = 0, high_sum = 0;
    PAIR_COLUMNS:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
        const int imaginary = t == 1 || t == 2;  // parts of the weights
        const int low_at = ((row * columns + c) * bins + b) * 2 + imaginary;
        const int high_at = low_at + columns * bins * 2;
        const int_t<X> value = t == 0 || t == 2 ? x[c][b].re : x[c][b].im;
        if (!always || t < 2) {
          int_t<W + X> low, high;
          multiply_pair<W, X>(w[high_at], w[low_at], value, high, low);
          low_sum = acc_t(low_sum + low);
          high_sum = acc_t(high_sum + high);
        }
      }
      const acc_t low_before = start ? acc_t(0) : low_acc[b][t];
      const acc_t high_before = start ? acc_t(0) : high_acc[b][t];
      low_acc[b][t] = acc_t(low_before + low_sum);
      high_acc[b][t] = acc_t(high_before + high_sum);
    }
  }
}

}  // namespace detail
}  // namespace swm
