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

namespace swm {

template <class Cfg>
struct softmax_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    total_bits = Cfg::power_bits + clog2(Cfg::n),
    value_bits = Cfg::quotient_frac + 3,
    factor_bits = max_of(Cfg::recip_frac + 2, 8),
    entry_bits = Cfg::recip_frac + 4,  // two bits below the last one of a reciprocal, which is at most 1
    recip_words = 1 << (Cfg::recip_frac - Cfg::recip_step),
    in_beats = beats,
    out_beats = beats,
    prologue = 0,
    period = beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::in_bits + 1> token_t;  // behind a mask: its lowest value is a hidden one
  typedef int_t<1> mask_t;
  typedef int_t<Cfg::power_bits> power_t;
  typedef int_t<total_bits> total_t;
  typedef int_t<factor_bits> factor_t;
  typedef int_t<entry_bits> entry_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 2, "at least two channels");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::power_bits >= 6 && Cfg::power_bits <= 18, "powers fit the narrow port of a DSP block");
  static_assert(Cfg::recip_step >= 0 && Cfg::recip_step <= Cfg::recip_frac && Cfg::recip_frac <= 18, "reciprocals have up to 18 bits");
  static_assert(Cfg::quotient_frac < Cfg::recip_frac + Cfg::power_bits - 3, "a product is never shifted to the left");
  static_assert(Cfg::quotient_frac + total_bits <= 60, "quotients fit 64 bits");
};

namespace detail {
/// What the policy of the powers needs to know of its output.
template <class Cfg>
struct softmax_power_end {
  enum { out_bits = Cfg::power_bits, out_shift = 0 };
};
}  // namespace detail

/// The maximum of a token.
///
/// \param tokens  positions of all frames of this call
/// \param in      beats of V channels; surplus values of the last beat of a token do not count
/// \param token   the same beats
/// \param top     a beat a token
template <class Cfg, class In, class Token, class Top>
void softmax_top(int tokens, In& in, Token& token, Top& top) {
  typedef softmax_layer<Cfg> L;
  typedef typename L::in_t in_t;
  constexpr int V = Cfg::vec;
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  int done = 0;
  in_t best = 0;
TOP:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const vec<in_t, V> x = read_beat<V, in_t>(in, step);
    in_t here = x.v[0];
  TOP_LANES:
    for (int i = 1; i < V; ++i) {
      SWM_UNROLL
      if ((i < L::tail || !last) && x.v[i] > here) here = x.v[i];
    }
    best = beat == 0 || here > best ? here : best;
    write_beat<V>(token, step, x);
    if (last) {
      vec<in_t, 1> found;
      found.v[0] = best;
      write_beat<1>(top, done, found);
      ++done;
    }
    beat = last ? 0 : int(beat) + 1;
  }
}

/// The maximum of what a mask leaves of a token. Tokens share the rows of the mask: the first Each have row 0, the next Each
/// row 1, and behind the last row comes the first.
///
/// \tparam Each   tokens in a row that have the same mask
/// \tparam Rows   of the mask; none hides all of its token
/// \param  rom    ROM [1][row, beat][lane], -1 where a value is hidden
/// \param  in     beats of V channels; surplus values of the last beat of a token do not count
/// \param  token  the same beats, a bit wider; hidden values are the lowest of that width
/// \param  top    a beat a token
template <class Cfg, int Each, int Rows, class In, class Token, class Top>
void softmax_mask(int tokens, const typename softmax_layer<Cfg>::mask_t rom[1][Rows * softmax_layer<Cfg>::beats][Cfg::vec], In& in,
                  Token& token, Top& top) {
  typedef softmax_layer<Cfg> L;
  typedef typename L::in_t in_t;
  typedef typename L::token_t token_t;
  enum { depth = Rows * int(L::beats) };
  constexpr int V = Cfg::vec, lowest = -(1 << (Cfg::in_bits - 1)), hidden = 2 * lowest;
  static_assert(Each >= 1 && Rows >= 1, "at least one row");
  SWM_PARTITION(rom, 1)
  SWM_WIDE_WORD(rom, 3)
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
  count_t<Each - 1> same = 0;
  count_t<depth - 1> first = 0;  // beat of the row
  int done = 0;
  in_t best = 0;
MASK:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const int place = int(first) + int(beat);
    const vec<in_t, V> x = read_beat<V, in_t>(in, step);
    vec<token_t, V> seen;
    in_t here = in_t(lowest);
  MASK_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const bool hides = rom[0][place][i] != 0;
      seen.v[i] = hides ? token_t(hidden) : token_t(x.v[i]);
      if ((i < L::tail || !last) && !hides && x.v[i] > here) here = x.v[i];
    }
    best = beat == 0 || here > best ? here : best;
    write_beat<V>(token, step, seen);
    if (last) {
      vec<in_t, 1> found;
      found.v[0] = best;
      write_beat<1>(top, done, found);
      ++done;
      const bool next = same == Each - 1;
      if (next) first = count_t<depth - 1>(place == depth - 1 ? 0 : place + 1);
      same = count_t<Each - 1>(next ? 0 : int(same) + 1);
    }
    beat = last ? 0 : int(beat) + 1;
  }
}

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
