// SPDX-License-Identifier: Apache-2.0
/// \file pool.h
/// \brief The greatest or the mean value of what a window sees, behind the line buffer of window.h.
///
/// For each output position and each beat of channels come all taps of the window, tap_rows x tap_columns of them a beat:
///
///   max_pool      y = activation(max x), where everything outside the grid is the lowest value
///   average_pool  y = activation(R[count] sum x), where everything outside is zero; R[count] is 1 / count in fixed point
///                 (docs/arithmetic.md section 6), count how many taps of this output position count: those whose row
///                 lies in [low_row, high_row) and whose column lies in [low_column, high_column)
///
/// II = 1. Iterations: tokens * period, period = window_beats; a beat of outputs leaves with the last taps of its channels.
/// A token is an output position. A multiplier a word where there are several counts, adders where there is one.
/// With the members of beside.h a token is beside_out output positions of a row, and one beat; means then have one count.
///
/// \tparam Cfg  what window.h asks, with run_beats = 1; n (channels), out_bits, out_shift, activation; reciprocal_bits (0: no
///              mean); for means reciprocals (entries: 1 where all windows count alike, else (kernel_rows + 1) *
///              (kernel_columns + 1)), low_row, high_row, low_column, high_column; positions side by side: what beside.h asks,
///              out_vec
#pragma once

#include "beside.h"
#include "count.h"
#include "finish.h"
#include "ports.h"
#include "window_walk.h"

namespace swm {

template <class Cfg>
struct pool_layer {
  typedef window_layer<Cfg> window;
  typedef window_lanes<Cfg> lanes;
  enum {
    V = lanes::words,
    n = lanes::n,
    taps = lanes::taps,
    groups = window::row_groups * window::column_groups,
    beats = Cfg::position_beats,
    tail = n - (beats - 1) * V,  // channels of the last beat of a token
    reciprocal_bits = Cfg::reciprocal_bits,
    entries = max_of(1, Cfg::reciprocals),
    sum_bits = Cfg::window_bits + (reciprocal_bits > 0 ? clog2(groups * taps) : 0),
    value_bits = sum_bits + reciprocal_bits,
    in_beats = window::window_beats,
    out_beats = beats,
    prologue = 0,
    period = in_beats,
    epilogue = 0
  };
  typedef typename window::in_t in_t;
  typedef int_t<sum_bits> sum_t;
  typedef int_t<max_of(int(reciprocal_bits), 2)> reciprocal_t;
  typedef int_t<Cfg::out_bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(int(n) == int(Cfg::n) || Cfg::reciprocals <= 1, "windows side by side count alike");
  static_assert(Cfg::run_beats == 1, "all taps of a beat of channels follow each other");
  static_assert(is_power_of_two(V), "beats are powers of two");
  static_assert(n > (beats - 1) * V && n <= beats * V, "a position is the beats of a token");
  static_assert(Cfg::window_bits >= 4 && Cfg::window_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
};

namespace detail {

/// Which taps make one beat of outputs, and which channels these are.
template <class Cfg>
struct pool_walk {
  typedef pool_layer<Cfg> L;
  count_t<L::groups> group;
  count_t<L::beats> beat;
  pool_walk() : group(0), beat(0) {}
  bool first() const {
    SWM_INLINE
    return group == 0;
  }
  bool last() const {
    SWM_INLINE
    return int(group) == L::groups - 1;
  }
  /// Whether lane i is a channel, not what fills the last beat.
  bool there(int i) const {
    SWM_INLINE
    return i < L::tail || int(beat) != L::beats - 1;
  }
  /// To the next taps; true at the end of an output position.
  bool step() {
    SWM_INLINE
    const bool next_beat = last(), next_token = next_beat && int(beat) == L::beats - 1;
    group = count_t<L::groups>(next_beat ? 0 : int(group) + 1);
    beat = count_t<L::beats>(next_token ? 0 : next_beat ? int(beat) + 1 : int(beat));
    return next_token;
  }
};

/// Taps of a window along one axis, the first at `start`, that lie in [Low, High).
template <int Taps, int Dilation, int Low, int High>
inline int taps_inside(int start) {
  SWM_INLINE
  int count = 0;
TAPS_INSIDE:
  for (int t = 0; t < Taps; ++t) {
    SWM_UNROLL
    const int at = start + t * Dilation;
    if (at >= Low && at < High) ++count;
  }
  return count;
}

}  // namespace detail

/// \param tokens  output positions of all frames of this call
/// \param in      window_beats beats a token
/// \param out     beats of window_words channels; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void max_pool(int tokens, In& in, Out& out) {
  typedef pool_layer<Cfg> L;
  constexpr int V = L::V;
  const int total = L::iterations(tokens);
  typename L::in_t held[V] = {};
  SWM_PARTITION(held, 0)
  detail::pool_walk<Cfg> walk;
  int done = 0;
MAX_POOL:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1);
    const vec<typename L::in_t, L::window::out_words> x = read_beat<L::window::out_words, typename L::in_t>(in, step);
    vec<typename L::out_t, V> y;
  MAX_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      typename L::in_t most = x.v[L::lanes::word(i, 0)];
    MAX_TAPS:
      for (int t = 1; t < L::taps; ++t) {
        SWM_UNROLL
        most = x.v[L::lanes::word(i, t)] > most ? x.v[L::lanes::word(i, t)] : most;
      }
      held[i] = walk.first() || most > held[i] ? most : held[i];
      const typename L::out_t value = Cfg::activation::template run<Cfg, L::value_bits>(held[i]);
      y.v[i] = walk.there(i) ? value : typename L::out_t(0);
    }
    if (walk.last()) {
      write_beat<V>(out, done, y);
      ++done;
    }
    walk.step();
  }
}

