// SPDX-License-Identifier: Apache-2.0
/// \file spectral_mac.h
/// \brief Spectral products of all p x q blocks, summed over the q block columns, rounded once.
///
/// acc[i][w] = sum over j of weights[i][j][w] * X[j][w], word by word of the packed half spectrum; word 0 holds two real
/// bins and multiplies part by part. mac_blocks block rows times mac_bins words run side by side, each complex product
/// in four multipliers; the sum over j is innermost, so an accumulator is one register.
/// Words are exact sums of weight_bits + spectrum_bits + 1 + ceil(log2 q) bits, rounded to rounded_bits and saturated.
///
/// II = 1. Iterations: ceil(q / fft_lanes) units to load X, then ceil(p / mac_blocks) (k/2 / mac_bins) q, results leaving
/// inside the same loop; latency is these plus the fill of two pipelines.
///
/// Memories: X lies in mac_bins banks a lane. Loading writes two words a lane, in the worst case to one bank: two ports.
/// The products read one word of every bank of a lane.
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "circulant.h"
#include "count.h"

namespace swm {
namespace detail {

/// One complex product added to a sum (or starting one).
template <class L>
inline void accumulate(const cplx<L::spectrum_bits>& x, int_t<L::weight_width> w_re, int_t<L::weight_width> w_im, bool packed,
                       bool start, cplx<L::acc_bits>& acc) {
  SWM_INLINE
  enum { X = L::spectrum_bits, W = L::weight_width, P = X + W };
  const int_t<P> rr = multiply<X, W>(x.re, w_re);
  const int_t<P> ii = multiply<X, W>(x.im, w_im);
  const int_t<P> ri = multiply<X, W>(x.re, w_im);
  const int_t<P> ir = multiply<X, W>(x.im, w_re);
  const int_t<P + 1> product_re = packed ? int_t<P + 1>(rr) : subtract<P>(rr, ii);
  const int_t<P + 1> product_im = packed ? int_t<P + 1>(ii) : add<P>(ri, ir);
  const int_t<L::acc_bits> before_re = start ? int_t<L::acc_bits>(0) : acc.re;
  const int_t<L::acc_bits> before_im = start ? int_t<L::acc_bits>(0) : acc.im;
  acc.re = int_t<L::acc_bits>(before_re + product_re);
  acc.im = int_t<L::acc_bits>(before_im + product_im);
}

/// The one rounding of a spectral sum.
template <class L, int Shift>
inline typename L::rounded_t round_sum(int_t<L::acc_bits> sum) {
  SWM_INLINE
  return saturate<L::rounded_bits, rounded<Shift, L::acc_bits>::bits>(round_shift<Shift, L::acc_bits>(sum));
}

}  // namespace detail

/// \param weights  ROM [(group of block rows, group of words, block column)][(block row, word, part)]
/// \param in       beats of rfft
/// \param out      beats of mac_blocks * mac_bins rounded words, groups of block rows outermost
template <class Cfg, class In, class Out>
void spectral_mac(const typename circulant<Cfg>::weight_t weights[circulant<Cfg>::rom_depth][circulant<Cfg>::rom_lanes], In& in,
                  Out& out) {
  typedef circulant<Cfg> L;
  typedef cplx<L::spectrum_bits> word_t;
  constexpr int rows = Cfg::mac_blocks, bins = Cfg::mac_bins, shift = Cfg::acc_shift, lanes = Cfg::fft_lanes;
  constexpr int bin_bits = log2_of(bins);

  SWM_WIDE_WORD(weights, 2)
  word_t x[L::fft_groups][lanes][L::word_groups][bins];
  SWM_PARTITION(x, 2)
  SWM_PARTITION(x, 4)
  cplx<L::acc_bits> acc[rows][bins];
  SWM_PARTITION(acc, 0)

LOAD_GROUPS:
  for (int g = 0; g < L::fft_groups; ++g) {
  LOAD_UNITS:
    for (int u = 0; u < L::units; ++u) {
      SWM_PIPELINE
      SWM_NO_DEPENDENCE(x)
      SWM_TICK(4 * Cfg::id + 1);
      const vec<typename L::spectrum_t, L::x_beat> words = read_beat<L::x_beat, typename L::spectrum_t>(in, g * L::units + u);
      // The last pass is one transform of k points: its unit u yields words u and k/2 - u, unit 0 words 0 and k/4.
      const int low = u;
      const int high = u == 0 ? int(L::units) : L::words - u;
    LOAD_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        const int at = lane * L::unit_words * 2;
        // Words are written whole: a part alone would be a read, a change and a write of a packed memory.
        word_t word;
        word.re = words.v[at];
        word.im = words.v[at + 1];
        x[g][lane][low >> bin_bits][low & (bins - 1)] = word;
        if (L::unit_words == 2) {
          word.re = words.v[at + 2 * (L::unit_words - 1)];
          word.im = words.v[at + 2 * (L::unit_words - 1) + 1];
          x[g][lane][high >> bin_bits][high & (bins - 1)] = word;
        }
      }
    }
  }

  // One loop with explicit counters: a nest would drain the pipeline at the end of each sum.
  int f = 0, j = 0, group = 0, lane = 0, beat = 0;
PRODUCTS:
  for (int address = 0; address < L::rom_depth; ++address) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id + 1);
    vec<typename L::rounded_t, L::a_beat> sums;
  ROWS:
    for (int o = 0; o < rows; ++o) {
      SWM_UNROLL
    BINS:
      for (int b = 0; b < bins; ++b) {
        SWM_UNROLL
        const int at = (o * bins + b) * 2;
        const bool packed = b == 0 && f == 0;
        detail::accumulate<L>(x[group][lane][f][b], weights[address][at], weights[address][at + 1], packed, j == 0,
                              acc[o][b]);
        sums.v[at] = detail::round_sum<L, shift>(acc[o][b].re);
        sums.v[at + 1] = detail::round_sum<L, shift>(acc[o][b].im);
      }
    }
    const bool done = j == L::q - 1;
    if (done) {
      write_beat<L::a_beat>(out, beat, sums);
      ++beat;
      f = f == L::word_groups - 1 ? 0 : f + 1;
    }
    const bool wrap = done || lane == lanes - 1;
    group = done ? 0 : wrap ? group + 1 : group;
    lane = wrap ? 0 : lane + 1;
    j = done ? 0 : j + 1;
  }
}

}  // namespace swm
