// SPDX-License-Identifier: Apache-2.0
/// \file dense.h
/// \brief A dense layer: y = activation(W x + b), rows x columns multipliers side by side.
///
/// acc[r] = sum over c of W[r][c] x[c], exact; then bias, activation, one rounding (docs/arithmetic.md section 6).
///
/// II = 1. Order and iterations: product_walk.h, with the rows of a group as its drain group: their sums move into a shift
/// register and leave out_vec rows a beat, through bias and activation. Inputs lie in two halves of a memory, columns /
/// in_vec banks of whole beats, one write and one read a cycle.
///
/// \tparam Cfg  tick, m, n, in_bits, weight_bits, bias_bits, out_bits, out_shift, in_vec, out_vec,
///              rom_banks, rom_lanes, fabric_rows, packed (two rows share a multiplier) as in circulant.h; rows and columns
///              (a multiple of in_vec): the multipliers; activation; groups (optional): tokens that follow each other with
///              weights and a bias of their own
#pragma once

#include "circulant.h"
#include "count.h"
#include "finish.h"
#include "row_sums.h"

namespace swm {

template <class Cfg>
struct dense_layer {
  enum {
    in_vec = Cfg::in_vec,
    out_vec = Cfg::out_vec,
    rows = Cfg::rows,
    columns = Cfg::columns,
    row_groups = ceil_div(Cfg::m, rows),
    column_groups = ceil_div(Cfg::n, columns),
    groups = groups_of<Cfg>::value,
    rom_depth = row_groups * column_groups * groups,
    rom_banks = Cfg::rom_banks,
    rom_lanes = Cfg::rom_lanes,
    fabric_rows = fabric_rows_of<Cfg>::value,
    packed = packed_of<Cfg>::value,
    weight_width = Cfg::weight_bits,
    in_width = Cfg::in_bits,
    acc_bits = Cfg::weight_bits + Cfg::in_bits + clog2(Cfg::n),
    value_bits = max_of(acc_bits, Cfg::bias_bits) + 1,
    in_beats = ceil_div(Cfg::n, in_vec),
    out_beats = ceil_div(Cfg::m, out_vec),
    bias_words = out_beats * out_vec * groups
  };
  /// Loads, products and drains.
  typedef product_times<1, max_of(1, columns / in_vec), in_beats, row_groups, 1, column_groups, true, ceil_div(rows, out_vec),
                        ceil_div(Cfg::m - (row_groups - 1) * rows, out_vec), groups>
      times;
  static constexpr int iterations(int tokens) { return times::iterations(tokens); }

  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "weights fit the narrow port of a DSP block");
  static_assert(value_bits <= 62, "sums fit 64 bits with room to round");
  static_assert(is_power_of_two(out_vec), "output beats are powers of two");
  static_assert(in_vec >= 1 && columns >= 1 && columns % in_vec == 0, "columns are whole input beats");
  static_assert(rows >= 1 && (rows % out_vec == 0 || row_groups == 1), "an output beat lies inside one group of rows");
  static_assert(groups == 1 || (Cfg::m % out_vec == 0 && Cfg::n % in_vec == 0), "no beat holds values of two groups of channels");
  static_assert(rom_banks * rom_lanes == rows * columns, "rom_banks times rom_lanes are all weights of a cycle");
  static_assert(fabric_rows >= 0 && fabric_rows <= rows, "fabric_rows are among the rows");
  static_assert(!packed || (rows % 2 == 0 && fabric_rows % 2 == 0), "pairs of rows");
  static_assert(!packed || 2 * weight_width + in_width <= 27, "a pair of weights fits a DSP block");
  static_assert(in_vec * in_width <= 4096 && out_vec * Cfg::out_bits <= 4096 && rom_lanes * weight_width <= 4096,
                "no word beyond 4,096 bits");
};

