// SPDX-License-Identifier: Apache-2.0
/// \file reorder.h
/// \brief A frame of `positions` tokens of n channels leaves as n tokens of `positions` channels, or as one token of all.
///
/// A frame is written into one half of a memory while the one before it is read, in the other order, from the other half.
/// Beats that leave lie in the rows of the memory, one each: value v of beat j at address j of some bank. A beat that comes
/// holds V channels c of a position p; its values lie in banks of their own, too:
///
///   beats end with the tokens that leave    bank (c + p) mod V; the beat that leaves is turned by c
///   `flat`, and V does not divide positions bank (c Q + p / E + (p mod E) V / E) mod V, where E is the greatest power of two
///                                           that divides positions, and Q = positions / E; turned by j V / E
///
/// In the second case value r of a beat has p mod E = r mod E, and c Q + p / E = j V / E + r / E: with r all banks are met
/// once. With c they are, because Q is odd.
///
/// II = 1. Iterations: (frames + 1) * period, period = max(positions * ceil(n / V), beats that leave); iteration i of a
/// period reads beat i of a frame and writes beat i of the one before. A memory of two frames, no multiplier but by constants.
///
/// \tparam Cfg  tick, n, positions, flat, bits, vec = V
#pragma once

#include "count.h"
#include "passes.h"
#include "ports.h"

namespace swm {
namespace detail {

/// A step of Newton's iteration towards the inverse of odd q mod v, a power of two up to 4,096; q itself is right mod 8.
constexpr int closer_inverse(int q, int at, int v) { return (at * ((2 - q * at) & (v - 1))) & (v - 1); }
constexpr int odd_inverse(int q, int v) { return closer_inverse(q, closer_inverse(q, q & (v - 1), v), v); }

}  // namespace detail

template <class Cfg>
struct reorder_layer {
  enum {
    V = Cfg::vec,
    turns = log2_of(V),
    n_beats = ceil_div(Cfg::n, V),           // of a token that comes
    n_tail = Cfg::n - (n_beats - 1) * V,     // values of its last one
    p_beats = ceil_div(Cfg::positions, V),
    across = Cfg::flat && Cfg::positions % V != 0,  // beats that leave go on from channel to channel
    even = across ? Cfg::positions & -Cfg::positions : int(V),  // E
    groups = V / even,
    odd = across ? Cfg::positions / even % V : 1,  // Q
    back = detail::odd_inverse(odd, V),
    all = Cfg::n * Cfg::positions,
    column = across ? Cfg::positions : p_beats * V,  // values from channel to channel
    in_beats = Cfg::positions * n_beats,
    out_beats = across ? ceil_div(all, V) : Cfg::n * p_beats,
    token_beats = across ? int(out_beats) : int(p_beats),  // until a beat is not full
    tail = across ? all - (out_beats - 1) * V : Cfg::positions - (p_beats - 1) * V,
    depth = out_beats,  // of one half of a bank
    prologue = max_of(int(in_beats), int(out_beats)),
    period = prologue,
    epilogue = 0
  };
  typedef int_t<Cfg::bits> value_t;

  static constexpr int iterations(int frames) { return prologue + frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::positions >= 1, "at least one value");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::bits >= 4 && Cfg::bits <= 18, "data have 4 to 18 bits");
};

/// \param frames  of this call
/// \param in      ceil(n / V) beats of V channels a token, `positions` tokens a frame
/// \param out     ceil(positions / V) beats of V values, n times a frame; or ceil(n positions / V) beats a frame. Surplus
///                values of the last beat are zero
template <class Cfg, class In, class Out>
void reorder(int frames, In& in, Out& out) {
  typedef reorder_layer<Cfg> L;
  typedef typename L::value_t value_t;
  constexpr int V = Cfg::vec;
  static value_t store[V][2 * L::depth];  // every value is written before it is read
  SWM_PARTITION(store, 1)
  const int total = L::iterations(frames), last_read = frames * L::period;
  int come = 0, go = 0;  // beats of this call
  count_t<L::period> place = 0;
  count_t<L::n_beats> in_beat = 0;
  count_t<L::token_beats> out_beat = 0;
  count_t<Cfg::positions> token = 0;
  count_t<V> in_turn = 0, out_turn = 0;
  int base = 0;  // address of the first channel of the beat that comes, at position 0
  bool half = false;
REORDER:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool reads = step < last_read && place < L::in_beats;
    const bool writes = step >= L::prologue && place < L::out_beats;
    const bool end = place == L::period - 1;
    if (reads) {
      const vec<value_t, V> x = read_beat<V, value_t>(in, come);
      const bool last = in_beat == L::n_beats - 1;
      value_t turned[V];
      SWM_PARTITION(turned, 1)
    REORDER_COME:
      for (int lane = 0; lane < V; ++lane) {
        SWM_UNROLL
        turned[lane * L::odd & (V - 1)] = x.v[lane];
      }
      detail::rotate_lanes<V, V - 1, L::turns>(turned, int(in_turn));  // value i to bank (i + in_turn) mod V
    REORDER_STORE:
      for (int bank = 0; bank < V; ++bank) {
        SWM_UNROLL
        const int lane = (bank - int(in_turn)) * L::back & (V - 1);
        const int address = (half ? int(L::depth) : 0) + base + (lane * L::column + int(token)) / V;
        if (lane < L::n_tail || !last) store[bank][address] = turned[bank];
      }
      ++come;
      const bool complete = last && token == Cfg::positions - 1;
      const int more = L::across && (int(token) & (L::even - 1)) == L::even - 1 ? L::groups + 1 : int(L::groups);
      in_turn = complete ? 0 : last ? (int(in_turn) + more) & (V - 1) : int(in_turn);
      token = complete ? 0 : last ? int(token) + 1 : int(token);
      base = last ? 0 : base + L::column;
      in_beat = last ? 0 : int(in_beat) + 1;
    }
    if (writes) {
      const bool last = out_beat == L::token_beats - 1;
      value_t turned[V];
      SWM_PARTITION(turned, 1)
    REORDER_FETCH:
      for (int bank = 0; bank < V; ++bank) {
        SWM_UNROLL
        turned[bank] = store[bank][(half ? 0 : int(L::depth)) + int(place)];
      }
      detail::rotate_lanes<V, 1, L::turns>(turned, int(out_turn));  // bank (i + out_turn) mod V to place i
      vec<value_t, V> y;
    REORDER_GO:
      for (int lane = 0; lane < V; ++lane) {
        SWM_UNROLL
        const bool there = lane < L::tail || !last;
        y.v[lane] = there ? turned[lane / L::even + lane % L::even * L::groups] : value_t(0);
      }
      write_beat<V>(out, go, y);
      ++go;
      const int more = L::across ? int(L::groups) : last ? 1 : 0;
      out_turn = place == L::out_beats - 1 ? 0 : (int(out_turn) + more) & (V - 1);
      out_beat = last ? 0 : int(out_beat) + 1;
    }
    half = end ? !half : half;
    place = end ? 0 : int(place) + 1;
  }
}

}  // namespace swm
