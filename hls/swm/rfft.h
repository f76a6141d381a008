// SPDX-License-Identifier: Apache-2.0
/// \file rfft.h
/// \brief Forward real transforms of the q blocks of a layer's input.
///
/// Decimation in time without bit reversal: sub-transform r of a pass joins sub-transforms r and r + k/N of the one
/// before, so operands lie at u and u + k/4 in every pass. Stages 1 and 2 are one pass without multiplications;
/// then one stage a pass. A unit takes two complex words and gives two: one complex multiplication.
/// fft_lanes blocks run side by side on the same addresses and twiddles.
///
/// X[i] = sum over t of x[t] W_k^(i t), W_k = exp(-2 pi j / k), i = 0 .. k/2; word 0 packs the real bins 0 and k/2, word
/// i is X[i]: k in_bits integers in, k/2 words of two spectrum_bits integers out. The last fft_shifts stages halve.
///
/// II = 1. Iterations: blocks * k / in_vec to load, then passes * groups * k/4; the last pass feeds the output. Latency is
/// these plus the fill of 1 + passes pipelines (passes = max(1, log2 k - 1)).
///
/// Memories: a lane has arrays of its own. A pass reads two words a lane from one buffer and writes two to the other, so
/// two-port RAMs suffice; the buffers are arguments of the pass, which makes that visible to the synthesiser, and have
/// one shape and one partition, without which it would build a second copy of the pass and its multipliers.
/// Loading names every bank by constants and enables the right ones: no address has to be understood to prove II = 1.
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "circulant.h"
#include "count.h"
#include "tables.h"

