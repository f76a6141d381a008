// SPDX-License-Identifier: Apache-2.0
/// \file irfft_store.h
/// \brief The end of the inverse transforms of k >= 32: stages 2 and 1, natural order, bias, activation (see irfft_passes.h).
///
/// Stage 3 gives words u and u + k/4 together, the last pass takes words 2u and 2u + 1. Two beats in a row, units 2v and
/// 2v + 1 of stage 3, hold the words of units v and v + k/8 of the last pass: one is done with the second beat, the other an
/// iteration later, so that nothing is stored in between. What is stored are values: see `corner` in passes.h.
///
/// II = 1. T = ifft_lanes k / out_vec iterations a row beat, R = ceil(p / ifft_lanes) row beats a token.
/// Iterations: T + 1 + tokens * R * T. Unit u of row beat r (counted over the call) is read at iteration r T + u T / (k/4); beat
/// b of it leaves at iteration (r + 1) T + 1 + b, but none behind the ceil(m / out_vec) beats of a token.
/// Memory: 4 ifft_lanes banks of k/2 values of inverse_bits.
///
/// \tparam Cfg  see circulant.h
#pragma once

#include "count.h"
#include "finish.h"
#include "passes.h"

namespace swm {
namespace detail {

/// Stages 2 and 1: two packed words of W bits back to four real values u + m k/4.
template <int W, int Halvings, class T>
inline void inverse_points(const cplx<W>& a, const cplx<W>& b, T* y, int at) {
  SWM_INLINE
  typedef int_t<W + 2> sum_t;
  const sum_t re = a.re, im = a.im, twice_re = sum_t(sum_t(b.re) * 2), twice_im = sum_t(sum_t(b.im) * 2);
  y[at] = T(round_shift<Halvings, W + 2>(sum_t(re + im + twice_re)));
  y[at + 1] = T(round_shift<Halvings, W + 2>(sum_t(re - im - twice_im)));
  y[at + 2] = T(round_shift<Halvings, W + 2>(sum_t(re + im - twice_re)));
  y[at + 3] = T(round_shift<Halvings, W + 2>(sum_t(re - im + twice_im)));
}

}  // namespace detail

/// \param bias  ceil(m / out_vec) * out_vec values at the binary point of the sums
/// \param in    units of stage 3
/// \param out   ceil(m / out_vec) beats of out_vec values a token; surplus values of the last beat are zero
template <class Cfg, class In, class Out>
void irfft_store(int tokens, const typename circulant<Cfg>::bias_t bias[circulant<Cfg>::bias_words], In& in, Out& out) {
  typedef circulant<Cfg> L;
  typedef typename L::inverse_pass_t word_t;
  typedef typename L::inverse_t value_t;
  static_assert(!L::streaming, "blocks of at most 16 points are transformed at once");
  constexpr int lanes = L::ifft_lanes, V = L::out_vec, units = L::units, beats = lanes * 4;
  typedef detail::corner<units, lanes, V> C;
  constexpr int banks = C::banks, part = C::part, together = C::together, time = C::time, period = L::ifft_groups * time;
  constexpr int tail = Cfg::m - (L::out_beats - 1) * V;  // values of the last beat of a token
  enum { W = L::inverse_pass_bits, halvings = max_of(0, 2 - Cfg::fft_shifts) };

  SWM_WIDE_WORDS_OF(bias, V)
  value_t y[banks][2 * units];
  SWM_PARTITION(y, 1)
  cplx<W> held[lanes][2], late[lanes][2];  // the beat before; the words of the unit that waits
  SWM_PARTITION(held, 0)
  SWM_PARTITION(late, 0)
CLEAR:
  for (int lane = 0; lane < lanes; ++lane) {
    SWM_UNROLL
    held[lane][0].re = held[lane][0].im = held[lane][1].re = held[lane][1].im = 0;
    late[lane][0].re = late[lane][0].im = late[lane][1].re = late[lane][1].im = 0;
  }
  bool waiting = false;
  count_t<2 * units> late_at = 0;

  const int loads = tokens * period, total = L::irfft_store_iterations(tokens);
  count_t<time> in_place = 0;   // iteration of the row beat that comes
  count_t<period> place = 0;    // of the beat that leaves, among those of a token and its padding
  count_t<2 * units> half = 0, out_half = 0;
  int in_beat = 0, out_beat = 0;
STORE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 2 * L::stages - 2);
    const int u = int(in_place) >> C::every_bits;
    const bool comes = step < loads && (int(in_place) & (C::every - 1)) == 0;
    vec<word_t, beats> words;
    if (comes) {
      words = read_beat<beats, word_t>(in, in_beat);
      ++in_beat;
    } else {
    NOTHING:
      for (int i = 0; i < beats; ++i) {
        SWM_UNROLL
        words.v[i] = 0;
      }
    }
    if (step > time) {
      const int now = int(place) & (time - 1), first = now >> C::deep_bits, start = (now & (C::deep - 1)) * part;
      if (int(place) < int(L::out_beats)) {
        value_t turned[banks];
        SWM_PARTITION(turned, 1)
      FETCH:
        for (int b = 0; b < banks; ++b) {
          SWM_UNROLL
          const int s = (b - first * together) & (banks - 1);
          turned[b] = y[b][int(out_half) + start + ((s >> C::together_bits) & (part - 1))];
        }
        detail::rotate_lanes<banks, together, C::turn_bits>(turned, first);
        vec<typename L::out_t, V> value;
      VALUES:
        for (int i = 0; i < V; ++i) {
          SWM_UNROLL
          const value_t sum = turned[(i & (part - 1)) * together + (i >> C::part_bits)];
          const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(sum) + int_t<L::value_bits>(bias[int(place) * V + i]));
          const typename L::out_t result = Cfg::activation::template run<Cfg, L::value_bits>(v);
          value.v[i] = i < tail || int(place) < int(L::out_beats) - 1 ? result : typename L::out_t(0);
        }
        write_beat<V>(out, out_beat, value);
        ++out_beat;
      }
      if (now == time - 1) out_half = units - int(out_half);
      place = int(place) == period - 1 ? 0 : int(place) + 1;
    }
    const bool second = comes && (u & 1) != 0;
    const int at = second ? int(half) + (u >> 1) : int(late_at);
    value_t points[banks];
    SWM_PARTITION(points, 1)
  STORE_LANES:
    for (int lane = 0; lane < lanes; ++lane) {
      SWM_UNROLL
      cplx<W> low, high, a, b;
      low.re = words.v[4 * lane];
      low.im = words.v[4 * lane + 1];
      high.re = words.v[4 * lane + 2];
      high.im = words.v[4 * lane + 3];
      a.re = second ? held[lane][0].re : late[lane][0].re;
      a.im = second ? held[lane][0].im : late[lane][0].im;
      b.re = second ? low.re : late[lane][1].re;
      b.im = second ? low.im : late[lane][1].im;
      detail::inverse_points<W, halvings>(a, b, points, 4 * lane);
      if (second) {
        late[lane][0] = held[lane][1];
        late[lane][1] = high;
      }
      if (comes) {
        held[lane][0] = low;
        held[lane][1] = high;
      }
    }
    detail::rotate_lanes<banks, together, C::turn_bits>(points, (C::turns - (at & (part - 1))) & (C::turns - 1));
    if (second || waiting) {
    KEEP:
      for (int b = 0; b < banks; ++b) {
        SWM_UNROLL
        y[b][at] = points[b];
      }
    }
    waiting = second;
    late_at = int(half) + (u >> 1) + units / 2;
    if (int(in_place) == time - 1) half = units - int(half);
    in_place = int(in_place) == time - 1 ? 0 : int(in_place) + 1;
  }
}

}  // namespace swm
