// SPDX-License-Identifier: Apache-2.0
/// \file window_walk.h
/// \brief Constants of the line buffer of window.h, and its counters: what is loaded, and which taps leave.
///
/// Everything is known when compiled but where in the ring of rows a frame begins; nothing divides when it runs.
///
/// \tparam Cfg  see window.h
#pragma once

#include "fixed.h"

namespace swm {
namespace detail {

constexpr int clamp_of(int v, int most) { return v < 0 ? 0 : v > most ? most : v; }
/// v mod n and floor(v / n), for negative v too.
constexpr int wrapped(int v, int n) { return ((v % n) + n) % n; }
constexpr int floor_div(int v, int n) { return (v - wrapped(v, n)) / n; }

/// Input rows up to the last one that output row `row` sees; not clipped to the grid.
template <class Cfg>
constexpr int reach_of(int row) {
  return row * Cfg::stride_rows - Cfg::pad_rows + (Cfg::kernel_rows - 1) * Cfg::dilation_rows + 1;
}
/// Input rows that have come when output row `row` begins, those of the next frame counted behind the grid's: what it sees at
/// least, `stride` rows more with each row of outputs, and at the end of a frame all of it and what the next one begins with.
template <class Cfg>
constexpr int rows_come(int row, int first) {
  return row == Cfg::out_rows ? Cfg::grid_rows + first
                              : clamp_of(min_of(reach_of<Cfg>(0), int(Cfg::grid_rows)) + row * Cfg::stride_rows, Cfg::grid_rows + first);
}
/// Most rows in the ring while output rows from `row` to `end` - 1 leave: those from its first one on, and those that are
/// loaded meanwhile. (Halved, for compilers limit how deep a constant may recur.)
template <class Cfg>
constexpr int rows_kept(int row, int end, int used, int first) {
  return end - row > 1 ? max_of(rows_kept<Cfg>(row, (row + end) / 2, used, first), rows_kept<Cfg>((row + end) / 2, end, used, first))
                       : max_of(max_of(1, first), clamp_of(rows_come<Cfg>(end, first), used) +
                                                      clamp_of(rows_come<Cfg>(end, first) - Cfg::grid_rows, first) -
                                                      clamp_of(row * Cfg::stride_rows - Cfg::pad_rows, used));
}

}  // namespace detail

template <class Cfg>
struct window_layer {
  enum {
    words = Cfg::window_words,
    taps = Cfg::tap_rows * Cfg::tap_columns,
    out_words = words * taps,
    runs = Cfg::position_beats / Cfg::run_beats,
    row_groups = Cfg::kernel_rows / Cfg::tap_rows,
    column_groups = Cfg::kernel_columns / Cfg::tap_columns,
    window_beats = Cfg::position_beats * row_groups * column_groups,  // an output position
    line = Cfg::grid_columns * Cfg::position_beats,                   // beats of an input row
    // Input rows that some output sees (from row 0 on), that the first output row sees, that the ring holds.
    used = detail::clamp_of(detail::reach_of<Cfg>(Cfg::out_rows - 1), Cfg::grid_rows),
    first = detail::clamp_of(detail::reach_of<Cfg>(0), used),
    kept = detail::rows_kept<Cfg>(0, Cfg::out_rows, used, first),
    // A row of outputs, and the last one.
    writes = Cfg::out_columns * window_beats,
    row_loads = Cfg::stride_rows * line,
    last_loads = (Cfg::grid_rows + first - detail::rows_come<Cfg>(Cfg::out_rows - 1, first)) * line,
    row_time = max_of(writes, row_loads),
    last_time = max_of(writes, last_loads),
    row_step = row_time / row_loads,
    last_step = last_time / max_of(1, last_loads),
    longest = max_of(row_time, last_time),
    prologue = first * line,
    period = (Cfg::out_rows - 1) * row_time + last_time,
    in_beats = Cfg::grid_rows * line,  // a frame
    out_beats = Cfg::out_rows * writes,
    // Banks of the ring.
    row_banks = Cfg::tap_rows > 1 ? kept : 1,
    column_banks = Cfg::tap_columns,
    bank_columns = ceil_div(Cfg::grid_columns, column_banks),
    depth = (kept / row_banks) * bank_columns * Cfg::position_beats
  };
  typedef int_t<Cfg::window_bits> in_t;
  typedef int_t<Cfg::window_bits> out_t;