/// \param weights  ROM, banks of [(group of rows, group of columns)][lane]; over all banks, lane row * columns + column;
///                 zeros for rows and columns that do not exist
/// \param bias     groups * ceil(m / out_vec) * out_vec values at the binary point of the sums
/// \param in       ceil(n / in_vec) beats of in_vec inputs a token
/// \param out      ceil(m / out_vec) beats of out_vec outputs a token; surplus values of the last beat are zero
template <class Cfg, class In, class Out>
void dense(int tokens,
           const typename dense_layer<Cfg>::weight_t weights[dense_layer<Cfg>::rom_banks][dense_layer<Cfg>::rom_depth]
                                                            [dense_layer<Cfg>::rom_lanes],
           const typename dense_layer<Cfg>::bias_t bias[dense_layer<Cfg>::bias_words], In& in, Out& out) {
  typedef dense_layer<Cfg> L;
  typedef typename L::times T;
  typedef int_t<L::acc_bits> acc_t;
  typedef vec<typename L::in_t, L::in_vec> stored_t;
  constexpr int V = L::in_vec, U = L::out_vec, rows = L::rows, columns = L::columns, banks = T::load_banks;

  SWM_PARTITION(weights, 1)
  SWM_WIDE_WORD(weights, 3)
  SWM_WIDE_WORDS_OF(bias, U)
  stored_t x[banks][2 * L::column_groups];
  SWM_PARTITION(x, 1)
  SWM_WHOLE_WORDS(x)
  acc_t acc[rows] = {};
  SWM_PARTITION(acc, 0)
  acc_t held[T::beats * U] = {};  // sums of a group on their way out
  SWM_PARTITION(held, 0)

  product_walk<T> walk(tokens);
  const int total = L::iterations(tokens);
  int in_beat = 0, out_beat = 0;
  constexpr int sets = L::out_beats * L::groups;
  count_t<sets> set = 0;  // beat of the token, or of as many as there are groups
FLAT:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const bool load = walk.loads(), active = walk.multiplies(), drain = walk.drains();

    if (load) {
      const stored_t beat = read_beat<V, typename L::in_t>(in, in_beat);
      ++in_beat;
      fill_banks(x, int(walk.load_bank), (walk.half ? 0 : int(L::column_groups)) + int(walk.load_column), beat);
    }

    if (drain) {
      const bool last = int(set) == sets - 1;  // with groups none ends inside a beat
      vec<typename L::out_t, U> value;
    DRAIN_ROWS:
      for (int r = 0; r < U; ++r) {
        SWM_UNROLL
        value.v[r] = 0;
        if (!last || r < Cfg::m - (L::out_beats - 1) * U) {
          const typename L::bias_t offset = bias[int(set) * U + r];
          const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(held[r]) + int_t<L::value_bits>(offset));
          value.v[r] = Cfg::activation::template run<Cfg, L::value_bits>(v);
        }
      }
      write_beat<U>(out, out_beat, value);
      ++out_beat;
      set = count_t<sets>(last ? 0 : int(set) + 1);
      next_held<U>(held);
    }

    if (active) {
      const int place = (walk.half ? int(L::column_groups) : 0) + int(walk.column);
      typename L::in_t values[columns];
      SWM_PARTITION(values, 0)
    READ_BANKS:
      for (int bank = 0; bank < banks; ++bank) {
        SWM_UNROLL
        const stored_t word = x[bank][place];
      READ_VALUES:
        for (int v = 0; v < V; ++v) {
          SWM_UNROLL
          values[bank * V + v] = word.v[v];
        }
      }
      typename L::weight_t w[rows * columns];
      SWM_PARTITION(w, 0)
      read_rom_word(weights, int(walk.address), w);
      acc_t sum[rows];
      SWM_PARTITION(sum, 0)
      row_sums<L>(values, w, sum);
      add_to_rows(acc, held, sum, walk.starts(), walk.completes());
    }
    walk.step(load, active, drain);
  }
}

}  // namespace swm
