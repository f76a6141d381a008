// SPDX-License-Identifier: Apache-2.0
/// \file window.h
/// \brief The line buffer: a grid of positions comes in, and for each output position what its kernel sees goes out.
///
/// Positions come row by row, position_beats beats each. A beat holds window_words integers, whatever they are: channels,
/// or words of a spectrum. Output position (y, x) sees, at tap (i, j) of the kernel, input position
/// (y stride - pad + i dilation, x stride - pad + j dilation); where that lies outside the grid every word is window_fill.
/// tap_rows x tap_columns taps leave side by side in a beat. The beats of an output position, the last counter innermost:
///
///     runs of a position's beats   position_beats / run_beats
///     groups of kernel rows        kernel_rows / tap_rows
///     groups of kernel columns     kernel_columns / tap_columns
///     beats of a run               run_beats
///
/// so that with run_beats = 1 all taps of some channels follow each other, and with run_beats = position_beats all channels
/// of a tap. Words of a beat: [tap row][tap column][word].
///
/// II = 1. Iterations of a call (frames > 0): prologue + frames * period, see window_walk.h.
///
///     prologue   the input rows that the first row of outputs sees, a beat an iteration
///     a frame    out_rows rows of outputs, each max(writes, loads) iterations. Its beats leave one an iteration. Meanwhile
///                the input rows that the next row of outputs sees besides are loaded, a beat each row_step iterations: as
///                many rows as the stride, and those of the next frame where this one is complete; in the last row what is
///                left of the frame and of the first rows of the next one, a beat each last_step.
///
/// A ring of `kept` input rows: columns in tap_columns banks, rows in banks of their own where several leave side by side.
/// Every bank is written once and read once a cycle, whole beats each.
///
/// \tparam Cfg  tick; grid_rows, grid_columns; kernel_rows, stride_rows, dilation_rows, pad_rows (before the grid) and the
///              same of columns; out_rows, out_columns; position_beats, run_beats; tap_rows, tap_columns;
///              window_words, window_bits, window_fill
#pragma once

#include "count.h"
#include "ports.h"
#include "window_walk.h"

namespace swm {

/// \param frames  of this call
/// \param in      in_beats beats a frame
/// \param out     window_beats beats for each of out_rows x out_columns positions of a frame
template <class Cfg, class In, class Out>
void window(int frames, In& in, Out& out) {
  typedef window_layer<Cfg> L;
  typedef vec<typename L::in_t, L::words> stored_t;
  constexpr int N = L::words, tap_rows = Cfg::tap_rows, tap_columns = Cfg::tap_columns;

  stored_t ring[L::row_banks][L::column_banks][L::depth];
  SWM_PARTITION(ring, 1)
  SWM_PARTITION(ring, 2)
  SWM_WHOLE_WORDS(ring)

  detail::window_loads<Cfg> load(frames);
  detail::window_taps<Cfg> taps;
  bool filling = L::prologue > 0;
  count_t<L::longest> at = 0;               // iteration of the row of outputs
  constexpr int come = min_of(detail::reach_of<Cfg>(0), int(Cfg::grid_rows)), all = Cfg::grid_rows + L::first;
  int until = come + Cfg::stride_rows;      // input rows that come before the next one
  const int total = L::iterations(frames);
  int in_beat = 0, out_beat = 0;
FLAT:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool last = taps.last_row(), leaves = !filling && taps.leaves();

    if (load.due(filling || last || until > all ? all : until)) {
      const stored_t value = read_beat<N, typename L::in_t>(in, in_beat);
      ++in_beat;
      const int line = L::row_banks > 1 ? 0 : int(load.slot) * int(L::bank_columns);
      const int place = (line + int(load.place)) * Cfg::position_beats + int(load.beat);
    LOAD_ROWS:
      for (int s = 0; s < L::row_banks; ++s) {
        SWM_UNROLL
      LOAD_COLUMNS:
        for (int b = 0; b < tap_columns; ++b) {
          SWM_UNROLL
          const bool here = (L::row_banks == 1 || s == int(load.slot)) && b == int(load.bank);
          if (here && load.stored()) ring[s][b][place] = value;
        }
      }
      load.step();
    }

    if (leaves) {
      stored_t seen[L::row_banks][tap_columns];
      SWM_PARTITION(seen, 0)
      const int line = L::row_banks > 1 ? 0 : taps.row.slot * int(L::bank_columns);
      const int beat = int(taps.run) * Cfg::run_beats + int(taps.beat);
    READ_COLUMNS:
      for (int b = 0; b < tap_columns; ++b) {
        SWM_UNROLL
        int column = 0;  // of this bank: what one of the taps sees
      FIND_COLUMN:
        for (int c = 0; c < tap_columns; ++c) {
          SWM_UNROLL
          const detail::window_tap tap = detail::moved<tap_columns>(taps.column, c * Cfg::dilation_columns);
          if (tap.slot == b && tap.at >= 0 && tap.at < Cfg::grid_columns) column = tap.place;
        }
      READ_ROWS:
        for (int s = 0; s < L::row_banks; ++s) {
          SWM_UNROLL
          seen[s][b] = ring[s][b][(line + column) * Cfg::position_beats + beat];
        }
      }
      vec<typename L::out_t, L::out_words> value;
    TAP_ROWS:
      for (int r = 0; r < tap_rows; ++r) {
        SWM_UNROLL
        const detail::window_tap row = detail::moved<L::kept>(taps.row, r * Cfg::dilation_rows);
      TAP_COLUMNS:
        for (int c = 0; c < tap_columns; ++c) {
          SWM_UNROLL
          const detail::window_tap column = detail::moved<tap_columns>(taps.column, c * Cfg::dilation_columns);
          const bool inside =
              row.at >= 0 && row.at < Cfg::grid_rows && column.at >= 0 && column.at < Cfg::grid_columns;
        TAP_WORDS:
          for (int w = 0; w < N; ++w) {
            SWM_UNROLL
            const typename L::in_t word = seen[L::row_banks > 1 ? row.slot : 0][column.slot].v[w];
            value.v[(r * tap_columns + c) * N + w] = inside ? word : typename L::out_t(Cfg::window_fill);
          }
        }
      }
      write_beat<L::out_words>(out, out_beat, value);
      ++out_beat;
      taps.step();
    }

    // The end of the prologue, of a row of outputs, of a frame.
    const bool filled = filling && int(load.row) == L::first;
    const bool row_ends = !filling && int(at) == (last ? int(L::last_time) : int(L::row_time)) - 1;
    at = count_t<L::longest>(filling || row_ends ? 0 : int(at) + 1);
    if (!filling) load.go_ahead();
    if (row_ends) {
      until = last ? come + Cfg::stride_rows : until + Cfg::stride_rows;
      taps.next_row();
    }
    if (filled || (row_ends && last)) load.ahead = false;
    filling = filling && !filled;
    if (!filling) load.go_ahead();
    const int step = last ? int(L::last_step) : int(L::row_step);
    load.wait = typename detail::window_loads<Cfg>::wait_t(
        filling || filled || row_ends || int(load.wait) == step - 1 ? 0 : int(load.wait) + 1);
  }
}

}  // namespace swm
