// SPDX-License-Identifier: Apache-2.0
/// \file matmul.h
/// \brief Products of two streams: for each head h, Y[p, c] = activation(sum over k of A[p, k] B[k, c]).
///
/// A passes row after row; B lies on chip, in two halves of a memory: while the rows of a frame meet one, B of the next frame
/// is loaded into the other. Heads lie inside the rows (row p of every head, then row p + 1) or outside (all rows of a
/// head), for A and for B apart; the order is addresses, nothing is moved. A line of B is what comes as one token: a column
/// of it (`along_inner`: K of attention, whose product is Q K^T) or a row (V).
///
/// II = 1. A row of A is a token of product_walk.h; the loop and its multipliers are those of dense.h with the memory in
/// place of the ROM.
///
///   iterations: stored_beats + loads, then frames * heads * positions * row_period, then the drain of the last group
///   row_period = max(row groups * column groups, loads of a row, stored_beats / (heads * positions) rounded up)
///
/// `Shared` heads of A in a row meet one head of B (grouped queries; all heads: multi-query attention), so that there are heads /
/// Shared of these: the address of B goes on with every `Shared`-th head.
///
/// Values of B behind its last row or column are not written: they are taken as zero.
///
/// \tparam Cfg  tick, m (columns of B), n (columns of A), heads, positions (rows of A, for each head), heads_inside,
///              stored_inside, along_inner, in_bits, stored_bits, out_bits, out_shift, in_vec (of both inputs), out_vec, rows
///              and columns (multipliers; columns, and rows unless along_inner, are whole input beats), activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"
#include "product_walk.h"
#include "row_sums.h"

namespace swm {

/// product_times of a row of A, with a period that leaves time to load B.
template <class Base, int StoredBeats, int Rows>
struct matmul_times : Base {
  enum { period = max_of(int(Base::period), ceil_div(StoredBeats, Rows)), load_step = period / int(Base::loads) };
};

template <class Cfg, int Shared = 1>
struct matmul_layer {
  enum {
    stored_heads = Cfg::heads / Shared,
    in_vec = Cfg::in_vec,
    out_vec = Cfg::out_vec,
    rows = Cfg::rows,
    columns = Cfg::columns,
    in_width = Cfg::in_bits,
    weight_width = Cfg::stored_bits,
    fabric_rows = 0,
    packed = 0,
    row_groups = ceil_div(Cfg::m, rows),
    column_groups = ceil_div(Cfg::n, columns),
    group = row_groups * column_groups,  // words of a bank for one head
    tail_rows = Cfg::m - (row_groups - 1) * rows,
    tail_columns = Cfg::n - (column_groups - 1) * columns,
    tokens = Cfg::heads * Cfg::positions,
    in_beats = ceil_div(Cfg::n, in_vec),
    out_beats = ceil_div(Cfg::m, out_vec),
    line_words = Cfg::along_inner ? Cfg::n : Cfg::m,
    lines = Cfg::along_inner ? Cfg::m : Cfg::n,
    line_beats = ceil_div(line_words, in_vec),
    stored_beats = stored_heads * lines * line_beats,
    line_lanes = Cfg::along_inner ? rows : columns,               // lines side by side
    beat_lanes = (Cfg::along_inner ? columns : rows) / in_vec,    // beats of a line side by side
    line_step = Cfg::along_inner ? int(column_groups) : 1,        // addresses between groups of lines
    beat_step = Cfg::along_inner ? 1 : int(column_groups),        // between groups of beats
    acc_bits = Cfg::in_bits + Cfg::stored_bits + clog2(Cfg::n),
    value_bits = acc_bits + 1
  };
  typedef product_times<1, max_of(1, columns / in_vec), in_beats, row_groups, 1, column_groups, true, ceil_div(rows, out_vec),
                        ceil_div(tail_rows, out_vec)>
      row_times;
  typedef matmul_times<row_times, stored_beats, tokens> times;
  enum {
    frame = tokens * int(times::period),
    store_step = frame / stored_beats,
    prologue = stored_beats + int(times::loads),
    period = frame,
    epilogue = int(times::epilogue)
  };
  static constexpr int iterations(int frames) { return prologue + frames * frame + epilogue; }

  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::stored_bits> stored_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::stored_bits >= 4 && Cfg::stored_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::heads >= 1 && Cfg::positions >= 1, "at least one row");
  static_assert(Shared >= 1 && Cfg::heads % Shared == 0, "as many heads share each of those that are stored");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(is_power_of_two(out_vec) && is_power_of_two(in_vec), "beats are powers of two");
  static_assert(columns >= 1 && columns % in_vec == 0, "columns are whole input beats");
  static_assert(Cfg::along_inner || rows % in_vec == 0, "rows are whole beats of what is stored");
  static_assert(rows >= 1 && (rows % out_vec == 0 || row_groups == 1), "an output beat lies inside one group of rows");
  static_assert(in_vec * Cfg::in_bits <= 4096 && in_vec * Cfg::stored_bits <= 4096 && out_vec * Cfg::out_bits <= 4096,
                "no word beyond 4,096 bits");
};

