// SPDX-License-Identifier: Apache-2.0
/// \file softmax.h
/// \brief Softmax over the channels of each token: y = power(x - max) / sum of power(x - max).
///
///   power    exp of what is below the maximum, by the policy Cfg::power (finish.h), power_bits - 2 fractional bits, not below 0
///   total    their sum, exact; 2^h <= total < 2^(h+1)
///   factor   2^h / total by a table of lines, recip_frac fractional bits
///   y        round(power factor / 2^(recip_frac + h - quotient_frac)); or, where the quotient is exact,
///            (power 2^quotient_frac + total / 2) / total, rounded down; then the end of every layer
///
/// Values that a mask hides count in neither maximum nor sum, and their y is 0.
///
/// Three or four processes, so that no quotient waits for a sum of its own token: softmax_top or softmax_mask (maximum),
/// softmax_power, softmax_factor (not where quotients are exact), softmax_scale or softmax_divide. II = 1 each; iterations: tokens * ceil(n /
/// V), softmax_factor one a token. Tokens and powers wait in the streams between. A word takes the multipliers of the table
/// of exponents (one, where it holds lines) and one for the quotient, or a divider.
///
/// \tparam Cfg  tick, n, in_bits, power_bits, out_bits, out_shift, quotient_frac, recip_frac, recip_step (log2 of a segment of the
///              table), vec = V, power, activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"
#include "softmax_top.h"

namespace swm {

namespace detail {
/// What the policy of the powers needs to know of its output.
template <class Cfg>
struct softmax_power_end {
  enum { out_bits = Cfg::power_bits, out_shift = 0 };
};
}  // namespace detail

/// Powers of what is below the maximum, and their sum.
///
/// \tparam Masked  whether beats come from softmax_mask
/// \param top     a beat a token
/// \param token   beats of V channels
/// \param powers  beats of V powers; surplus values of the last beat of a token are zero
/// \param sum     a beat a token
template <class Cfg, int Masked = 0, class Top, class Token, class Powers, class Sum>
void softmax_power(int tokens, Top& top, Token& token, Powers& powers, Sum& sum) {
  typedef softmax_layer<Cfg> L;
  typedef typename L::in_t in_t;
  typedef int_t<Cfg::in_bits + Masked> token_t;
  typedef typename L::power_t power_t;
  typedef typename L::total_t total_t;
  constexpr int V = Cfg::vec, W = Cfg::in_bits + 1, hidden = -(1 << Cfg::in_bits);
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  int taken = 0;
  in_t best = 0;
  total_t all = 0;
POWER:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1);
    const bool last = beat == L::beats - 1;
    if (beat == 0) {
      const vec<in_t, 1> found = read_beat<1, in_t>(top, taken);
      best = found.v[0];
    }
    const vec<token_t, V> x = read_beat<V, token_t>(token, step);
    vec<power_t, V> value;
    total_t more = 0;
  POWER_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const bool hides = Masked && x.v[i] == hidden;
      const in_t there = hides ? best : in_t(x.v[i]);
      const power_t p = Cfg::power::template run<detail::softmax_power_end<Cfg>, W>(subtract<Cfg::in_bits>(there, best));
      value.v[i] = (i < L::tail || !last) && !hides && p > 0 ? p : power_t(0);
      more = total_t(more + value.v[i]);
    }
    all = total_t((beat == 0 ? total_t(0) : all) + more);
    write_beat<V>(powers, step, value);
    if (last) {
      vec<total_t, 1> found;
      found.v[0] = all;
      write_beat<1>(sum, taken, found);
      ++taken;
    }
    beat = last ? 0 : int(beat) + 1;
  }
}

