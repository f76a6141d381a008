// SPDX-License-Identifier: Apache-2.0
/// \file hadamard.h
/// \brief The product of two tensors value by value, or of a tensor by one factor a channel, then an activation.
///
///   held == 0:  y[t][c] = activation(a[t][c] b[t][c])
///   held >= 1:  y[t][c] = activation(a[t][c] b[c])     b comes once a frame of `held` tokens, before it
///
/// Products are exact; one rounding as at the end of every layer (docs/arithmetic.md section 6). Held factors go round in a
/// delay line of ceil(n / V) beats: the beat that comes out belongs to the channels that are read.
///
/// II = 1. Iterations: tokens * ceil(n / V), or frames * (held + 1) * ceil(n / V): those of the factors write nothing.
/// Latency is the fill of one pipeline. V multipliers of a_bits x b_bits.
///
/// \tparam Cfg  tick, n, held (tokens of a frame; 0: a factor for each value), a_bits, b_bits, out_bits, out_shift,
///              vec = V, activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct hadamard_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    value_bits = Cfg::a_bits + Cfg::b_bits,
    rounds = Cfg::held ? Cfg::held + 1 : 1,  // walks over the channels in a period
    line = Cfg::held ? beats : 1,            // beats of the delay line
    in_beats = Cfg::held ? Cfg::held * beats : beats,
    out_beats = in_beats,
    prologue = 0,
    period = rounds * beats,
    epilogue = 0
  };
  typedef int_t<Cfg::a_bits> a_t;
  typedef int_t<Cfg::b_bits> b_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int periods) { return periods * period; }

  static_assert(Cfg::n >= 1 && Cfg::held >= 0, "at least one channel");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::a_bits >= 4 && Cfg::a_bits <= 18 && Cfg::b_bits >= 4 && Cfg::b_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
};

/// \param periods  tokens of this call; frames where factors are held
/// \param a        beats of V channels
/// \param b        as many, or ceil(n / V) beats a frame
/// \param out      beats of V channels; surplus values of the last beat of a token are zero
template <class Cfg, class A, class B, class Out>
void hadamard(int periods, A& a, B& b, Out& out) {
  typedef hadamard_layer<Cfg> L;
  typedef typename L::b_t b_t;
  constexpr int V = Cfg::vec;
  b_t factors[L::line][V];
  SWM_PARTITION(factors, 0)
START:
  for (int at = 0; at < L::line; ++at) {
    SWM_UNROLL
  START_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      factors[at][i] = 0;
    }
  }
  const int total = L::iterations(periods);
  count_t<L::beats> beat = 0;
  count_t<L::rounds> round = 0;
  int taken = 0, given = 0;  // beats of b; of a and the output
HADAMARD:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = int(beat) == L::beats - 1, comes = round == 0, passes = !Cfg::held || !comes;
    vec<b_t, V> factor;
    if (comes) {
      factor = read_beat<V, b_t>(b, taken);
      ++taken;
    } else {
    HELD_LANES:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        factor.v[i] = factors[0][i];
      }
    }
  TURN:
    for (int at = 0; at < L::line; ++at) {
      SWM_UNROLL
    TURN_LANES:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        factors[at][i] = at == L::line - 1 ? factor.v[i] : factors[at + 1 < L::line ? at + 1 : at][i];
      }
    }
    if (passes) {
      const vec<typename L::a_t, V> x = read_beat<V, typename L::a_t>(a, given);
      vec<typename L::out_t, V> value;
    PRODUCT_LANES:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        const int_t<L::value_bits> product = multiply<Cfg::a_bits, Cfg::b_bits>(x.v[i], factor.v[i]);
        const typename L::out_t y = Cfg::activation::template run<Cfg, L::value_bits>(product);
        value.v[i] = i < L::tail || !last ? y : typename L::out_t(0);
      }
      write_beat<V>(out, given, value);
      ++given;
    }
    round = !last ? int(round) : int(round) == L::rounds - 1 ? 0 : int(round) + 1;
    beat = last ? 0 : int(beat) + 1;
  }
}

}  // namespace swm
