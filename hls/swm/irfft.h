// SPDX-License-Identifier: Apache-2.0
/// \file irfft.h
/// \brief Inverse real transforms of the p blocks of a layer's output, then bias, activation and the last rounding.
///
/// Decimation in frequency, the mirror of rfft.h: a unit of stage N splits two words of a spectrum of N points into one
/// word of its even and one of its odd samples. The first log2(k) - fft_shifts stages halve, so the gain of both
/// transforms together is one. Intermediate values never leave inverse_bits: nothing saturates before the end (two parts
/// of rounded_bits make a word of at most sqrt(2) 2^(rounded_bits-1); a halving stage keeps that bound, another doubles it).
///
/// y[t] = 2^-(log2 k - fft_shifts) sum over i of A[i] W_k^(-i t), the sum over all k bins (A[k-i] = conj A[i]);
/// k/2 words of two rounded_bits integers in, k integers of inverse_bits, m of out_bits out.
///
/// II = 1. Iterations: beats to load, passes * groups * units, then ceil(m / out_vec) to write. Latency is these plus the
/// fill of 2 + passes pipelines.
///
/// Block row `g * mac_blocks + sub * ifft_lanes + lane` is transformed in lane `lane`, at place [sub][g]; the passes
/// alternate between two buffers as in rfft.h. Loading writes mac_bins words of every row at once, so a buffer has
/// mac_bins banks; both have, for passes with differently partitioned arguments would be built twice.
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "circulant.h"
#include "count.h"
#include "finish.h"
#include "tables.h"

namespace swm {
namespace detail {

/// v through one rounding of 16 bits, or of 17 when the stage halves.
template <int W, int Wide>
inline int_t<W> rotate_round(bool halve, int_t<Wide> v) {
  SWM_INLINE
  const int_t<Wide - 15> plain = round_shift<16, Wide>(v);
  const int_t<Wide - 15> half = int_t<Wide - 15>(round_shift<17, Wide>(v));
  return int_t<W>(halve ? half : plain);
}

/// One unit of stage N: x and y are words i and N/2 - i (unit 0: words 0 and N/4), W_N^i = c - j s.
///
/// W bits hold a word, Turn bits x - conj(y) of every stage that rotates.
template <int W, int Turn>
inline void inverse_unit(const cplx<W>& x, const cplx<W>& y, bool packed, int_t<18> c, int_t<18> s, bool halve, cplx<W>& even,
                         cplx<W>& odd) {
  SWM_INLINE
  const int_t<Turn> d_re = int_t<Turn>(subtract<W>(x.re, y.re));
  const int_t<Turn> d_im = int_t<Turn>(add<W>(x.im, y.im));
  const int_t<Turn + 19> rotated_re = subtract<Turn + 18>(multiply<Turn, 18>(d_re, c), multiply<Turn, 18>(d_im, s));
  const int_t<Turn + 19> rotated_im = add<Turn + 18>(multiply<Turn, 18>(d_im, c), multiply<Turn, 18>(d_re, s));
  const int_t<W + 1> sum_re = packed ? add<W>(x.re, x.im) : add<W>(x.re, y.re);
  const int_t<W + 1> sum_im = packed ? add<W>(y.re, y.re) : subtract<W>(x.im, y.im);
  const int_t<W + 1> odd_re = subtract<W>(x.re, x.im);
  const int_t<W + 1> odd_im = int_t<W + 1>(-add<W>(y.im, y.im));
  even.re = halve_if<W>(halve, int_t<W + 2>(sum_re));
  even.im = halve_if<W>(halve, int_t<W + 2>(sum_im));
  odd.re = packed ? halve_if<W>(halve, int_t<W + 2>(odd_re)) : rotate_round<W, Turn + 19>(halve, rotated_re);
  odd.im = packed ? halve_if<W>(halve, int_t<W + 2>(odd_im)) : rotate_round<W, Turn + 19>(halve, rotated_im);
}

/// The last pass: one or two packed words of W bits back to two or four real values of WY bits.
template <int W, int WY, int Halvings, int Points>
struct last_unit;

template <int W, int WY, int Halvings>
struct last_unit<W, WY, Halvings, 2> {
  static void run(const cplx<W>& a, const cplx<W>&, int_t<WY> y[2]) {
    SWM_INLINE
    y[0] = int_t<WY>(round_shift<Halvings, W + 1>(add<W>(a.re, a.im)));
    y[1] = int_t<WY>(round_shift<Halvings, W + 1>(subtract<W>(a.re, a.im)));
  }
};

template <int W, int WY, int Halvings>
struct last_unit<W, WY, Halvings, 4> {
  static void run(const cplx<W>& a, const cplx<W>& b, int_t<WY> y[4]) {
    SWM_INLINE
    const int_t<W + 1> total = add<W>(a.re, a.im), difference = subtract<W>(a.re, a.im);
    const int_t<W + 1> twice_re = add<W>(b.re, b.re), twice_im = add<W>(b.im, b.im);
    y[0] = int_t<WY>(round_shift<Halvings, W + 2>(add<W + 1>(total, twice_re)));
    y[1] = int_t<WY>(round_shift<Halvings, W + 2>(subtract<W + 1>(difference, twice_im)));
    y[2] = int_t<WY>(round_shift<Halvings, W + 2>(subtract<W + 1>(total, twice_re)));
    y[3] = int_t<WY>(round_shift<Halvings, W + 2>(add<W + 1>(difference, twice_im)));
  }
};

/// How the values of a block are stored: [point / units][point % units / banks][point % banks].
template <class Cfg>
struct output_layout {
  enum {
    banks = min_of(Cfg::out_vec, circulant<Cfg>::units),  // values of a beat that share point / units
    deep = circulant<Cfg>::units / banks
  };
};

/// Stage log2 N of all blocks; buffers are [sub][word / mac_bins][word % mac_bins][lane].
template <class Cfg>
void inverse_pass(const cplx<circulant<Cfg>::inverse_pass_bits> source[circulant<Cfg>::sub_lanes][circulant<Cfg>::ifft_rows]
                                                                      [Cfg::mac_bins][Cfg::ifft_lanes],
                  cplx<circulant<Cfg>::inverse_pass_bits> target[circulant<Cfg>::sub_lanes][circulant<Cfg>::ifft_rows]
                                                                [Cfg::mac_bins][Cfg::ifft_lanes],
                  int stage) {
  SWM_ONE_MODULE
  typedef circulant<Cfg> L;
  constexpr int bins = Cfg::mac_bins, bin_bits = log2_of(bins);
  enum { W = L::inverse_pass_bits, halvings = L::stages - Cfg::fft_shifts };
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
        const int first = base + u, second = base + u + L::units;
        const int_t<18> c = tables::cosine(i << (8 - stage));
        const int_t<18> s = tables::sine(i << (8 - stage));
      PASS_LANES:
        for (int lane = 0; lane < Cfg::ifft_lanes; ++lane) {
          SWM_UNROLL
          cplx<W> even, odd;
          inverse_unit<W, L::inverse_turn_bits>(source[sub][low >> bin_bits][low & (bins - 1)][lane],
                                                source[sub][high >> bin_bits][high & (bins - 1)][lane], i == 0, c, s, halve,
                                                even, odd);
          target[sub][first >> bin_bits][first & (bins - 1)][lane] = even;
          target[sub][second >> bin_bits][second & (bins - 1)][lane] = odd;
        }
      }
    }
  }
}