namespace swm {
namespace detail {

/// Four-point (k = 2: two-point) transform of real values into one or two packed words.
template <int W, int Points>
struct first_unit;

template <int W>
struct first_unit<W, 2> {
  static void run(const int_t<W> x[2], int /*halvings*/, cplx<W>& lo, cplx<W>& hi) {
    SWM_INLINE
    lo.re = int_t<W>(add<W>(x[0], x[1]));
    lo.im = int_t<W>(subtract<W>(x[0], x[1]));
    hi = lo;  // never stored
  }
};

template <int W>
struct first_unit<W, 4> {
  static void run(const int_t<W> x[4], int halvings, cplx<W>& lo, cplx<W>& hi) {
    SWM_INLINE
    const int_t<W + 1> t0 = add<W>(x[0], x[2]);
    const int_t<W + 1> t1 = subtract<W>(x[0], x[2]);
    const int_t<W + 1> t2 = add<W>(x[1], x[3]);
    const int_t<W + 1> t3 = subtract<W>(x[1], x[3]);
    lo.re = shifted(add<W + 1>(t0, t2), halvings);
    lo.im = shifted(subtract<W + 1>(t0, t2), halvings);
    hi.re = shifted(int_t<W + 2>(t1), halvings);
    hi.im = shifted(int_t<W + 2>(-int_t<W + 2>(t3)), halvings);
  }
  /// halvings is a constant of the layer: 0, 1 or 2, with one rounding.
  static int_t<W> shifted(int_t<W + 2> v, int halvings) {
    SWM_INLINE
    if (halvings == 2) return int_t<W>(round_shift<2, W + 2>(v));
    return halve_if<W>(halvings == 1, v);
  }
};

/// One unit of stage N: e and o are words i of two spectra of N/2 points, W_N^i = c - j s.
template <int W>
inline void forward_unit(const cplx<W>& e, const cplx<W>& o, bool packed, int_t<18> c, int_t<18> s, bool halve, cplx<W>& lo,
                         cplx<W>& hi) {
  SWM_INLINE
  const int_t<W + 18 + 1> rotated_re = add<W + 18>(multiply<W, 18>(o.re, c), multiply<W, 18>(o.im, s));
  const int_t<W + 18 + 1> rotated_im = subtract<W + 18>(multiply<W, 18>(o.im, c), multiply<W, 18>(o.re, s));
  // |o| cos and sin stay below 2^(W+16), so a rotated part fits W + 1 bits.
  const int_t<W + 1> t_re = int_t<W + 1>(round_shift<16, W + 19>(rotated_re));
  const int_t<W + 1> t_im = int_t<W + 1>(round_shift<16, W + 19>(rotated_im));
  const int_t<W + 1> e_re = e.re, e_im = e.im;
  const int_t<W + 1> o_re = o.re, o_im = o.im;
  // Word 0 holds two real bins: they meet the real bins of the other half without a rotation.
  const int_t<W + 2> lo_re = packed ? add<W + 1>(e_re, o_re) : add<W + 1>(e_re, t_re);
  const int_t<W + 2> lo_im = packed ? subtract<W + 1>(e_re, o_re) : add<W + 1>(e_im, t_im);
  const int_t<W + 2> hi_re = packed ? int_t<W + 2>(e_im) : subtract<W + 1>(e_re, t_re);
  const int_t<W + 2> hi_im = packed ? int_t<W + 2>(-int_t<W + 2>(o_im)) : subtract<W + 1>(t_im, e_im);
  lo.re = halve_if<W>(halve, lo_re);
  lo.im = halve_if<W>(halve, lo_im);
  hi.re = halve_if<W>(halve, hi_re);
  hi.im = halve_if<W>(halve, hi_im);
}

/// Puts the words of one lane into a beat.
template <class L, class Beat>
inline void put_words(Beat& beat, int lane, const cplx<L::spectrum_bits>& lo, const cplx<L::spectrum_bits>& hi) {
  SWM_INLINE
  const int at = lane * L::unit_words * 2;
  beat.v[at] = lo.re;
  beat.v[at + 1] = lo.im;
  if (L::unit_words == 2) {
    beat.v[at + L::unit_words] = hi.re;
    beat.v[at + L::unit_words + 1] = hi.im;
  }
}

/// How the input of a block is stored: [point / units][point % units / banks][point % banks].
template <class Cfg>
struct input_layout {
  enum {
    banks = min_of(Cfg::in_vec, circulant<Cfg>::units),  // values of a beat that share point / units
    deep = circulant<Cfg>::units / banks,
    together = Cfg::in_vec / banks  // places point / units that one beat fills
  };
};

/// Stages 1 and 2: real points to packed words of four-point spectra.
template <class Cfg, class Out>
void forward_first(const typename circulant<Cfg>::in_t x[circulant<Cfg>::fft_groups][Cfg::fft_lanes][circulant<Cfg>::points]
                                                         [input_layout<Cfg>::deep][input_layout<Cfg>::banks],
                   cplx<circulant<Cfg>::spectrum_bits> target[circulant<Cfg>::fft_words][Cfg::fft_lanes], Out& out) {
  typedef circulant<Cfg> L;
  constexpr int banks = input_layout<Cfg>::banks;
  enum { W = L::spectrum_bits, grown = L::stages - Cfg::fft_shifts, halvings = L::k == 2 ? 0 : max_of(0, 2 - grown) };
FIRST_GROUPS:
  for (int g = 0; g < L::fft_groups; ++g) {
  FIRST_UNITS:
    for (int u = 0; u < L::units; ++u) {
      SWM_PIPELINE
      SWM_TICK(4 * Cfg::id);
      vec<typename L::spectrum_t, L::x_beat> words;
    FIRST_LANES:
      for (int lane = 0; lane < Cfg::fft_lanes; ++lane) {
        SWM_UNROLL
        int_t<W> points[L::points];
        SWM_PARTITION(points, 1)
      FIRST_POINTS:
        for (int i = 0; i < L::points; ++i) {
          SWM_UNROLL
          points[i] = x[g][lane][i][u >> log2_of(banks)][u & (banks - 1)];
        }
        cplx<W> lo, hi;
        first_unit<W, L::points>::run(points, halvings, lo, hi);
        put_words<L>(words, lane, lo, hi);
        if (L::passes > 1) {
          target[g * L::words + 2 * u][lane] = lo;
          target[g * L::words + 2 * u + L::unit_words - 1][lane] = hi;
        }
      }
      if (L::passes == 1) write_beat<L::x_beat>(out, g * L::units + u, words);
    }
  }
}

/// Stage log2 N of all blocks; the last one feeds the output instead of the other buffer.
template <class Cfg, class Out>
void forward_pass(const cplx<circulant<Cfg>::spectrum_bits> source[circulant<Cfg>::fft_words][Cfg::fft_lanes],
                  cplx<circulant<Cfg>::spectrum_bits> target[circulant<Cfg>::fft_words][Cfg::fft_lanes], int stage, Out& out) {
  SWM_ONE_MODULE
  typedef circulant<Cfg> L;
  enum { W = L::spectrum_bits, grown = L::stages - Cfg::fft_shifts };
  const int quarter = 1 << (stage - 2);  // N/4
  const bool halve = stage > grown;
  const bool last = stage == L::stages;
PASS_GROUPS:
  for (int g = 0; g < L::fft_groups; ++g) {
  PASS_UNITS:
    for (int u = 0; u < L::units; ++u) {
      SWM_PIPELINE
      SWM_NO_DEPENDENCE(target)
      SWM_TICK(4 * Cfg::id);
      const int i = u & (quarter - 1);
      const int base = g * L::words + 2 * (u - i);
      const int low = base + i;
      const int high = base + (i == 0 ? quarter : 2 * quarter - i);
      const int_t<18> c = tables::cosine(i << (8 - stage));
      const int_t<18> s = tables::sine(i << (8 - stage));
      vec<typename L::spectrum_t, L::x_beat> words;
    PASS_LANES:
      for (int lane = 0; lane < Cfg::fft_lanes; ++lane) {
        SWM_UNROLL
        const cplx<W> e = source[g * L::words + u][lane];
        const cplx<W> o = source[g * L::words + u + L::units][lane];
        cplx<W> lo, hi;
        forward_unit<W>(e, o, i == 0, c, s, halve, lo, hi);
        put_words<L>(words, lane, lo, hi);
        if (!last) {
          target[low][lane] = lo;
          target[high][lane] = hi;
        }
      }
      if (last) write_beat<L::x_beat>(out, g * L::units + u, words);
    }
  }
}

}  // namespace detail

/// \param in   beats of in_vec input values, ceil(n / in_vec) of them
/// \param out  beats of fft_lanes pairs of spectral words (k = 2: one word), in the order of the last pass
template <class Cfg, class In, class Out>
void rfft(In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef detail::input_layout<Cfg> Layout;
  constexpr int lanes = Cfg::fft_lanes, V = Cfg::in_vec, block_beats = L::k / V;
  constexpr int banks = Layout::banks, deep = Layout::deep, together = Layout::together;

  // The operands of a unit come from different arrays, and so do the values of a beat.
  typename L::in_t x[L::fft_groups][lanes][L::points][deep][banks];
  SWM_PARTITION(x, 2)
  SWM_PARTITION(x, 3)
  SWM_PARTITION(x, 5)
  cplx<L::spectrum_bits> even[L::fft_words][lanes], odd[L::fft_words][lanes];
  SWM_PARTITION(even, 2)
  SWM_PARTITION(odd, 2)

  int beat = 0;
LOAD_GROUPS:
  for (int g = 0; g < L::fft_groups; ++g) {
  LOAD_LANES:
    for (int lane = 0; lane < lanes; ++lane) {
    LOAD_BLOCK:
      for (int b = 0; b < block_beats; ++b) {
        SWM_PIPELINE
        SWM_TICK(4 * Cfg::id);
        vec<typename L::in_t, V> value;
        if (beat < L::in_beats) {
          value = read_beat<V>(in, beat);
        } else {  // padding of the last block and of the last group
        ZERO:
          for (int i = 0; i < V; ++i) {
            SWM_UNROLL
            value.v[i] = 0;
          }
        }
        const int place = (b * V) >> log2_of(L::units);  // point / units of the first value
        const int depth = b & (deep - 1);
      STORE_PLACES:
        for (int i = 0; i < L::points; ++i) {
          SWM_UNROLL
        STORE_BANKS:
          for (int t = 0; t < banks; ++t) {
            SWM_UNROLL
            if (place >> log2_of(together) == i >> log2_of(together)) {
              x[g][lane][i][depth][t] = value.v[(i & (together - 1)) * banks + t];
            }
          }
        }
        ++beat;
      }
    }
  }

  detail::forward_first<Cfg>(x, even, out);
STAGES:
  for (int stage = 3; stage <= L::stages; stage += 2) {
    detail::forward_pass<Cfg>(even, odd, stage, out);
    if (stage < L::stages) detail::forward_pass<Cfg>(odd, even, stage + 1, out);
  }
}

}  // namespace swm