/// Where the next beat of B belongs.
template <class L, class Cfg>
struct matmul_place {
  count_t<L::line_beats> beat;
  count_t<L::lines> line;
  count_t<L::stored_heads> head;
  count_t<L::beat_lanes> beat_lane;
  count_t<L::line_lanes> line_lane;
  count_t<L::group> beat_address;
  count_t<L::group> line_address;
  count_t<L::group * L::stored_heads> head_address;

  matmul_place() : beat(0), line(0), head(0), beat_lane(0), line_lane(0), beat_address(0), line_address(0), head_address(0) {}

  int address() const {
    SWM_INLINE
    return int(head_address) + int(line_address) + int(beat_address);
  }
  /// To the next beat; beats of a line, then heads and lines, whichever lies inside.
  void step() {
    SWM_INLINE
    const bool line_ends = int(beat) == L::line_beats - 1;
    const bool lane_ends = int(beat_lane) == L::beat_lanes - 1;
    beat_address = count_t<L::group>(line_ends ? 0 : lane_ends ? int(beat_address) + L::beat_step : int(beat_address));
    beat_lane = count_t<L::beat_lanes>(line_ends || lane_ends ? 0 : int(beat_lane) + 1);
    beat = count_t<L::line_beats>(line_ends ? 0 : int(beat) + 1);
    const bool last_head = int(head) == L::stored_heads - 1, last_line = int(line) == L::lines - 1;
    const bool next_head = line_ends && (Cfg::stored_inside || last_line);
    const bool next_line = line_ends && (!Cfg::stored_inside || last_head);
    const bool rows_end = int(line_lane) == L::line_lanes - 1;
    if (next_head) {
      head = count_t<L::stored_heads>(last_head ? 0 : int(head) + 1);
      head_address = count_t<L::group * L::stored_heads>(last_head ? 0 : int(head_address) + L::group);
    }
    if (next_line) {
      line = count_t<L::lines>(last_line ? 0 : int(line) + 1);
      line_address = count_t<L::group>(last_line ? 0 : rows_end ? int(line_address) + L::line_step : int(line_address));
      line_lane = count_t<L::line_lanes>(last_line || rows_end ? 0 : int(line_lane) + 1);
    }
  }
};

