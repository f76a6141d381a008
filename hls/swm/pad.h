// SPDX-License-Identifier: Apache-2.0
/// \file pad.h
/// \brief Rows and columns of one value around an image, or (negative) cut off.
///
/// All positions that come in or go out are walked over, row by row, the beats of a position one after the other: a beat
/// is read where the position lies in the input, written where it lies in the output, and is `fill` where it was not read.
///
/// II = 1. Iterations: frames * period, period = rows * columns * ceil(n / V) of all positions. No multiplier, no memory.
///
/// \tparam Cfg  tick, n, bits, vec = V, grid_rows, grid_columns, before_rows, before_columns, behind_rows, behind_columns,
///              fill
#pragma once

#include "count.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct pad_layer {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    rows = Cfg::grid_rows + max_of(Cfg::before_rows, 0) + max_of(Cfg::behind_rows, 0),
    columns = Cfg::grid_columns + max_of(Cfg::before_columns, 0) + max_of(Cfg::behind_columns, 0),
    in_row = max_of(Cfg::before_rows, 0),  // where input and output begin
    in_column = max_of(Cfg::before_columns, 0),
    out_row = max_of(-Cfg::before_rows, 0),
    out_column = max_of(-Cfg::before_columns, 0),
    out_rows = Cfg::grid_rows + Cfg::before_rows + Cfg::behind_rows,
    out_columns = Cfg::grid_columns + Cfg::before_columns + Cfg::behind_columns,
    in_beats = Cfg::grid_rows * Cfg::grid_columns * beats,
    out_beats = out_rows * out_columns * beats,
    prologue = 0,
    period = rows * columns * beats,
    epilogue = 0
  };
  typedef int_t<Cfg::bits> value_t;

  static constexpr int iterations(int frames) { return frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::grid_rows >= 1 && Cfg::grid_columns >= 1, "at least one value");
  static_assert(out_rows >= 1 && out_columns >= 1, "at least one position is left");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::bits >= 4 && Cfg::bits <= 18, "data have 4 to 18 bits");
};

/// \param frames  of this call
/// \param in      ceil(n / V) beats of V channels a token
/// \param out     the same; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void pad(int frames, In& in, Out& out) {
  typedef pad_layer<Cfg> L;
  typedef typename L::value_t value_t;
  constexpr int V = Cfg::vec;
  const int total = L::iterations(frames);
  count_t<L::beats> beat = 0;
  count_t<L::rows> row = 0;
  count_t<L::columns> column = 0;
  int come = 0, go = 0;
PAD:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool end = int(beat) == L::beats - 1;
    const bool reads = int(row) >= L::in_row && int(row) < L::in_row + Cfg::grid_rows && int(column) >= L::in_column &&
                       int(column) < L::in_column + Cfg::grid_columns;
    const bool writes = int(row) >= L::out_row && int(row) < L::out_row + L::out_rows && int(column) >= L::out_column &&
                        int(column) < L::out_column + L::out_columns;
    vec<value_t, V> value;
  PAD_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      value.v[i] = i < L::tail || !end ? value_t(Cfg::fill) : value_t(0);
    }
    if (reads) {
      value = read_beat<V, value_t>(in, come);
      ++come;
    }
    if (writes) {
      write_beat<V>(out, go, value);
      ++go;
    }
    const bool next_row = end && int(column) == L::columns - 1;
    beat = count_t<L::beats>(end ? 0 : int(beat) + 1);
    column = count_t<L::columns>(next_row ? 0 : end ? int(column) + 1 : int(column));
    row = count_t<L::rows>(!next_row ? int(row) : int(row) == L::rows - 1 ? 0 : int(row) + 1);
  }
}

}  // namespace swm