  static constexpr int iterations(int frames) { return frames > 0 ? prologue + frames * period : 0; }

  static_assert(Cfg::position_beats % Cfg::run_beats == 0, "a position is whole runs of beats");
  static_assert(Cfg::kernel_rows % Cfg::tap_rows == 0 && Cfg::kernel_columns % Cfg::tap_columns == 0,
                "the kernel is whole groups of taps");
  static_assert(Cfg::stride_rows >= 1 && Cfg::stride_columns >= 1 && Cfg::dilation_rows >= 1 && Cfg::dilation_columns >= 1,
                "strides and dilations are at least 1");
  static_assert(Cfg::grid_rows >= 1 && Cfg::grid_columns >= 1 && Cfg::out_rows >= 1 && Cfg::out_columns >= 1,
                "grids hold something");
  static_assert(out_words * Cfg::window_bits <= 4096, "a beat has at most 4,096 bits");
};

namespace detail {

/// What is loaded: where the next beat goes, and when.
template <class Cfg>
struct window_loads {
  typedef window_layer<Cfg> L;
  typedef count_t<max_of(int(L::row_step), int(L::last_step))> wait_t;
  int frames;                    // whose loads have not ended
  bool ahead;                    // loading the frame after the one whose windows leave
  count_t<Cfg::grid_rows> row;   // grid_rows: the frame is complete
  count_t<Cfg::grid_columns> column;
  count_t<Cfg::position_beats> beat;
  count_t<L::kept> slot;         // of the ring
  count_t<L::column_banks> bank;
  count_t<L::bank_columns> place;  // column of the bank
  wait_t wait;

  explicit window_loads(int count)
      : frames(count), ahead(L::prologue > 0), row(0), column(0), beat(0), slot(0), bank(0), place(0), wait(0) {}

  /// Whether a beat is read now. `until`: input rows that come before the next row of outputs, as rows_come counts them.
  bool due(int until) const {
    SWM_INLINE
    const bool more = ahead ? int(row) < until - Cfg::grid_rows : int(row) < until && int(row) < Cfg::grid_rows;
    return frames > 0 && more && int(wait) == 0;
  }
  bool stored() const {
    SWM_INLINE
    return int(row) < L::used;
  }
  /// Behind a beat that was read.
  void step() {
    SWM_INLINE
    const bool next_column = int(beat) == Cfg::position_beats - 1;
    const bool next_place = next_column && int(bank) == L::column_banks - 1;
    const bool next_row = next_column && int(column) == Cfg::grid_columns - 1;
    const bool next_slot = next_row && stored();
    beat = count_t<Cfg::position_beats>(next_column ? 0 : int(beat) + 1);
    bank = count_t<L::column_banks>(next_row || next_place ? 0 : next_column ? int(bank) + 1 : int(bank));
    place = count_t<L::bank_columns>(next_row ? 0 : next_place ? int(place) + 1 : int(place));
    column = count_t<Cfg::grid_columns>(next_row ? 0 : next_column ? int(column) + 1 : int(column));
    if (next_slot) slot = count_t<L::kept>(int(slot) == L::kept - 1 ? 0 : int(slot) + 1);
    if (next_row) row = count_t<Cfg::grid_rows>(int(row) + 1);
  }
  /// The next frame follows a complete one.
  void go_ahead() {
    SWM_INLINE
    if (!ahead && int(row) == Cfg::grid_rows) {
      ahead = true;
      row = 0;
      --frames;
    }
  }
};

/// A tap along one axis: its place in the grid; its slot in the ring of rows, or its bank and its place in it.
struct window_tap {
  int at, slot, place;
};

/// The tap `by` further on; `Slots` of the ring, or banks.
template <int Slots>
inline window_tap moved(const window_tap& from, int by) {
  SWM_INLINE
  const int sum = from.slot + by % Slots;
  const window_tap to = {from.at + by, sum >= Slots ? sum - Slots : sum, from.place + by / Slots + (sum >= Slots ? 1 : 0)};
  return to;
}

/// Which taps leave.
template <class Cfg>
struct window_taps {
  typedef window_layer<Cfg> L;
  window_tap top, left;        // first tap of the output position
  window_tap row, column;      // first tap of the group
  int frame;                   // slot of the first tap of a frame
  count_t<L::runs> run;
  count_t<L::row_groups> row_group;
  count_t<L::column_groups> column_group;
  count_t<Cfg::run_beats> beat;
  count_t<Cfg::out_columns> out_column;  // out_columns: the row of outputs has left
  count_t<Cfg::out_rows> out_row;