/// \param frames  of this call
/// \param in      A: ceil(n / in_vec) beats a row
/// \param stored  B: beats of in_vec values a line
/// \param out     ceil(m / out_vec) beats a row; surplus values of the last beat are zero
template <class Cfg, int Shared = 1, class In, class Stored, class Out>
void matmul(int frames, In& in, Stored& stored, Out& out) {
  typedef matmul_layer<Cfg, Shared> L;
  typedef typename L::times T;
  typedef int_t<L::acc_bits> acc_t;
  typedef vec<typename L::in_t, L::in_vec> word_t;
  typedef vec<typename L::stored_t, L::in_vec> kept_t;
  constexpr int V = L::in_vec, U = L::out_vec, rows = L::rows, columns = L::columns, banks = T::load_banks;
  constexpr int store_banks = rows * columns / V, half_words = L::stored_heads * L::group;

  word_t x[banks][2 * L::column_groups];
  SWM_PARTITION(x, 1)
  SWM_WHOLE_WORDS(x)
  static kept_t kept[store_banks][2 * half_words];  // every value is written before it is read
  SWM_PARTITION(kept, 1)
  SWM_WHOLE_WORDS(kept)
  acc_t acc[rows] = {};
  SWM_PARTITION(acc, 0)
  acc_t held[T::beats * U] = {};  // sums of a group on their way out
  SWM_PARTITION(held, 0)

  product_walk<T> walk(frames * L::tokens);
  matmul_place<L, Cfg> place;
  const int total = L::iterations(frames);
  int unstored = frames, in_beat = 0, stored_beat = 0, out_beat = 0;  // frames of B that are to come; beats of this call
  count_t<L::stored_beats> frame_beat = 0;                            // of the frame of B that is loaded
  count_t<L::store_step> store_wait = 0;
  count_t<L::frame> at = 0;
  count_t<Cfg::heads> head = 0;
  count_t<Shared> sharing = 0;  // heads so far that met this one of B
  count_t<Cfg::positions> row = 0;
  count_t<half_words> head_address = 0;
  count_t<L::out_beats> set = 0;  // beat of the row
  bool first = true, upper = false;  // the first frame of B is loaded; which half is filled
FLAT:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool store = unstored > 0 && int(frame_beat) != L::stored_beats && (first || (!walk.filling && int(store_wait) == 0));
    const bool load = !first && walk.loads(), active = !first && walk.multiplies(), drain = !first && walk.drains();

    if (load) {
      const word_t beat = read_beat<V, typename L::in_t>(in, in_beat);
      ++in_beat;
      fill_banks(x, int(walk.load_bank), (walk.half ? 0 : int(L::column_groups)) + int(walk.load_column), beat);
    }
    if (store) {
      const kept_t beat = read_beat<V, typename L::stored_t>(stored, stored_beat);
      ++stored_beat;
      const int address = (upper ? half_words : 0) + place.address();
      const int bank = Cfg::along_inner ? int(place.line_lane) * L::beat_lanes + int(place.beat_lane)
                                        : int(place.beat_lane) * columns + int(place.line_lane);
    STORE_BANKS:
      for (int b = 0; b < store_banks; ++b) {
        SWM_UNROLL
        if (b == bank) kept[b][address] = beat;
      }
      place.step();
    }

    if (drain) {
      const bool last = int(set) == L::out_beats - 1;
      vec<typename L::out_t, U> value;
    DRAIN_ROWS:
      for (int r = 0; r < U; ++r) {
        SWM_UNROLL
        value.v[r] = 0;
        if (!last || r < Cfg::m - (L::out_beats - 1) * U) value.v[r] = Cfg::activation::template run<Cfg, L::value_bits>(int_t<L::value_bits>(held[r]));
      }
      write_beat<U>(out, out_beat, value);
      ++out_beat;
      set = count_t<L::out_beats>(last ? 0 : int(set) + 1);
      next_held<U>(held);
    }

    if (active) {
      const int from = (walk.half ? int(L::column_groups) : 0) + int(walk.column);
      const int address = (upper ? 0 : half_words) + int(head_address) + int(walk.address);
      const bool last_rows = int(walk.row_group) == L::row_groups - 1, last_columns = int(walk.column) == L::column_groups - 1;
      typename L::in_t values[columns];
      SWM_PARTITION(values, 0)
      typename L::stored_t w[rows * columns];
      SWM_PARTITION(w, 0)
    COLUMNS:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
        values[c] = x[c / V][from].v[c % V];
      ROWS:
        for (int r = 0; r < rows; ++r) {
          SWM_UNROLL
          const int bank = Cfg::along_inner ? r * L::beat_lanes + c / V : (r / V) * columns + c;
          const int lane = Cfg::along_inner ? c % V : r % V;
          const bool there = (r < L::tail_rows || !last_rows) && (c < L::tail_columns || !last_columns);
          w[r * columns + c] = there ? kept[bank][address].v[lane] : typename L::stored_t(0);
        }
      }
      acc_t sum[rows];
      SWM_PARTITION(sum, 0)
      row_sums<L>(values, w, sum);
      add_to_rows(acc, held, sum, walk.starts(), walk.completes());
    }

    const bool filling = walk.filling, token_ends = !first && !filling && int(walk.at) == T::period - 1;
    if (!first) walk.step(load, active, drain);
    if (token_ends) {  // the next row: of the next head, or of the same
      const bool last_head = int(head) == Cfg::heads - 1, last_row = int(row) == Cfg::positions - 1;
      const bool next_head = Cfg::heads_inside || last_row, next_row = !Cfg::heads_inside || last_head;
      if (next_head) {
        const bool next_stored = int(sharing) == Shared - 1;
        head_address = count_t<half_words>(last_head ? 0 : int(head_address) + (next_stored ? int(L::group) : 0));
        sharing = count_t<Shared>(next_stored ? 0 : int(sharing) + 1);
        head = count_t<Cfg::heads>(last_head ? 0 : int(head) + 1);
      }
      if (next_row) row = count_t<Cfg::positions>(last_row ? 0 : int(row) + 1);
    }
    // B of a frame is complete: before the rows begin, or at the end of those of the frame before.
    const bool steady = !first && !filling;
    const bool frame_ends = first ? int(frame_beat) == L::stored_beats - 1 : steady && int(at) == L::frame - 1;
    frame_beat = count_t<L::stored_beats>(frame_ends ? 0 : int(frame_beat) + (store ? 1 : 0));
    store_wait = count_t<L::store_step>(!steady || frame_ends || int(store_wait) == L::store_step - 1 ? 0 : int(store_wait) + 1);
    at = count_t<L::frame>(!steady || frame_ends ? 0 : int(at) + 1);
    if (frame_ends) {
      upper = !upper;
      unstored = unstored - 1;
      first = false;
    }
  }
}

}  // namespace swm
