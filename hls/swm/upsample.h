// SPDX-License-Identifier: Apache-2.0
/// \file upsample.h
/// \brief Every position of an image `tall` times below and `wide` times beside itself.
///
/// A row is read while it leaves for the first time, and kept in a memory for the times that follow.
///
/// II = 1. Iterations: frames * period, period = rows * tall * columns * wide * ceil(n / V); each writes a beat. A memory of
/// one row, no multiplier.
///
/// \tparam Cfg  tick, n, bits, vec = V, rows, columns (of the input), tall, wide
#pragma once

#include "count.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct upsample_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    in_beats = Cfg::rows * Cfg::columns * beats,
    out_beats = in_beats * Cfg::tall * Cfg::wide,
    depth = Cfg::columns * beats,
    prologue = 0,
    period = out_beats,
    epilogue = 0
  };
  typedef int_t<Cfg::bits> value_t;

  static constexpr int iterations(int frames) { return frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::rows >= 1 && Cfg::columns >= 1, "at least one value");
  static_assert(Cfg::tall >= 1 && Cfg::wide >= 1, "whole factors");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::bits >= 4 && Cfg::bits <= 18, "data have 4 to 18 bits");
};

/// \param frames  of this call
/// \param in      ceil(n / V) beats of V channels a token
/// \param out     the same
template <class Cfg, class In, class Out>
void upsample(int frames, In& in, Out& out) {
  typedef upsample_layer<Cfg> L;
  typedef typename L::value_t value_t;
  typedef vec<value_t, Cfg::vec> stored_t;
  constexpr int V = Cfg::vec;
  stored_t store[L::depth];
  SWM_WHOLE_WORDS(store)
  const int total = L::iterations(frames);
  count_t<L::beats> beat = 0;
  count_t<Cfg::wide> across = 0;
  count_t<Cfg::columns> column = 0;
  count_t<Cfg::tall> down = 0;
  count_t<L::depth> place = 0;  // of the position's first beat
  int come = 0;
UPSAMPLE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool fresh = down == 0 && across == 0;
    stored_t value;
    if (fresh) {
      value = read_beat<V, value_t>(in, come);
      store[int(place) + int(beat)] = value;
      ++come;
    } else {
      value = store[int(place) + int(beat)];
    }
    write_beat<V>(out, step, value);
    const bool next_copy = int(beat) == L::beats - 1, next_column = next_copy && int(across) == Cfg::wide - 1;
    const bool next_row = next_column && int(column) == Cfg::columns - 1;
    beat = count_t<L::beats>(next_copy ? 0 : int(beat) + 1);
    across = count_t<Cfg::wide>(next_column ? 0 : next_copy ? int(across) + 1 : int(across));
    place = count_t<L::depth>(next_row ? 0 : next_column ? int(place) + L::beats : int(place));
    column = count_t<Cfg::columns>(next_row ? 0 : next_column ? int(column) + 1 : int(column));
    down = count_t<Cfg::tall>(!next_row ? int(down) : int(down) == Cfg::tall - 1 ? 0 : int(down) + 1);
  }
}

}  // namespace swm