  window_taps()
      : top(start_row()), left(start_column()), row(top), column(left), frame(top.slot), run(0), row_group(0), column_group(0),
        beat(0), out_column(0), out_row(0) {}

  static window_tap start_row() {
    SWM_INLINE
    const window_tap tap = {-Cfg::pad_rows, wrapped(-Cfg::pad_rows, L::kept), 0};
    return tap;
  }
  static window_tap start_column() {
    SWM_INLINE
    const window_tap tap = {-Cfg::pad_columns, wrapped(-Cfg::pad_columns, L::column_banks),
                            floor_div(-Cfg::pad_columns, L::column_banks)};
    return tap;
  }
  bool leaves() const {
    SWM_INLINE
    return int(out_column) != Cfg::out_columns;
  }
  bool last_row() const {
    SWM_INLINE
    return int(out_row) == Cfg::out_rows - 1;
  }
  /// Behind a beat that left.
  void step() {
    SWM_INLINE
    const bool next_column = int(beat) == Cfg::run_beats - 1;
    const bool next_row = next_column && int(column_group) == L::column_groups - 1;
    const bool next_run = next_row && int(row_group) == L::row_groups - 1;
    const bool next_output = next_run && int(run) == L::runs - 1;
    beat = count_t<Cfg::run_beats>(next_column ? 0 : int(beat) + 1);
    column_group = count_t<L::column_groups>(next_row ? 0 : next_column ? int(column_group) + 1 : int(column_group));
    row_group = count_t<L::row_groups>(next_run ? 0 : next_row ? int(row_group) + 1 : int(row_group));
    run = count_t<L::runs>(next_output ? 0 : next_run ? int(run) + 1 : int(run));
    if (next_output) {
      out_column = count_t<Cfg::out_columns>(int(out_column) + 1);
      left = moved<L::column_banks>(left, Cfg::stride_columns);
    }
    if (next_column) column = next_row ? left : moved<L::column_banks>(column, Cfg::tap_columns * Cfg::dilation_columns);
    if (next_row) row = next_run ? top : moved<L::kept>(row, Cfg::tap_rows * Cfg::dilation_rows);
  }
  /// To the next row of outputs, of this frame or the next.
  void next_row() {
    SWM_INLINE
    const bool last = last_row();
    const int next = frame + L::used % L::kept;
    if (last) frame = next >= L::kept ? next - L::kept : next;
    top = last ? start_row() : moved<L::kept>(top, Cfg::stride_rows);
    if (last) top.slot = frame;
    row = top;
    left = start_column();
    column = left;
    out_column = 0;
    out_row = count_t<Cfg::out_rows>(last ? 0 : int(out_row) + 1);
  }
};

}  // namespace detail
}  // namespace swm
