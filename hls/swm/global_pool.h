// SPDX-License-Identifier: Apache-2.0
/// \file global_pool.h
/// \brief The greatest, the mean or the sum of each channel over all positions of a frame.
///
///   y = activation(max x)  or  y = activation(reciprocal sum x): the reciprocal is 1 / positions in fixed point, 1 for a sum
///
/// The running values of a token go round in a delay line of ceil(n / V) beats: the one that comes out belongs to the
/// channels of the beat that is read.
///
/// II = 1. Iterations: frames * period, period = positions * ceil(n / V); the beats of the last position write a beat each.
/// The multiplication is by a constant: adders.
///
/// \tparam Cfg  tick, n, positions, in_bits, out_bits, out_shift, greatest (1: greatest value, 0: sum), reciprocal,
///              reciprocal_bits (0: no mean), vec = V, activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct global_pool_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    sum_bits = Cfg::in_bits + (Cfg::greatest ? 0 : clog2(Cfg::positions)),
    factor_bits = Cfg::reciprocal_bits,
    value_bits = sum_bits + factor_bits,
    in_beats = Cfg::positions * beats,
    out_beats = beats,
    prologue = 0,
    period = in_beats,
    epilogue = 0
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<sum_bits> sum_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int frames) { return frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::positions >= 1, "at least one value");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(factor_bits > 0 || Cfg::reciprocal == 1, "a sum is multiplied by nothing");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
};

/// \param frames  of this call
/// \param in      ceil(n / V) beats of V channels a token, `positions` tokens a frame
/// \param out     ceil(n / V) beats of V channels a frame; surplus values of the last one are zero
template <class Cfg, class In, class Out>
void global_pool(int frames, In& in, Out& out) {
  typedef global_pool_layer<Cfg> L;
  typedef typename L::sum_t sum_t;
  constexpr int V = Cfg::vec, factor_bits = max_of(2, L::factor_bits);
  sum_t running[L::beats][V];
  SWM_PARTITION(running, 0)
START:
  for (int b = 0; b < L::beats; ++b) {
    SWM_UNROLL
  START_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      running[b][i] = 0;
    }
  }
  const int total = L::iterations(frames);
  count_t<L::beats> beat = 0;
  count_t<Cfg::positions> position = 0;
  int done = 0;
GLOBAL_POOL:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool first = position == 0, last = int(position) == Cfg::positions - 1, end = int(beat) == L::beats - 1;
    const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(in, step);
    sum_t now[V];
    SWM_PARTITION(now, 0)
    vec<typename L::out_t, V> y;
  POOL_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      const sum_t before = running[0][i], more = sum_t(x.v[i]);
      const sum_t joined = Cfg::greatest ? (more > before ? more : before) : sum_t(before + more);
      now[i] = first ? more : joined;
      const int_t<L::sum_bits + factor_bits> product = multiply<L::sum_bits, factor_bits>(now[i], int_t<factor_bits>(Cfg::reciprocal));
      const typename L::out_t value = Cfg::activation::template run<Cfg, L::value_bits>(int_t<L::value_bits>(product));
      y.v[i] = i < L::tail || !end ? value : typename L::out_t(0);
    }
  TURN:
    for (int b = 0; b < L::beats; ++b) {
      SWM_UNROLL
    TURN_LANES:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        running[b][i] = b == L::beats - 1 ? now[i] : running[b + 1 < L::beats ? b + 1 : b][i];
      }
    }
    if (last) {
      write_beat<V>(out, done, y);
      ++done;
    }
    position = !end ? int(position) : last ? 0 : int(position) + 1;
    beat = end ? 0 : int(beat) + 1;
  }
}

}  // namespace swm