/// Stages N = 4 and 2: packed words back to real values.
template <class Cfg>
void inverse_last(const cplx<circulant<Cfg>::inverse_pass_bits> source[circulant<Cfg>::sub_lanes][circulant<Cfg>::ifft_rows]
                                                                      [Cfg::mac_bins][Cfg::ifft_lanes],
                  int_t<circulant<Cfg>::inverse_bits> y[circulant<Cfg>::mac_groups][circulant<Cfg>::sub_lanes][Cfg::ifft_lanes]
                                                       [circulant<Cfg>::points][output_layout<Cfg>::deep]
                                                       [output_layout<Cfg>::banks]) {
  typedef circulant<Cfg> L;
  constexpr int bins = Cfg::mac_bins, bin_bits = log2_of(bins), banks = output_layout<Cfg>::banks;
  enum { W = L::inverse_pass_bits, WY = L::inverse_bits, stages_here = L::k == 2 ? 1 : 2 };
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
          int_t<WY> values[L::points];
          SWM_PARTITION(values, 1)
          last_unit<W, WY, halvings, L::points>::run(source[sub][low >> bin_bits][low & (bins - 1)][lane],
                                                     source[sub][high >> bin_bits][high & (bins - 1)][lane], values);
        LAST_POINTS:
          for (int i = 0; i < L::points; ++i) {
            SWM_UNROLL
            y[g][sub][lane][i][u >> log2_of(banks)][u & (banks - 1)] = values[i];
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
  typedef detail::output_layout<Cfg> Layout;
  constexpr int lanes = Cfg::ifft_lanes, rows = Cfg::mac_blocks, bins = Cfg::mac_bins, V = Cfg::out_vec;
  constexpr int banks = Layout::banks, deep = Layout::deep, block_beats = L::k / V;

  SWM_WIDE_WORDS_OF(bias, V)
  typedef cplx<L::inverse_pass_bits> word_t;
  word_t even[L::sub_lanes][L::ifft_rows][bins][lanes], odd[L::sub_lanes][L::ifft_rows][bins][lanes];
  SWM_PARTITION(even, 1)
  SWM_PARTITION(even, 3)
  SWM_PARTITION(even, 4)
  SWM_PARTITION(odd, 1)
  SWM_PARTITION(odd, 3)
  SWM_PARTITION(odd, 4)
  int_t<L::inverse_bits> y[L::mac_groups][L::sub_lanes][lanes][L::points][deep][banks];
  SWM_PARTITION(y, 3)
  SWM_PARTITION(y, 4)
  SWM_PARTITION(y, 6)

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
          word_t word;
          word.re = sums.v[(o * bins + b) * 2];
          word.im = sums.v[(o * bins + b) * 2 + 1];
          even[o / lanes][g * L::word_groups + f][b][o % lanes] = word;
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

  int group = 0, sub = 0, lane = 0, part = 0;  // part: beat of the block
WRITE:
  for (int beat = 0; beat < L::out_beats; ++beat) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id + 2);
    const int place = (part * V) >> log2_of(L::units);  // point / units of the first value
    const int depth = part & (deep - 1);
    vec<typename L::out_t, V> value;
  WRITE_VALUES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const int index = beat * V + i;
      value.v[i] = 0;
      if (index < Cfg::m) {
        const int_t<L::inverse_bits> sum = y[group][sub][lane][place + i / banks][depth][i % banks];
        const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(sum) + int_t<L::value_bits>(bias[index]));
        value.v[i] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      }
    }
    write_beat<V>(out, beat, value);
    // Counters instead of divisions by the number of lanes: next beat, next lane, next set of lanes, next group.
    const bool next_lane = part == block_beats - 1;
    const bool next_sub = next_lane && lane == lanes - 1;
    const bool next_group = next_sub && sub == L::sub_lanes - 1;
    part = next_lane ? 0 : part + 1;
    lane = next_sub ? 0 : next_lane ? lane + 1 : lane;
    sub = next_group ? 0 : next_sub ? sub + 1 : sub;
    group = next_group ? group + 1 : group;
  }
}

}  // namespace swm
