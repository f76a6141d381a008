// SPDX-License-Identifier: Apache-2.0
/// \file add.h
/// \brief The sum of two tensors of one shape (the end of a residual path), then an activation.
///
/// y[c] = activation(a[c] 2^a_shift + b[c] 2^b_shift): the operand with fewer fractional bits is shifted to the left until
/// both have the same binary point, so the sum is exact; then one rounding as at the end of every layer.
///
/// II = 1. Iterations: tokens * period, period = ceil(n / V); iteration i reads beat i of a, then of b, and writes beat i.
/// Latency is the fill of one pipeline. V adders, no multiplier (but those of a sigmoid or tanh).
///
/// \tparam Cfg  tick, n, a_bits, b_bits, out_bits, a_shift, b_shift (both >= 0, one of them 0), out_shift
///              (see finish.h; v is the sum), vec = V, activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct add_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    a_wide = Cfg::a_bits + Cfg::a_shift,
    b_wide = Cfg::b_bits + Cfg::b_shift,
    sum_bits = max_of(a_wide, b_wide),
    value_bits = sum_bits + 1,
    in_beats = beats,
    out_beats = beats,
    prologue = 0,
    period = beats,
    epilogue = 0
  };
  typedef int_t<Cfg::a_bits> a_t;
  typedef int_t<Cfg::b_bits> b_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 1, "at least one channel");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::a_bits >= 4 && Cfg::a_bits <= 18 && Cfg::b_bits >= 4 && Cfg::b_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::a_shift >= 0 && Cfg::b_shift >= 0 && (Cfg::a_shift == 0 || Cfg::b_shift == 0),
                "the operand with fewer fractional bits is shifted to the left, the other stays");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
};

/// \param tokens  positions of all frames of this call
/// \param a,b     beats of V channels
/// \param out     beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class A, class B, class Out>
void add(int tokens, A& a, B& b, Out& out) {
  typedef add_layer<Cfg> L;
  constexpr int V = Cfg::vec;
  const int total = tokens * L::period;
  count_t<L::beats - 1> beat = 0;
ADD:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = beat == L::beats - 1;
    const vec<typename L::a_t, V> x = read_beat<V, typename L::a_t>(a, step);
    const vec<typename L::b_t, V> y = read_beat<V, typename L::b_t>(b, step);
    vec<typename L::out_t, V> value;
  ADD_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const int_t<L::sum_bits> left = int_t<L::sum_bits>(round_shift<-Cfg::a_shift, Cfg::a_bits>(x.v[i]));
      const int_t<L::sum_bits> right = int_t<L::sum_bits>(round_shift<-Cfg::b_shift, Cfg::b_bits>(y.v[i]));
      const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(left) + int_t<L::value_bits>(right));
      const typename L::out_t sum = Cfg::activation::template run<Cfg, L::value_bits>(v);
      value.v[i] = i < L::tail || !last ? sum : typename L::out_t(0);
    }
    write_beat<V>(out, step, value);
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm
