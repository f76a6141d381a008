// SPDX-License-Identifier: Apache-2.0
/// \file softmax_top.h
/// \brief The first process of a Softmax: the maximum of each token, or of what a mask leaves of it; and the widths of them all.
///
/// II = 1. Iterations: tokens * ceil(n / V).
///
/// \tparam Cfg  see softmax.h
#pragma once

#include "count.h"
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

}  // namespace swm
