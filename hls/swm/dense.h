// SPDX-License-Identifier: Apache-2.0
/// \file dense.h
/// \brief A dense layer: y = activation(W x + b), rows x columns multipliers side by side.
///
/// acc[r] = sum over c of W[r][c] x[c], exact; then bias, activation, one rounding (docs/arithmetic.md section 6).
///
/// II = 1. Iterations: n_pad / in_vec to load, ceil(m / rows) n_pad / columns products, ceil(m / out_vec) to write;
/// latency is these plus the fill of three pipelines.
///
/// Memories: an index inside a beat, and an index of a multiplier, is a constant after unrolling and a dimension of its
/// own, so that every bank has one reader and one writer whatever the tool can prove about addresses.
///
/// \tparam Cfg  id, m, n, in_bits, weight_bits, bias_bits, out_bits, out_shift, act_shift, out_frac, in_vec, out_vec as in
///              circulant.h; rows (a multiple of out_vec) and columns (a power of two): the
///              multipliers; activation
#pragma once

#include "count.h"
#include "finish.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct dense_layer {
  enum {
    width = max_of(Cfg::columns, Cfg::in_vec),
    part = min_of(Cfg::columns, Cfg::in_vec),  // values that both sides of the input buffer handle together
    parts = width / part,
    n_pad = ceil_div(Cfg::n, width) * width,
    row_groups = ceil_div(Cfg::m, Cfg::rows),
    column_groups = n_pad / Cfg::columns,
    rom_depth = row_groups * column_groups,
    rom_lanes = Cfg::rows * Cfg::columns,
    acc_bits = Cfg::weight_bits + Cfg::in_bits + clog2(Cfg::n),
    value_bits = max_of(acc_bits, Cfg::bias_bits) + 1,
    in_beats = ceil_div(Cfg::n, Cfg::in_vec),
    out_beats = ceil_div(Cfg::m, Cfg::out_vec),
    bias_words = out_beats * Cfg::out_vec,
    iterations = n_pad / Cfg::in_vec + row_groups * column_groups + out_beats
  };
  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::out_bits> out_t;

  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18 && Cfg::out_bits >= 4 && Cfg::out_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "weights fit the narrow port of a DSP block");
  static_assert(value_bits + max_of(0, -Cfg::act_shift) <= 62, "sums fit 64 bits with room to round");
  static_assert(is_power_of_two(Cfg::in_vec) && is_power_of_two(Cfg::out_vec), "beats are powers of two");
  static_assert(is_power_of_two(Cfg::columns), "columns is a power of two");
  static_assert(Cfg::rows >= 1 && Cfg::rows % Cfg::out_vec == 0, "an output beat lies inside one group of rows");
};

/// \param weights  ROM [(group of rows, group of columns)][(row, column)], padded with zeros
/// \param bias     ceil(m / out_vec) * out_vec values at the binary point of the sums
/// \param in       beats of in_vec inputs
/// \param out      beats of out_vec outputs; surplus values of the last beat are zero
template <class Cfg, class In, class Out>
void dense(const typename dense_layer<Cfg>::weight_t weights[dense_layer<Cfg>::rom_depth][dense_layer<Cfg>::rom_lanes],
           const typename dense_layer<Cfg>::bias_t bias[dense_layer<Cfg>::bias_words], In& in, Out& out) {
  typedef dense_layer<Cfg> L;
  typedef int_t<L::acc_bits> acc_t;
  constexpr int V = Cfg::in_vec, U = Cfg::out_vec, rows = Cfg::rows, columns = Cfg::columns, part = L::part;
  constexpr int beats_a_row = L::width / V, groups_a_row = L::width / columns;

  SWM_WIDE_WORD(weights, 2)
  SWM_WIDE_WORDS_OF(bias, U)
  typename L::in_t x[L::n_pad / L::width][L::parts][part];
  SWM_PARTITION(x, 2)
  SWM_PARTITION(x, 3)
  acc_t sums[L::row_groups][rows / U][U];
  SWM_PARTITION(sums, 2)
  SWM_PARTITION(sums, 3)
  acc_t acc[rows];
  SWM_PARTITION(acc, 1)

LOAD:
  for (int beat = 0; beat < L::n_pad / V; ++beat) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id);
    vec<typename L::in_t, V> value;
    if (beat < L::in_beats) {
      value = read_beat<V>(in, beat);
    } else {
    ZERO:
      for (int i = 0; i < V; ++i) {
        SWM_UNROLL
        value.v[i] = 0;
      }
    }
  STORE:
    for (int i = 0; i < V; ++i) {
      SWM_UNROLL
      x[beat >> log2_of(beats_a_row)][(beat & (beats_a_row - 1)) * (V / part) + i / part][i % part] = value.v[i];
    }
  }

  int address = 0;
ROW_GROUPS:
  for (int g = 0; g < L::row_groups; ++g) {
  COLUMN_GROUPS:
    for (int c = 0; c < L::column_groups; ++c) {
      SWM_PIPELINE
      SWM_TICK(4 * Cfg::id);
    ROWS:
      for (int r = 0; r < rows; ++r) {
        SWM_UNROLL
        acc_t sum = 0;
      COLUMNS:
        for (int i = 0; i < columns; ++i) {
          SWM_UNROLL
          const typename L::in_t value =
              x[c >> log2_of(groups_a_row)][(c & (groups_a_row - 1)) * (columns / part) + i / part][i % part];
          sum = acc_t(sum + multiply<Cfg::in_bits, Cfg::weight_bits>(value, weights[address][r * columns + i]));
        }
        const acc_t before = c == 0 ? acc_t(0) : acc[r];
        acc[r] = acc_t(before + sum);
        if (c == L::column_groups - 1) sums[g][r / U][r % U] = acc[r];
      }
      ++address;
    }
  }

  int group = 0, set = 0;  // sets of U rows
WRITE:
  for (int beat = 0; beat < L::out_beats; ++beat) {
    SWM_PIPELINE
    SWM_TICK(4 * Cfg::id);
    vec<typename L::out_t, U> value;
  WRITE_VALUES:
    for (int i = 0; i < U; ++i) {
      SWM_UNROLL
      const int index = beat * U + i;
      value.v[i] = 0;
      if (index < Cfg::m) {
        const acc_t sum = sums[group][set][i];
        const int_t<L::value_bits> v = int_t<L::value_bits>(int_t<L::value_bits>(sum) + int_t<L::value_bits>(bias[index]));
        value.v[i] = Cfg::activation::template run<Cfg, L::value_bits>(v);
      }
    }
    write_beat<U>(out, beat, value);
    const bool wrap = set == rows / U - 1;
    group = wrap ? group + 1 : group;
    set = wrap ? 0 : set + 1;
  }
}

}  // namespace swm
