// SPDX-License-Identifier: Apache-2.0
/// \file irfft.h
/// \brief Inverse real transforms of the p blocks of a layer's output, then bias, activation and the last rounding.
///
/// Decimation in frequency, the mirror of rfft.h: a unit of stage N splits two words of a spectrum of N points into one
/// word of its even and one of its odd samples. The first log2(k) - fft_shifts stages halve, so the gain of both
/// transforms together is one. Intermediate values never leave inverse_bits: nothing saturates before the end.
///
/// II = 1. Iterations: beats to load, passes * groups * units, then ceil(m / out_vec) to write.
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

}  // namespace detail

/// \param bias  ceil(m / out_vec) * out_vec values at the binary point of the sums
/// \param in    beats of spectral_mac
/// \param out   beats of out_vec outputs; surplus values of the last beat are zero
template <class Cfg, class In, class Out>
void irfft(const typename circulant<Cfg>::bias_t* bias, In& in, Out& out) {
  typedef circulant<Cfg> L;
  enum { W = L::inverse_bits, lanes = Cfg::ifft_lanes, rows = Cfg::mac_blocks, bins = Cfg::mac_bins, V = Cfg::out_vec };
  enum { out_banks = min_of(V, L::units) };
  enum { halving_stages = L::stages - Cfg::fft_shifts, last_stages = L::k == 2 ? 1 : 2 };
  enum { last_halvings = min_of(last_stages, max_of(0, halving_stages - (L::stages - last_stages))) };
  typedef cplx<W> word_t;

  word_t a[L::mac_groups][rows][L::words];
  SWM_PARTITION(a, 2)
  SWM_PARTITION_CYCLIC(a, bins, 3)
  word_t buffer[2][L::ifft_groups * L::words][lanes];
  SWM_PARTITION(buffer, 1)
  SWM_PARTITION(buffer, 3)
  // Point i*units + u of block group*lanes + lane lies at [group][lane][i][u].
  int_t<W> y[L::ifft_groups][lanes][L::points][L::units];
  SWM_PARTITION(y, 2)
  SWM_PARTITION(y, 3)
  SWM_PARTITION_CYCLIC(y, out_banks, 4)

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
          a[g][o][f * bins + b].re = sums.v[(o * bins + b) * 2];
          a[g][o][f * bins + b].im = sums.v[(o * bins + b) * 2 + 1];
        }
      }
    }
  }

STAGES:
  for (int done = 0; done < L::stages - 2; ++done) {
    const int stage = L::stages - done;
    const int source = done & 1;
    const int quarter = 1 << (stage - 2);  // N/4
    const bool halve = done < halving_stages;
  STAGE_GROUPS:
    for (int g = 0; g < L::ifft_groups; ++g) {
    STAGE_UNITS:
      for (int u = 0; u < L::units; ++u) {
        SWM_PIPELINE
        SWM_NO_DEPENDENCE(buffer)
        SWM_TICK(4 * Cfg::id + 2);
        const int i = u & (quarter - 1);
        const int low = 2 * (u - i) + i;
        const int high = 2 * (u - i) + (i == 0 ? quarter : 2 * quarter - i);
        const int_t<18> c = tables::cosine(i << (8 - stage));
        const int_t<18> s = tables::sine(i << (8 - stage));
      STAGE_LANES:
        for (int lane = 0; lane < lanes; ++lane) {
          SWM_UNROLL
          const int row = (g % L::sub_lanes) * lanes + lane;
          const bool first = done == 0;
          const word_t x = first ? a[g / L::sub_lanes][row][low] : buffer[source][g * L::words + low][lane];
          const word_t z = first ? a[g / L::sub_lanes][row][high] : buffer[source][g * L::words + high][lane];
          word_t even, odd;
          detail::inverse_unit<W>(x, z, i == 0, c, s, halve, even, odd);
          buffer[1 - source][g * L::words + u][lane] = even;
          buffer[1 - source][g * L::words + u + L::units][lane] = odd;
        }
      }
    }
  }

LAST_GROUPS:
  for (int g = 0; g < L::ifft_groups; ++g) {
  LAST_UNITS:
    for (int u = 0; u < L::units; ++u) {
      SWM_PIPELINE
      SWM_TICK(4 * Cfg::id + 2);
    LAST_LANES:
      for (int lane = 0; lane < lanes; ++lane) {
        SWM_UNROLL
        const int row = (g % L::sub_lanes) * lanes + lane;
        const int low = L::unit_words * u;
        const int high = low + L::unit_words - 1;
        const word_t x = L::passes == 1 ? a[g / L::sub_lanes][row][low] : buffer[L::stages & 1][g * L::words + low][lane];
        const word_t z = L::passes == 1 ? a[g / L::sub_lanes][row][high] : buffer[L::stages & 1][g * L::words + high][lane];
        int_t<W> values[L::points];
        detail::last_unit<W, last_halvings, L::points>::run(x, z, values);
      LAST_POINTS:
        for (int i = 0; i < L::points; ++i) {
          SWM_UNROLL
          y[g][lane][i][u] = values[i];
        }
      }
    }
  }

WRITE:
  for (int beat = 0; beat < L::out_beats; ++beat) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id + 2);
    vec<typename L::out_t, V> value;
  WRITE_VALUES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const int index = beat * V + i;
      const int block = index / L::k;
      const int point = index % L::k;
      if (index < Cfg::m) {
        const int_t<W> sum = y[block / lanes][block % lanes][point / L::units][point % L::units];
        const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(sum) + int_t<L::value_bits>(bias[index]));
        value.v[i] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      } else {
        value.v[i] = 0;
      }
    }
    write_beat<V>(out, beat, value);
  }
}

}  // namespace swm
