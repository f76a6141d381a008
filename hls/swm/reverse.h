// SPDX-License-Identifier: Apache-2.0
/// \file reverse.h
/// \brief A sequence leaves last step first: what stands before and behind a recurrent layer that runs backwards.
///
/// A frame is written into one half of a memory while the one before it is read, step by step from its end, from the other
/// half. A step is `group` tokens, which keep their order (sequences that take turns).
///
/// II = 1. Iterations: (frames + 1) * steps * group * ceil(n / V), a beat each. A memory of two frames, no multiplier.
///
/// \tparam Cfg  tick, n, steps, group, bits, vec = V
#pragma once

#include "count.h"
#include "fixed.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct reverse_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    step_beats = Cfg::group * beats,
    in_beats = Cfg::steps * step_beats,
    out_beats = in_beats,
    prologue = in_beats,
    period = in_beats,
    epilogue = 0
  };
  typedef int_t<Cfg::bits> value_t;

  static constexpr int iterations(int frames) { return prologue + frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::steps >= 1 && Cfg::group >= 1, "at least one value");
  static_assert(is_power_of_two(V) && V * Cfg::bits <= 4096, "beats are powers of two, of at most 4,096 bits");
  static_assert(Cfg::bits >= 4 && Cfg::bits <= 18, "data have 4 to 18 bits");
};

/// \param frames  of this call
/// \param in      ceil(n / V) beats of V channels a token, steps * group tokens a frame
/// \param out     the same beats, the last step's first
template <class Cfg, class In, class Out>
void reverse(int frames, In& in, Out& out) {
  typedef reverse_layer<Cfg> L;
  typedef typename L::value_t value_t;
  constexpr int V = Cfg::vec;
  vec<value_t, V> store[2 * L::period];
  SWM_WHOLE_WORDS(store)
  const int total = L::iterations(frames), last_read = frames * L::period;
  int come = 0, go = 0;  // beats of this call
  count_t<L::period> place = 0;
  count_t<L::step_beats> within = 0;   // beat of the step
  int from = L::period - L::step_beats;  // address of the step that goes
  bool half = false;
REVERSE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool reads = step < last_read;
    vec<value_t, V> read = vec<value_t, V>();
    if (reads) read = read_beat<V, value_t>(in, come++);
    if (step >= L::prologue) {
      write_beat<V>(out, go, store[(half ? 0 : int(L::period)) + from + int(within)]);
      ++go;
    }
    if (reads) store[(half ? int(L::period) : 0) + int(place)] = read;
    const bool next = int(within) == L::step_beats - 1, end = int(place) == L::period - 1;
    within = count_t<L::step_beats>(next ? 0 : int(within) + 1);
    from = end ? L::period - L::step_beats : next ? from - L::step_beats : from;
    half = end ? !half : half;
    place = count_t<L::period>(end ? 0 : int(place) + 1);
  }
}

}  // namespace swm
