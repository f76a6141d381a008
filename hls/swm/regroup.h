// SPDX-License-Identifier: Apache-2.0
/// \file regroup.h
/// \brief Tokens of one position become tokens of several, or the other way about: beats of padded tokens, grouped anew.
///
/// width.h moves whole beats; where a token does not fill its beats (6 channels in 8 words), tokens of parts n values are
/// joined and split here, a beat each.
///
/// II = 1. Iterations: tokens * period, period = parts; a token is one of parts n values.
///   split     iteration 0 of a token reads its beat; iteration j writes values j n ... (j + 1) n - 1
///   join      iteration j reads values j n ... (j + 1) n - 1; the last one writes a beat
/// Latency is the fill of one pipeline. A register of max(V, V') values.
///
/// \tparam Cfg  tick, n, parts, split (0: join), bits, in_vec = V, out_vec = V', powers of two
#pragma once

#include "count.h"
#include "fixed.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct regroup_layer {
  enum {
    V = Cfg::in_vec,
    U = Cfg::out_vec,
    n = Cfg::n,
    all = Cfg::n * Cfg::parts,  // values of the longer token
    prologue = 0,
    period = Cfg::parts,
    epilogue = 0
  };
  typedef int_t<Cfg::bits> in_t;
  typedef int_t<Cfg::bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(n >= 1 && Cfg::parts >= 1 && is_power_of_two(V) && is_power_of_two(U), "beats are powers of two");
  static_assert((Cfg::split ? V : U) >= all && (Cfg::split ? U : V) >= n, "a token is one beat on either side");
  static_assert(V * Cfg::bits <= 4096 && U * Cfg::bits <= 4096, "a beat has at most 4,096 bits");
};

/// \param tokens  of parts n values, of all frames of this call
/// \param in      a beat of V values for each token that comes
/// \param out     a beat of V' values for each token that leaves; surplus values are zero
template <class Cfg, class In, class Out>
void regroup(int tokens, In& in, Out& out) {
  typedef regroup_layer<Cfg> L;
  constexpr int V = L::V, U = L::U, n = L::n, all = L::all;
  const int total = tokens * L::period;
  typename L::in_t held[all] = {};
  SWM_PARTITION(held, 0)
  count_t<L::period> part = 0;
  int taken = 0, written = 0;
REGROUP:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = int(part) == L::period - 1;
    if (!Cfg::split || part == 0) {
      const vec<typename L::in_t, V> x = read_beat<V, typename L::in_t>(in, taken);
      ++taken;
    TAKE:
      for (int i = 0; i < all; ++i) {
        SWM_UNROLL
        held[i] = Cfg::split ? x.v[i % V] : i < all - n ? held[(i + n) % all] : x.v[(i - (all - n) + V) % V];
      }
    }
    if (Cfg::split || last) {
      vec<typename L::out_t, U> value;
    GIVE:
      for (int i = 0; i < U; ++i) {
        SWM_UNROLL
        value.v[i] = i < (Cfg::split ? n : all) ? held[i % all] : typename L::in_t(0);
      }
      write_beat<U>(out, written, value);
      ++written;
    }
    if (Cfg::split) {
    SHIFT:
      for (int i = 0; i < all; ++i) {
        SWM_UNROLL
        held[i] = held[(i + n) % all];
      }
    }
    part = count_t<L::period>(last ? 0 : int(part) + 1);
  }
}

}  // namespace swm
