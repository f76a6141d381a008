// SPDX-License-Identifier: Apache-2.0
/// \file irfft.h
/// \brief Inverse real transforms of the p blocks of a layer's output, then bias, activation and the last rounding.
///
/// Decimation in frequency, the mirror of rfft.h: a unit of stage N splits two words of a spectrum of N points into one
/// word of its even and one of its odd samples. The first log2(k) - fft_shifts stages halve, so the gain of both
/// transforms together is one. Intermediate values never leave inverse_bits: nothing saturates before the end.
///
/// II = 1. Iterations: beats to load, passes * groups * units, then ceil(m / out_vec) to write.
///
/// Block row `g * mac_blocks + sub * ifft_lanes + lane` is transformed in lane `lane`, at place [sub][g]; the passes
/// alternate between two buffers as in rfft.h.
#pragma once

#include "circulant.h"
#include "count.h"
#include "finish.h"
#include "tables.h"

namespace swm {
namespace detail {

/// v through one rounding of 16 bits, or of 17 when the stage halves.
template <int W>
inline int_t<W> rotate_round(bool halve, int_t<W + 20> v) {
  SWM_INLINE
  const int_t<W + 5> plain = int_t<W + 5>(round_shift<16, W + 20>(v));
  const int_t<W + 5> half = int_t<W + 5>(round_shift<17, W + 20>(v));
  return int_t<W>(halve ? half : plain);
}

/// One unit of stage N: x and y are words i and N/2 - i (unit 0: words 0 and N/4), W_N^i = c - j s.
template <int W>
inline void inverse_unit(const cplx<W>& x, const cplx<W>& y, bool packed, int_t<18> c, int_t<18> s, bool halve, cplx<W>& even,
                         cplx<W>& odd) {
  SWM_INLINE
  const int_t<W + 1> d_re = subtract<W>(x.re, y.re);
  const int_t<W + 1> d_im = add<W>(x.im, y.im);
  const int_t<W + 20> rotated_re = subtract<W + 19>(multiply<W + 1, 18>(d_re, c), multiply<W + 1, 18>(d_im, s));
  const int_t<W + 20> rotated_im = add<W + 19>(multiply<W + 1, 18>(d_im, c), multiply<W + 1, 18>(d_re, s));
  const int_t<W + 1> sum_re = packed ? add<W>(x.re, x.im) : add<W>(x.re, y.re);
  const int_t<W + 1> sum_im = packed ? add<W>(y.re, y.re) : subtract<W>(x.im, y.im);
  const int_t<W + 1> odd_re = subtract<W>(x.re, x.im);
  const int_t<W + 1> odd_im = int_t<W + 1>(-add<W>(y.im, y.im));
  even.re = halve_if<W>(halve, int_t<W + 2>(sum_re));
  even.im = halve_if<W>(halve, int_t<W + 2>(sum_im));
  odd.re = packed ? halve_if<W>(halve, int_t<W + 2>(odd_re)) : rotate_round<W>(halve, rotated_re);
  odd.im = packed ? halve_if<W>(halve, int_t<W + 2>(odd_im)) : rotate_round<W>(halve, rotated_im);
}

/// The last pass: one or two packed words back to two or four real values.
template <int W, int Halvings, int Points>
struct last_unit;

template <int W, int Halvings>
struct last_unit<W, Halvings, 2> {
  static void run(const cplx<W>& a, const cplx<W>&, int_t<W> y[2]) {
    SWM_INLINE
    y[0] = int_t<W>(round_shift<Halvings, W + 1>(add<W>(a.re, a.im)));
    y[1] = int_t<W>(round_shift<Halvings, W + 1>(subtract<W>(a.re, a.im)));
  }
};

template <int W, int Halvings>
struct last_unit<W, Halvings, 4> {
  static void run(const cplx<W>& a, const cplx<W>& b, int_t<W> y[4]) {
    SWM_INLINE
    const int_t<W + 1> total = add<W>(a.re, a.im), difference = subtract<W>(a.re, a.im);
    const int_t<W + 1> twice_re = add<W>(b.re, b.re), twice_im = add<W>(b.im, b.im);
    y[0] = int_t<W>(round_shift<Halvings, W + 2>(add<W + 1>(total, twice_re)));
    y[1] = int_t<W>(round_shift<Halvings, W + 2>(subtract<W + 1>(difference, twice_im)));
    y[2] = int_t<W>(round_shift<Halvings, W + 2>(subtract<W + 1>(total, twice_re)));
    y[3] = int_t<W>(round_shift<Halvings, W + 2>(add<W + 1>(difference, twice_im)));
  }
};

/// [sub][word][lane], words of the groups of block rows one after the other.
template <class Cfg>
struct inverse_buffer {
  typedef circulant<Cfg> L;
  typedef cplx<L::inverse_bits> type[L::sub_lanes][L::mac_groups * L::words][Cfg::ifft_lanes];
};

/// Real values of all blocks: point i*units + u of a block lies at [i][u].
template <class Cfg>
struct inverse_points {
  typedef circulant<Cfg> L;
  typedef int_t<L::inverse_bits> type[L::mac_groups][L::sub_lanes][Cfg::ifft_lanes][L::points][L::units];
};

/// Stage log2 N of all blocks.
template <class Cfg>
void inverse_pass(const typename inverse_buffer<Cfg>::type& source, typename inverse_buffer<Cfg>::type& target, int stage) {
  SWM_ONE_MODULE
  typedef circulant<Cfg> L;
  enum { W = L::inverse_bits, halvings = L::stages - Cfg::fft_shifts };
  const int quarter = 1 << (stage - 2);  // N/4
  const bool halve = L::stages - stage < halvings;
PASS_GROUPS:
  for (int g = 0; g < L::mac_groups; ++g) {
  PASS_SUBS:
    for (int sub = 0; sub < L::sub_lanes; ++sub) {
    PASS_UNITS:
      for (int u = 0; u < L::units; ++u) {
        SWM_PIPELINE
        SWM_NO_DEPENDENCE(target)
        SWM_TICK(4 * Cfg::id + 2);
        const int i = u & (quarter - 1);
        const int base = g * L::words;
        const int low = base + 2 * (u - i) + i;
        const int high = base + 2 * (u - i) + (i == 0 ? quarter : 2 * quarter - i);
        const int_t<18> c = tables::cosine(i << (8 - stage));
        const int_t<18> s = tables::sine(i << (8 - stage));
      PASS_LANES:
        for (int lane = 0; lane < Cfg::ifft_lanes; ++lane) {
          SWM_UNROLL
          cplx<W> even, odd;
          inverse_unit<W>(source[sub][low][lane], source[sub][high][lane], i == 0, c, s, halve, even, odd);
          target[sub][base + u][lane] = even;
          target[sub][base + u + L::units][lane] = odd;
        }
      }
    }
  }
}

/// Stages N = 4 and 2: packed words back to real values.
template <class Cfg>
void inverse_last(const typename inverse_buffer<Cfg>::type& source, typename inverse_points<Cfg>::type& y) {
  typedef circulant<Cfg> L;
  enum { W = L::inverse_bits, stages_here = L::k == 2 ? 1 : 2 };
  enum { halvings = min_of(stages_here, max_of(0, stages_here - Cfg::fft_shifts)) };
LAST_GROUPS:
  for (int g = 0; g < L::mac_groups; ++g) {
  LAST_SUBS:
    for (int sub = 0; sub < L::sub_lanes; ++sub) {
    LAST_UNITS:
      for (int u = 0; u < L::units; ++u) {
        SWM_PIPELINE
        SWM_TICK(4 * Cfg::id + 2);
        const int low = g * L::words + L::unit_words * u;
        const int high = low + L::unit_words - 1;
      LAST_LANES:
        for (int lane = 0; lane < Cfg::ifft_lanes; ++lane) {
          SWM_UNROLL
          int_t<W> values[L::points];
          last_unit<W, halvings, L::points>::run(source[sub][low][lane], source[sub][high][lane], values);
        LAST_POINTS:
          for (int i = 0; i < L::points; ++i) {
            SWM_UNROLL
            y[g][sub][lane][i][u] = values[i];
          }
        }
      }
    }
  }
}

}  // namespace detail

/// \param bias  ceil(m / out_vec) * out_vec values at the binary point of the sums
/// \param in    beats of spectral_mac
/// \param out   beats of out_vec outputs; surplus values of the last beat are zero
template <class Cfg, class In, class Out>
void irfft(const typename circulant<Cfg>::bias_t bias[circulant<Cfg>::bias_words], In& in, Out& out) {
  typedef circulant<Cfg> L;
  enum { W = L::inverse_bits, lanes = Cfg::ifft_lanes, rows = Cfg::mac_blocks, bins = Cfg::mac_bins, V = Cfg::out_vec };
  enum { banks = min_of(V, L::units) };

  SWM_PARTITION_CYCLIC(bias, V, 1)
  typename detail::inverse_buffer<Cfg>::type even, odd;
  SWM_PARTITION(even, 1)
  SWM_PARTITION_CYCLIC(even, bins, 2)
  SWM_PARTITION(even, 3)
  SWM_PARTITION(odd, 1)
  SWM_PARTITION(odd, 3)
  typename detail::inverse_points<Cfg>::type y;
  SWM_PARTITION(y, 3)
  SWM_PARTITION(y, 4)
  SWM_PARTITION_CYCLIC(y, banks, 5)

LOAD_GROUPS:
  for (int g = 0; g < L::mac_groups; ++g) {
  LOAD_WORDS:
    for (int f = 0; f < L::word_groups; ++f) {
      SWM_PIPELINE
      SWM_TICK(4 * Cfg::id + 2);
      const vec<typename L::rounded_t, L::a_beat> sums = read_beat<L::a_beat, typename L::rounded_t>(in, g * L::word_groups + f);
    LOAD_ROWS:
      for (int o = 0; o < rows; ++o) {
        SWM_UNROLL
      LOAD_BINS:
        for (int b = 0; b < bins; ++b) {
          SWM_UNROLL
          cplx<W> word;
          word.re = sums.v[(o * bins + b) * 2];
          word.im = sums.v[(o * bins + b) * 2 + 1];
          even[o / lanes][g * L::words + f * bins + b][o % lanes] = word;
        }
      }
    }
  }

STAGES:
  for (int stage = L::stages; stage > 2; stage -= 2) {
    detail::inverse_pass<Cfg>(even, odd, stage);
    if (stage > 3) detail::inverse_pass<Cfg>(odd, even, stage - 1);
  }
  if (L::stages > 2 && L::stages % 2 == 1) {
    detail::inverse_last<Cfg>(odd, y);
  } else {
    detail::inverse_last<Cfg>(even, y);
  }

  int group = 0, sub = 0, lane = 0, start = 0;
WRITE:
  for (int beat = 0; beat < L::out_beats; ++beat) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id + 2);
    vec<typename L::out_t, V> value;
  WRITE_VALUES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const int index = beat * V + i;
      const int point = start + i;
      value.v[i] = 0;
      if (index < Cfg::m) {
        const int_t<W> sum = y[group][sub][lane][point / L::units][point % L::units];
        const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(sum) + int_t<L::value_bits>(bias[index]));
        value.v[i] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      }
    }
    write_beat<V>(out, beat, value);
    // Counters instead of divisions by the number of lanes: next beat, next lane, next set of lanes, next group.
    const bool next_lane = start == L::k - V;
    const bool next_sub = next_lane && lane == lanes - 1;
    const bool next_group = next_sub && sub == L::sub_lanes - 1;
    start = next_lane ? 0 : start + V;
    lane = next_sub ? 0 : next_lane ? lane + 1 : lane;
    sub = next_group ? 0 : next_sub ? sub + 1 : sub;
    group = next_group ? group + 1 : group;
  }
}

}  // namespace swm
