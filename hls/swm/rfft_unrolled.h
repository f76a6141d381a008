// SPDX-License-Identifier: Apache-2.0
/// \file rfft_unrolled.h
/// \brief Forward real transforms of the q blocks of a layer's input, k <= 16: a whole block at once, no memory.
/// Recurrent layers, whose state goes round, take blocks of up to 64 so.
///
/// Decimation in time (docs/arithmetic.md section 2), every stage straight-line code. Of the rotations, W_8 takes two
/// constant products of four adders, all others three multiplications by constants each.
///
/// An iteration reads in_parts = max(1, k / in_vec) beats (those behind the last input count as zeros), transforms
/// fft_lanes = max(1, in_vec / k) blocks and writes one beat of fft_lanes * k integers: block after block, words in natural
/// order, word 0 = bins 0 and k/2.
///
/// II = in_parts. Iterations: tokens * ceil(q / fft_lanes).
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "circulant.h"
#include "count.h"
#include "rotate.h"

namespace swm {
namespace detail {

/// Halves a word of W + 2 bits and more when the stage does; the result fits W bits.
template <int W>
inline cplx<W> forward_word(bool halve, int_t<W + 2> re, int_t<W + 2> im) {
  SWM_INLINE
  cplx<W> word;
  word.re = halve_if<W>(halve, re);
  word.im = halve_if<W>(halve, im);
  return word;
}

/// One word of stage N = `size` and its partner: e and o are words i > 0 of two spectra of N/2 points.
template <int W>
inline void forward_turn(const cplx<W>& e, const cplx<W>& o, int i, int size, bool halve, cplx<W>& lo, cplx<W>& hi) {
  SWM_INLINE
  typedef int_t<W + 2> sum_t;
  int_t<W + 19> re, im;
  if (8 * i != size) {
    rotate_64<W>(o.re, o.im, i * (64 / size), false, re, im);
  } else {
    re = times_root_half<W + 1>(add<W>(o.re, o.im));
    im = times_root_half<W + 1>(subtract<W>(o.im, o.re));
  }
  // |o| cos and sin stay below 2^(W+16), so a rotated part fits W + 1 bits.
  const sum_t t_re = sum_t(round_shift<16, W + 19>(re)), t_im = sum_t(round_shift<16, W + 19>(im));
  const sum_t e_re = e.re, e_im = e.im;
  lo = forward_word<W>(halve, sum_t(e_re + t_re), sum_t(e_im + t_im));
  hi = forward_word<W>(halve, sum_t(e_re - t_re), sum_t(t_im - e_im));
}

/// k points to k/2 packed words.
template <int K, int B, int W, int Shifts>
struct forward_block {
  static void run(const int_t<B> x[K], cplx<W> y[K / 2]) {
    SWM_INLINE
    enum { stages = clog2(K), passes = stages - 1, grown = stages - Shifts, halvings = max_of(0, 2 - grown), quarter = K / 4 };
    cplx<W> z[passes][K / 2];
    SWM_PARTITION(z, 0)
  FIRST_PASS:
    for (int u = 0; u < quarter; ++u) {
      SWM_UNROLL
      const int_t<B + 2> x0 = x[u], x1 = x[u + quarter], x2 = x[u + 2 * quarter], x3 = x[u + 3 * quarter];
      const int_t<B + 2> t0 = int_t<B + 2>(x0 + x2), t2 = int_t<B + 2>(x1 + x3);
      z[0][2 * u].re = int_t<W>(round_shift<halvings, B + 2>(int_t<B + 2>(t0 + t2)));
      z[0][2 * u].im = int_t<W>(round_shift<halvings, B + 2>(int_t<B + 2>(t0 - t2)));
      z[0][2 * u + 1].re = int_t<W>(round_shift<halvings, B + 2>(int_t<B + 2>(x0 - x2)));
      z[0][2 * u + 1].im = int_t<W>(round_shift<halvings, B + 2>(int_t<B + 2>(x3 - x1)));
    }
  PASSES:
    for (int pass = 1; pass < passes; ++pass) {
      SWM_UNROLL
      const int size = 4 << pass;
      const bool halve = pass + 2 > int(grown);
    UNITS:
      for (int u = 0; u < quarter; ++u) {
        SWM_UNROLL
        const int i = u & (size / 4 - 1);
        const int base = 2 * (u - i);
        const cplx<W> e = z[pass - 1][u], o = z[pass - 1][u + quarter];
        if (i == 0) {
          // Word 0 holds two real bins: they meet the real bins of the other half without a rotation.
          z[pass][base] = forward_word<W>(halve, add<W>(e.re, o.re), subtract<W>(e.re, o.re));
          z[pass][base + size / 4] = forward_word<W>(halve, int_t<W + 2>(e.im), int_t<W + 2>(-int_t<W + 2>(o.im)));
        } else {
          cplx<W> lo, hi;
          forward_turn<W>(e, o, i, size, halve, lo, hi);
          z[pass][base + i] = lo;
          z[pass][base + size / 2 - i] = hi;
        }
      }
    }
  RESULT:
    for (int w = 0; w < K / 2; ++w) {
      SWM_UNROLL
      y[w] = z[passes - 1][w];
    }
  }
};

template <int B, int W, int Shifts>
struct forward_block<2, B, W, Shifts> {
  static void run(const int_t<B> x[2], cplx<W> y[1]) {
    SWM_INLINE
    y[0].re = int_t<W>(add<B>(x[0], x[1]));
    y[0].im = int_t<W>(subtract<B>(x[0], x[1]));
  }
};

}  // namespace detail

/// \param in   ceil(n / in_vec) beats of in_vec values a token
/// \param out  ceil(q / fft_lanes) beats of fft_lanes * k integers a token
template <class Cfg, class In, class Out>
void rfft_unrolled(int tokens, In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef typename L::in_t in_t;
  static_assert(L::streaming, "blocks of more than 16 points are transformed pass by pass");
  constexpr int lanes = L::fft_lanes, parts = L::in_parts, V = L::in_vec, words = L::words, k = L::k;
  constexpr int last_parts = L::in_beats - (L::x_beats - 1) * parts;  // beats that the last block of a token really has
  const int total = L::rfft_iterations(tokens);
  count_t<L::x_beats - 1> group = 0;
  int beat = 0;
BLOCKS:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE_II(parts)
    SWM_TICK(Cfg::tick);
    const bool last = int(group) == L::x_beats - 1;
    in_t x[lanes][k];
    SWM_PARTITION(x, 0)
  PARTS:
    for (int part = 0; part < parts; ++part) {
      SWM_UNROLL
      vec<in_t, V> value;
      if (last && part >= last_parts) {
      ZEROS:
        for (int t = 0; t < V; ++t) {
          SWM_UNROLL
          value.v[t] = 0;
        }
      } else {
        value = read_beat<V, in_t>(in, beat);
        ++beat;
      }
    VALUES:
      for (int t = 0; t < V; ++t) {
        SWM_UNROLL
        const int at = part * V + t;
        x[at / k][at % k] = value.v[t];
      }
    }
    vec<typename L::spectrum_t, L::x_beat> spectra;
  LANES:
    for (int lane = 0; lane < lanes; ++lane) {
      SWM_UNROLL
      cplx<L::spectrum_bits> y[words];
      SWM_PARTITION(y, 0)
      detail::forward_block<L::k, Cfg::in_bits, L::spectrum_bits, Cfg::fft_shifts>::run(x[lane], y);
    WORDS:
      for (int w = 0; w < words; ++w) {
        SWM_UNROLL
        spectra.v[(lane * words + w) * 2] = y[w].re;
        spectra.v[(lane * words + w) * 2 + 1] = y[w].im;
      }
    }
    write_beat<L::x_beat>(out, i, spectra);
    group = last ? count_t<L::x_beats - 1>(0) : count_t<L::x_beats - 1>(group + 1);
  }
}

}  // namespace swm
