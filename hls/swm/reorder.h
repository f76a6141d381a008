// SPDX-License-Identifier: Apache-2.0
/// \file reorder.h
/// \brief A frame of `positions` tokens of n channels leaves as n tokens of `positions` channels.
///
/// A frame is written into one half of a memory while the one before it is read, in the other order, from the other half.
/// Channel c of token p lies in bank (p + c) mod V at address p * ceil(n / V) + c / V, so that the V values of a beat lie
/// in banks of their own in both orders; a beat is rotated by p mod V on its way in, by c mod V on its way out.
///
/// II = 1. Iterations: (frames + 1) * period, period = max(positions * ceil(n / V), n * ceil(positions / V)); iteration
/// i of a period reads beat i of a frame and writes beat i of the one before. A memory of two frames, no multiplier.
///
/// \tparam Cfg  tick, n, positions, bits, vec = V
#pragma once

#include "count.h"
#include "passes.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct reorder_layer {
  enum {
    V = Cfg::vec,
    turns = log2_of(V),
    n_beats = ceil_div(Cfg::n, V),            // of a token that comes
    p_beats = ceil_div(Cfg::positions, V),    // of a token that goes
    p_tail = Cfg::positions - (p_beats - 1) * V,  // values of its last one
    in_beats = Cfg::positions * n_beats,
    out_beats = Cfg::n * p_beats,
    depth = in_beats,  // of one half of a bank
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
/// \param out     ceil(positions / V) beats of V values, n times a frame; surplus values of the last one are zero
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
  count_t<L::p_beats> out_beat = 0;
  count_t<Cfg::positions> token = 0;
  count_t<Cfg::n> channel = 0;
  int row = 0;  // address of the first token of the beat that goes
  bool half = false;
REORDER:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool reads = step < last_read && place < L::in_beats;
    const bool writes = step >= L::prologue && place < L::out_beats;
    if (reads) {
      vec<value_t, V> x = read_beat<V, value_t>(in, come);
      detail::rotate_lanes<V, V - 1, L::turns>(x.v, int(token) & (V - 1));  // lane i to bank (i + token) mod V
      const int address = (half ? int(L::depth) : 0) + int(place);
    REORDER_STORE:
      for (int bank = 0; bank < V; ++bank) {
        SWM_UNROLL
        store[bank][address] = x.v[bank];
      }
      ++come;
      const bool end = in_beat == L::n_beats - 1;
      token = !end ? int(token) : token == Cfg::positions - 1 ? 0 : int(token) + 1;
      in_beat = end ? 0 : int(in_beat) + 1;
    }
    if (writes) {
      const int turn = int(channel) & (V - 1);
      const int address = (half ? 0 : int(L::depth)) + row + (int(channel) >> L::turns);
      const bool last = out_beat == L::p_beats - 1;
      vec<value_t, V> y;
    REORDER_FETCH:
      for (int bank = 0; bank < V; ++bank) {
        SWM_UNROLL
        const int lane = (bank - turn) & (V - 1);
        const bool there = lane < L::p_tail || !last;
        y.v[bank] = there ? store[bank][there ? address + lane * L::n_beats : 0] : value_t(0);
      }
      detail::rotate_lanes<V, 1, L::turns>(y.v, turn);  // bank (i + channel) mod V to lane i
      write_beat<V>(out, go, y);
      ++go;
      channel = !last ? int(channel) : channel == Cfg::n - 1 ? 0 : int(channel) + 1;
      row = last ? 0 : row + V * L::n_beats;
      out_beat = last ? 0 : int(out_beat) + 1;
    }
    const bool end = place == L::period - 1;
    half = end ? !half : half;
    place = end ? 0 : int(place) + 1;
  }
}

}  // namespace swm