/// \param tokens       output positions of all frames of this call
/// \param reciprocals  ROM [1][rows that count * (kernel_columns + 1) + columns that count][1]; one entry where all are alike
/// \param in           window_beats beats a token
/// \param out          beats of window_words channels; surplus values of the last beat of a token are zero
template <class Cfg, class In, class Out>
void average_pool(int tokens, const typename pool_layer<Cfg>::reciprocal_t reciprocals[1][pool_layer<Cfg>::entries][1], In& in, Out& out) {
  typedef pool_layer<Cfg> L;
  constexpr int V = L::V;
  const int total = L::iterations(tokens);
  typename L::sum_t held[V] = {};
  SWM_PARTITION(held, 0)
  detail::pool_walk<Cfg> walk;
  count_t<Cfg::out_rows> out_row = 0;
  count_t<Cfg::out_columns> out_column = 0;
  int row = -Cfg::pad_rows, column = -Cfg::pad_columns;  // of the first tap
  int done = 0;
AVERAGE_POOL:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1);
    const vec<typename L::in_t, L::window::out_words> x = read_beat<L::window::out_words, typename L::in_t>(in, step);
    const int rows = detail::taps_inside<Cfg::kernel_rows, Cfg::dilation_rows, Cfg::low_row, Cfg::high_row>(row);
    const int columns = detail::taps_inside<Cfg::kernel_columns, Cfg::dilation_columns, Cfg::low_column, Cfg::high_column>(column);
    const typename L::reciprocal_t by = reciprocals[0][L::entries > 1 ? rows * (Cfg::kernel_columns + 1) + columns : 0][0];
    vec<typename L::out_t, V> y;
  AVERAGE_LANES:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      typename L::sum_t sum = x.v[L::lanes::word(i, 0)];
    AVERAGE_TAPS:
      for (int t = 1; t < L::taps; ++t) {
        SWM_UNROLL
        sum = typename L::sum_t(sum + x.v[L::lanes::word(i, t)]);
      }
      held[i] = typename L::sum_t(walk.first() ? sum : typename L::sum_t(held[i] + sum));
      const int_t<L::value_bits> mean = int_t<L::value_bits>(multiply<L::sum_bits, L::reciprocal_bits>(held[i], by));
      const typename L::out_t value = Cfg::activation::template run<Cfg, L::value_bits>(mean);
      y.v[i] = walk.there(i) ? value : typename L::out_t(0);
    }
    if (walk.last()) {
      write_beat<V>(out, done, y);
      ++done;
    }
    if (walk.step()) {
      const bool next_row = int(out_column) == Cfg::out_columns - 1;
      const bool next_frame = next_row && int(out_row) == Cfg::out_rows - 1;
      out_column = count_t<Cfg::out_columns>(next_row ? 0 : int(out_column) + 1);
      column = next_row ? -Cfg::pad_columns : column + Cfg::stride_columns;
      out_row = count_t<Cfg::out_rows>(next_frame ? 0 : next_row ? int(out_row) + 1 : int(out_row));
      row = next_frame ? -Cfg::pad_rows : next_row ? row + Cfg::stride_rows : row;
    }
  }
}

}  // namespace swm
