// SPDX-License-Identifier: Apache-2.0
/// \file depth_to_space.h
/// \brief A position of side x wide x M channels becomes side x wide positions of M channels.
///
/// The n channels of a position are [pixel row][pixel column][channel]. Those of one pixel row already follow each other in
/// the order in which they leave, so a row of positions is kept and read `side` times, one pixel row of every position each;
/// how many columns of pixels that is, nothing here depends on.
/// A row is written into one half of a memory while the one before it is read from the other half.
///
/// II = 1. Iterations: prologue + frames * period, prologue = columns * n / V (a row), period = rows * columns * n / V. A
/// memory of two rows, no multiplier.
///
/// \tparam Cfg  tick, n, bits, vec = V, rows, columns (of the input), side
#pragma once

#include "count.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct depth_to_space_layer {
  enum {
    V = Cfg::vec,
    part = Cfg::n / Cfg::side / V,  // beats of a position that follow each other: those of a pixel row
    position = part * Cfg::side,
    row = Cfg::columns * position,
    in_beats = Cfg::rows * row,
    out_beats = in_beats,
    depth = 2 * row,
    prologue = row,
    period = in_beats,
    epilogue = 0
  };
  typedef int_t<Cfg::bits> value_t;

  static constexpr int iterations(int frames) { return frames > 0 ? prologue + frames * period : 0; }

  static_assert(Cfg::n >= 1 && Cfg::rows >= 1 && Cfg::columns >= 1 && Cfg::side >= 1, "at least one value");
  static_assert(Cfg::n % (Cfg::side * V) == 0, "a row of pixels is whole beats");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::bits >= 4 && Cfg::bits <= 18, "data have 4 to 18 bits");
};

/// \param frames  of this call
/// \param in      n / V beats a position
/// \param out     in_beats a frame: M / V a pixel
template <class Cfg, class In, class Out>
void depth_to_space(int frames, In& in, Out& out) {
  typedef depth_to_space_layer<Cfg> L;
  typedef typename L::value_t value_t;
  typedef vec<value_t, Cfg::vec> stored_t;
  constexpr int V = Cfg::vec;
  stored_t store[L::depth];
  SWM_WHOLE_WORDS(store)
  const int total = L::iterations(frames), last_read = frames * L::period;
  bool half = false;
  count_t<L::row> place = 0;  // of the row that is written
  count_t<L::part> beat = 0;  // of the one that is read
  count_t<Cfg::columns> column = 0;
  count_t<L::depth> first = 0;  // of the position and pixel row that leaves
  count_t<Cfg::side> pixel_row = 0;
DEPTH_TO_SPACE:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool reads = step < last_read;
    vec<value_t, V> read = vec<value_t, V>();
    if (reads) read = read_beat<V, value_t>(in, step);
    if (step >= L::prologue) {
      write_beat<V>(out, step - int(L::prologue), store[(half ? 0 : int(L::row)) + int(first) + int(beat)]);
      const bool next_column = int(beat) == L::part - 1;
      const bool next_pixel_row = next_column && int(column) == Cfg::columns - 1;
      const bool next_row = next_pixel_row && int(pixel_row) == Cfg::side - 1;
      beat = count_t<L::part>(next_column ? 0 : int(beat) + 1);
      column = count_t<Cfg::columns>(next_pixel_row ? 0 : next_column ? int(column) + 1 : int(column));
      pixel_row = count_t<Cfg::side>(next_row ? 0 : next_pixel_row ? int(pixel_row) + 1 : int(pixel_row));
      first = count_t<L::depth>(next_row         ? 0
                                : next_pixel_row ? int(pixel_row) * L::part
                                : next_column    ? int(first) + L::position
                                                 : int(first));
    }
    if (reads) store[(half ? int(L::row) : 0) + int(place)] = read;
    const bool end = int(place) == L::row - 1;
    half = end ? !half : half;
    place = count_t<L::row>(end ? 0 : int(place) + 1);
  }
}

}  // namespace swm
