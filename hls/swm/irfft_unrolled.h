// SPDX-License-Identifier: Apache-2.0
/// \file irfft_unrolled.h
/// \brief Inverse real transforms of the p blocks of a layer's output, k <= 16, then bias, activation, the last rounding.
///
/// Decimation in frequency (docs/arithmetic.md section 4), every stage straight-line code as in rfft_unrolled.h. The first
/// log2(k) - fft_shifts stages halve, so the gain of both transforms together is one. Intermediate values never leave
/// inverse_bits: nothing saturates before the end (two parts of rounded_bits make a word of at most
/// sqrt(2) 2^(rounded_bits-1); a halving stage keeps that bound, another doubles it).
///
/// An iteration reads one beat of ifft_lanes = max(1, out_vec / k) blocks and writes out_parts = max(1, k / out_vec) beats,
/// but none behind the last output.
///
/// II = out_parts. Iterations: tokens * ceil(p / ifft_lanes).
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "circulant.h"
#include "count.h"
#include "finish.h"
#include "rotate.h"

namespace swm {
namespace detail {

/// A rotated part of W bits: one rounding of 16 bits, or of 17 when the stage halves.
template <int W, int Wide>
inline int_t<W> inverse_round(bool halve, int_t<Wide> v) {
  SWM_INLINE
  const int_t<Wide - 15> plain = round_shift<16, Wide>(v);
  const int_t<Wide - 15> half = int_t<Wide - 15>(round_shift<17, Wide>(v));
  return int_t<W>(halve ? half : plain);
}

/// The odd word i > 0 of stage N = `size`: (x - conj y) conj W_N^i, rounded once.
template <int W, int Turn>
inline cplx<W> inverse_turn(const cplx<W>& x, const cplx<W>& y, int i, int size, bool halve) {
  SWM_INLINE
  const int_t<Turn> d_re = int_t<Turn>(subtract<W>(x.re, y.re)), d_im = int_t<Turn>(add<W>(x.im, y.im));
  int_t<Turn + 19> re, im;
  if (8 * i != size) {
    rotate_64<Turn>(d_re, d_im, i * (64 / size), true, re, im);
  } else {
    re = times_root_half<Turn + 1>(subtract<Turn>(d_re, d_im));
    im = times_root_half<Turn + 1>(add<Turn>(d_re, d_im));
  }
  cplx<W> odd;
  odd.re = inverse_round<W, Turn + 19>(halve, re);
  odd.im = inverse_round<W, Turn + 19>(halve, im);
  return odd;
}

/// k/2 packed words of W bits to k points of WY bits.
template <int K, int W, int WY, int Turn, int Shifts>
struct inverse_block {
  static void run(const cplx<W> a[K / 2], int_t<WY> y[K]) {
    SWM_INLINE
    enum { stages = clog2(K), passes = stages - 1, quarter = K / 4, halvings = max_of(0, 2 - Shifts) };
    cplx<W> z[passes][K / 2];
    SWM_PARTITION(z, 0)
  WORDS_IN:
    for (int w = 0; w < K / 2; ++w) {
      SWM_UNROLL
      z[0][w] = a[w];
    }
  PASSES:
    for (int pass = 1; pass < passes; ++pass) {
      SWM_UNROLL
      const int size = (2 * K) >> pass;
      const bool halve = pass <= stages - Shifts;
    UNITS:
      for (int u = 0; u < quarter; ++u) {
        SWM_UNROLL
        const int i = u & (size / 4 - 1);
        const int base = 2 * (u - i);
        const cplx<W> x = z[pass - 1][base + i], y_ = z[pass - 1][base + (i == 0 ? size / 4 : size / 2 - i)];
        if (i == 0) {
          z[pass][u].re = halve_if<W>(halve, int_t<W + 2>(add<W>(x.re, x.im)));
          z[pass][u].im = halve_if<W>(halve, int_t<W + 2>(add<W>(y_.re, y_.re)));
          z[pass][u + quarter].re = halve_if<W>(halve, int_t<W + 2>(subtract<W>(x.re, x.im)));
          z[pass][u + quarter].im = halve_if<W>(halve, int_t<W + 2>(-int_t<W + 2>(add<W>(y_.im, y_.im))));
        } else {
          z[pass][u].re = halve_if<W>(halve, int_t<W + 2>(add<W>(x.re, y_.re)));
          z[pass][u].im = halve_if<W>(halve, int_t<W + 2>(subtract<W>(x.im, y_.im)));
          z[pass][u + quarter] = inverse_turn<W, Turn>(x, y_, i, size, halve);
        }
      }
    }
  LAST_PASS:
    for (int u = 0; u < quarter; ++u) {
      SWM_UNROLL
      const cplx<W> b = z[passes - 1][2 * u], c = z[passes - 1][2 * u + 1];
      typedef int_t<W + 2> sum_t;
      const sum_t total = add<W>(b.re, b.im), difference = subtract<W>(b.re, b.im);
      const sum_t twice_re = add<W>(c.re, c.re), twice_im = add<W>(c.im, c.im);
      y[u] = int_t<WY>(round_shift<halvings, W + 2>(sum_t(total + twice_re)));
      y[u + quarter] = int_t<WY>(round_shift<halvings, W + 2>(sum_t(difference - twice_im)));
      y[u + 2 * quarter] = int_t<WY>(round_shift<halvings, W + 2>(sum_t(total - twice_re)));
      y[u + 3 * quarter] = int_t<WY>(round_shift<halvings, W + 2>(sum_t(difference + twice_im)));
    }
  }
};

template <int W, int WY, int Turn, int Shifts>
struct inverse_block<2, W, WY, Turn, Shifts> {
  static void run(const cplx<W> a[1], int_t<WY> y[2]) {
    SWM_INLINE
    y[0] = int_t<WY>(round_shift<1, W + 1>(add<W>(a[0].re, a[0].im)));
    y[1] = int_t<WY>(round_shift<1, W + 1>(subtract<W>(a[0].re, a[0].im)));
  }
};

}  // namespace detail

/// \param bias  ceil(m / out_vec) * out_vec values at the binary point of the sums
/// \param in    ceil(p / ifft_lanes) beats of ifft_lanes * k integers a token, blocks in order, words in natural order
/// \param out   ceil(m / out_vec) beats of out_vec values a token; surplus values of the last beat are zero
template <class Cfg, class In, class Out>
void irfft_unrolled(int tokens, const typename circulant<Cfg>::bias_t bias[circulant<Cfg>::bias_words], In& in, Out& out) {
  typedef circulant<Cfg> L;
  static_assert(L::streaming, "blocks of more than 16 points are transformed pass by pass");
  constexpr int lanes = L::ifft_lanes, parts = L::out_parts, V = L::out_vec, words = L::words, k = L::k, groups = L::ifft_groups;
  constexpr int last_parts = L::out_beats - (groups - 1) * parts;     // beats that the last block of a token has
  constexpr int last_values = Cfg::m - (groups - 1) * parts * V;      // and values
  const int total = L::irfft_iterations(tokens);
  SWM_WIDE_WORDS_OF(bias, V)
  count_t<groups - 1> group = 0;
  int beat = 0;
BLOCKS:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE_II(parts)
    SWM_TICK(Cfg::tick + 2);
    const bool last = int(group) == groups - 1;
    const vec<typename L::rounded_t, L::a_beat> sums = read_beat<L::a_beat, typename L::rounded_t>(in, i);
    typename L::inverse_t y[lanes][k];
    SWM_PARTITION(y, 0)
  LANES:
    for (int lane = 0; lane < lanes; ++lane) {
      SWM_UNROLL
      cplx<L::inverse_pass_bits> a[words];
      SWM_PARTITION(a, 0)
    WORDS:
      for (int w = 0; w < words; ++w) {
        SWM_UNROLL
        a[w].re = sums.v[(lane * words + w) * 2];
        a[w].im = sums.v[(lane * words + w) * 2 + 1];
      }
      detail::inverse_block<L::k, L::inverse_pass_bits, L::inverse_bits, L::inverse_turn_bits, Cfg::fft_shifts>::run(a, y[lane]);
    }
  PARTS:
    for (int part = 0; part < parts; ++part) {
      SWM_UNROLL
      if (!last || part < last_parts) {
        vec<typename L::out_t, V> value;
      VALUES:
        for (int t = 0; t < V; ++t) {
          SWM_UNROLL
          const int at = part * V + t;
          value.v[t] = 0;
          if (!last || at < last_values) {
            const typename L::inverse_t sum = y[at / k][at % k];
            const typename L::bias_t offset = bias[(int(group) * parts + part) * V + t];
            const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(sum) + int_t<L::value_bits>(offset));
            value.v[t] = Cfg::activation::template run<Cfg, L::value_bits>(v);
          }
        }
        write_beat<V>(out, beat, value);
        ++beat;
      }
    }
    group = last ? count_t<groups - 1>(0) : count_t<groups - 1>(group + 1);
  }
}

}  // namespace swm