/// The reciprocal of a token's sum.
///
/// \param rom     ROM [1][segment][start, rise], 2 bits below the last one of a reciprocal
/// \param sum     a beat a token
/// \param factor  a beat a token: reciprocal, h
template <class Cfg, class Sum, class Factor>
void softmax_factor(int tokens, const typename softmax_layer<Cfg>::entry_t rom[1][softmax_layer<Cfg>::recip_words][2], Sum& sum,
                    Factor& factor) {
  typedef softmax_layer<Cfg> L;
  typedef typename L::factor_t factor_t;
  enum { M = Cfg::recip_frac, step_bits = Cfg::recip_step, line_bits = L::entry_bits + step_bits + 2, wide_bits = max_of(int(L::total_bits), M + 2) };
  typedef int_t<wide_bits> wide_t;
  SWM_PARTITION(rom, 1)
  SWM_WIDE_WORD(rom, 3)
FACTOR:
  for (int token = 0; token < tokens; ++token) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 2);
    const vec<typename L::total_t, 1> found = read_beat<1, typename L::total_t>(sum, token);
    const wide_t all = wide_t(found.v[0]);
    int h = 0;
  POWER_OF_TWO:
    for (int i = 1; i < L::total_bits; ++i) {
      SWM_UNROLL
      if (wide_t(all >> i) != 0) h = i;
    }
    const int cut = h - M;
    const wide_t mantissa = cut >= 0 ? wide_t(all >> cut) : wide_t(all << -cut);
    const int at = int(mantissa) - (1 << M), segment = at >> step_bits, place = at & ((1 << step_bits) - 1);
    const int_t<line_bits> start = int_t<line_bits>(round_shift<-step_bits, L::entry_bits>(rom[0][segment][0]));
    const int_t<line_bits> gain = int_t<line_bits>(multiply<L::entry_bits, step_bits + 1>(rom[0][segment][1], int_t<step_bits + 1>(place)));
    const int_t<line_bits> line = int_t<line_bits>(start + gain);
    vec<factor_t, 2> both;
    both.v[0] = factor_t(round_shift<step_bits + 2, line_bits>(line));
    both.v[1] = factor_t(h);
    write_beat<2>(factor, token, both);
  }
}

/// The outputs of a token: products with the reciprocal.
///
/// \param factor  a beat a token: reciprocal, h
/// \param powers  beats of V powers
/// \param out     beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class Factor, class Powers, class Out>
void softmax_scale(int tokens, Factor& factor, Powers& powers, Out& out) {
  typedef softmax_layer<Cfg> L;
  enum { M = Cfg::recip_frac, product_bits = Cfg::power_bits + M + 2, wide_bits = product_bits + 1 };
  typedef int_t<max_of(int(wide_bits), M + L::total_bits + 2)> wide_t;  // half of 2^down fits, too
  constexpr int V = Cfg::vec;
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  int taken = 0, down = 0;
  int_t<M + 2> reciprocal = 0;
QUOTIENT:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 3);
    const bool last = beat == L::beats - 1;
    if (beat == 0) {
      const vec<typename L::factor_t, 2> found = read_beat<2, typename L::factor_t>(factor, taken);
      reciprocal = int_t<M + 2>(found.v[0]);
      down = int(found.v[1]) + M - Cfg::quotient_frac;
      ++taken;
    }
    const vec<typename L::power_t, V> p = read_beat<V, typename L::power_t>(powers, step);
    const wide_t half = wide_t(wide_t(wide_t(1) << down) >> 1);
    vec<typename L::out_t, V> value;
  QUOTIENT_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const wide_t product = wide_t(multiply<Cfg::power_bits, M + 2>(p.v[i], reciprocal));
      const int_t<L::value_bits> v = int_t<L::value_bits>(wide_t(product + half) >> down);
      const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

/// The outputs of a token: exact quotients.
///
/// \param sum     a beat a token
/// \param powers  beats of V powers
/// \param out     beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class Sum, class Powers, class Out>
void softmax_divide(int tokens, Sum& sum, Powers& powers, Out& out) {
  typedef softmax_layer<Cfg> L;
  typedef int_t<max_of(Cfg::power_bits + Cfg::quotient_frac, int(L::total_bits)) + 1> wide_t;
  constexpr int V = Cfg::vec;
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  int taken = 0;
  typename L::total_t all = 1;
DIVIDE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 2);
    const bool last = beat == L::beats - 1;
    if (beat == 0) {
      const vec<typename L::total_t, 1> found = read_beat<1, typename L::total_t>(sum, taken);
      all = found.v[0];
      ++taken;
    }
    const vec<typename L::power_t, V> p = read_beat<V, typename L::power_t>(powers, step);
    vec<typename L::out_t, V> value;
  DIVIDE_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const wide_t wide = wide_t(round_shift<-Cfg::quotient_frac, Cfg::power_bits>(p.v[i]));
      const wide_t half = wide_t(wide_t(all) >> 1);
      const int_t<L::value_bits> v = int_t<L::value_bits>(wide_t(wide_t(wide + half) / wide_t(all)));
      const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm
