// SPDX-License-Identifier: Apache-2.0
/// \file width.h
/// \brief Beats of V values become beats of V' values: a register between two processes of different parallelism.
///
/// II = 1. Iterations: tokens * period, period = max(ceil(n / V), ceil(n / V')).
///   V <= V': iteration i reads beat i; a beat leaves in the iteration that completes it, or that ends the token (its
///            rest is zero): iteration j of a token writes beat j / (V'/V) if j mod (V'/V) = V'/V - 1 or j is the last.
///   V >  V': iteration i writes beat i; iteration j of a token reads beat j / (V/V') if j mod (V/V') = 0.
/// Latency is the fill of one pipeline. A register of max(V, V') values; no wide multiplexer on the narrowing side, where
/// it shifts.
///
/// \tparam Cfg  tick, n, bits, in_vec = V, out_vec = V', powers of two
#pragma once

#include "count.h"
#include "fixed.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct width_layer {
  enum {
    V = Cfg::in_vec,
    U = Cfg::out_vec,
    in_beats = ceil_div(Cfg::n, V),
    out_beats = ceil_div(Cfg::n, U),
    parts = max_of(V, U) / min_of(V, U),
    prologue = 0,
    period = max_of(in_beats, out_beats),
    epilogue = 0
  };
  typedef int_t<Cfg::bits> in_t;
  typedef int_t<Cfg::bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 1 && is_power_of_two(V) && is_power_of_two(U), "beats are powers of two");
  static_assert(V * Cfg::bits <= 4096 && U * Cfg::bits <= 4096, "a beat has at most 4,096 bits");
};

namespace detail {

template <class Cfg, bool Widen>
struct width_step;

template <class Cfg>
struct width_step<Cfg, true> {
  typedef width_layer<Cfg> L;
  template <class In, class Out>
  static void run(int tokens, In& in, Out& out) {
    SWM_INLINE
    const int total = tokens * L::period;
    typename L::out_t held[L::U] = {};
    SWM_PARTITION(held, 0)
    count_t<L::parts - 1> part = 0;
    count_t<L::period - 1> beat = 0;
    int written = 0;
  WIDEN:
    for (int step = 0; step < total; ++step) {
      SWM_PIPELINE
      SWM_TICK(Cfg::tick);
      const vec<typename L::in_t, L::V> x = read_beat<L::V, typename L::in_t>(in, step);
      vec<typename L::out_t, L::U> value;
    WIDEN_LANES:
      for (int i = 0; i < L::U; ++i) {
        SWM_UNROLL
        // The first part of a beat clears those behind it: a token may end before they come.
        held[i] = int(part) == i / L::V ? x.v[i % L::V] : part == 0 ? typename L::in_t(0) : held[i];
        value.v[i] = held[i];
      }
      const bool last = beat == L::period - 1;
      const bool full = last || part == L::parts - 1;
      if (full) {
        write_beat<L::U>(out, written, value);
        ++written;
      }
      part = full ? 0 : int(part) + 1;
      beat = last ? 0 : int(beat) + 1;
    }
  }
};

template <class Cfg>
struct width_step<Cfg, false> {
  typedef width_layer<Cfg> L;
  template <class In, class Out>
  static void run(int tokens, In& in, Out& out) {
    SWM_INLINE
    const int total = tokens * L::period;
    typename L::in_t rest[L::V] = {};
    SWM_PARTITION(rest, 0)
    count_t<L::parts - 1> part = 0;
    count_t<L::period - 1> beat = 0;
    int taken = 0;
  NARROW:
    for (int step = 0; step < total; ++step) {
      SWM_PIPELINE
      SWM_TICK(Cfg::tick);
      if (part == 0) {
        const vec<typename L::in_t, L::V> x = read_beat<L::V, typename L::in_t>(in, taken);
      NARROW_TAKE:
        for (int i = 0; i < L::V; ++i) {
          SWM_UNROLL
          rest[i] = x.v[i];
        }
        ++taken;
      }
      vec<typename L::out_t, L::U> value;
    NARROW_LANES:
      for (int i = 0; i < L::V; ++i) {
        SWM_UNROLL
        if (i < L::U) value.v[i % L::U] = rest[i];
        rest[i] = i + L::U < L::V ? rest[(i + L::U) % L::V] : typename L::in_t(0);
      }
      write_beat<L::U>(out, step, value);
      const bool last = beat == L::period - 1;
      part = last || part == L::parts - 1 ? 0 : int(part) + 1;
      beat = last ? 0 : int(beat) + 1;
    }
  }
};

}  // namespace detail

/// \param tokens  positions of all frames of this call
/// \param in      beats of V values; surplus values of the last beat of a token are zero
/// \param out     beats of V' values, ceil(n / V') a token; surplus values of the last one are zero
template <class Cfg, class In, class Out>
void width(int tokens, In& in, Out& out) {
  detail::width_step<Cfg, (Cfg::in_vec <= Cfg::out_vec)>::run(tokens, in, out);
}

}  // namespace swm
