// SPDX-License-Identifier: Apache-2.0
/// \file recurrent.h
/// \brief Constants of a recurrent layer (LSTM, GRU, plain RNN), derived from its configuration and checked.
///
/// docs/arithmetic.md section 8 has every bit. The gates of a step share one product of [x; h], dense or block-circulant:
/// one memory of inputs, one of states, one sum a row. `recurrent_steps` is one process and one loop: products, inverse
/// transforms, gates, the new state, its forward transform. In front of it stands `recurrent_input`, which transforms x
/// (block-circulant only).
///
/// A step has one phase of products, or two where the second one reads what the first one gives: the candidate of a GRU
/// that resets before its product, a projection. Rows of a unit (a block of k cells; dense: k = 1) lie side by side, gate
/// after gate, so that a unit is complete when its rows are.
///
///     phase A   units of `gates` rows over the columns [x; h]
///     phase B   units of one row over [x; m] (GRU) or [m] (projection), m what phase A gave
///
/// Iterations of a call: loads + tokens * period + epilogue, II = 1; a token is a step of one of `sequences` sequences that
/// take turns. Their states are independent, so with enough of them no iteration waits; one sequence alone waits in every
/// step until its state has gone all the way round: `feedback` iterations behind the last drained beat.
///
/// \tparam Cfg  all `static constexpr int` but the policies:
///   tick                              number of the layer's first process
///   cell                              0 RNN, 1 LSTM, 2 GRU that resets before the product, 3 GRU that resets after it
///   n, hidden, m, k                   inputs, cells, outputs, block size (1: dense); m differs from hidden: a projection
///   steps, sequences, last            of a sequence; that take turns; 1 where only the last step's output leaves
///   start                             1 where states come in front of a sequence: one more token (recurrent_start.h)
///   in_bits, weight_bits, bias_bits, state_bits
///   fft_shifts, acc_shift, acc_shift_b
///   join_shift                        left shift of a sum over x where that over h joins it, 0 to 6
///   in_vec, out_vec                   values a beat, powers of two
///   mac_rows, mac_columns, products   rows and block columns side by side; multipliers of a complex product
///   rom_banks, rom_lanes              of the weights
///   feedback                          iterations from a drained beat until its state can be read
///   first_bias, initial, peephole, clip   whether the vectors hold biases of step 0, initial states, peepholes; clipping
///   clip_low, clip_high               bound of the gates at the binary point of the sums: lower 30 bits and the rest
///   peephole_shift, state_shift, kept_shift, new_shift, unit_shift, out_shift, inner_shift, reset_shift, project_shift
///                                     binary points, see recurrent_cell.h
///   gate_f, gate_g, gate_h            activation policies; f_shift, g_shift, h_shift: their out_shift
#pragma once

#include "circulant.h"
#include "finish.h"

namespace swm {

enum recurrent_cell_kind { cell_rnn = 0, cell_lstm = 1, cell_gru = 2, cell_gru_after = 3 };

template <class Cfg>
struct recurrent {
  enum {
    k = Cfg::k,
    in_vec = Cfg::in_vec,
    out_vec = Cfg::out_vec,
    projected = Cfg::m != Cfg::hidden,
    two = projected || int(Cfg::cell) == int(cell_gru),  // phases of a step
    second_reads_x = int(Cfg::cell) == int(cell_gru),
    gates = int(Cfg::cell) == int(cell_lstm) ? 4 : int(Cfg::cell) == int(cell_gru) ? 2 : int(Cfg::cell) == int(cell_gru_after) ? 3 : 1,
    turns = Cfg::steps + Cfg::start,  // tokens of a sequence
    split = int(Cfg::cell) == int(cell_gru_after),  // the candidate's sum over x and the one over h stay apart
    sums = gates + split,                           // of a unit
    biases = int(Cfg::cell) == int(cell_gru) ? 3 : sums,
    has_state = int(Cfg::cell) != int(cell_rnn),

    // blocks
    units = ceil_div(Cfg::hidden, k),
    units_b = ceil_div(Cfg::m, k),
    x_blocks = ceil_div(Cfg::n, k),
    mac_rows = Cfg::mac_rows,
    mac_columns = Cfg::mac_columns,
    x_groups = ceil_div(x_blocks, mac_columns),
    h_groups = ceil_div(units_b, mac_columns),
    m_groups = ceil_div(units, mac_columns),
    rows_unit = mac_rows < gates ? int(mac_rows) : int(gates),  // rows of one unit side by side
    units_side = max_of(1, mac_rows / gates),                   // units side by side
    subs = gates / rows_unit,                                   // turns until a unit is complete
    groups = ceil_div(units, units_side),
    groups_b = two ? ceil_div(units_b, mac_rows) : 0,
    columns = x_groups + h_groups,
    columns_b = two ? (second_reads_x ? int(x_groups) : 0) + int(m_groups) : 0,
    most_blocks = max_of(x_blocks + units_b, two ? (second_reads_x ? int(x_blocks) : 0) + int(units) : 0),

    // beats
    lanes = max_of(1, out_vec / k),  // blocks that leave together
    parts = max_of(1, k / out_vec),  // beats of a block
    in_lanes = max_of(1, in_vec / k),
    in_beats = ceil_div(Cfg::n, in_vec),
    out_beats = ceil_div(Cfg::m, out_vec),
    loads = ceil_div(x_blocks, in_lanes),
    last_a = ceil_div(units - (groups - 1) * units_side, lanes) * parts,
    beats_a = groups == 1 ? int(last_a) : ceil_div(units_side, lanes) * parts,
    total_a = (groups - 1) * beats_a + last_a,
    last_b = two ? ceil_div(units_b - (groups_b - 1) * mac_rows, lanes) * parts : 0,
    beats_b = groups_b <= 1 ? int(last_b) : ceil_div(mac_rows, lanes) * parts,

    // iterations
    group_products = subs * columns,
    products_a = groups * group_products,
    ready_a = products_a + last_a + Cfg::feedback,
    start_b = two ? max_of(products_a + last_a, ready_a - (second_reads_x ? int(x_groups) : 0)) : 0,
    products_b = groups_b * columns_b,
    end = two ? start_b + products_b : int(products_a),
    last = two ? int(last_b) : int(last_a),
    ready = end + last + Cfg::feedback - x_groups,  // from the start of a step until the next one of its sequence may start
    period = max_of(max_of(end, loads), ceil_div(ready, Cfg::sequences)),
    load_step = period / loads,
    prologue = loads,
    epilogue = max_of(0, end + last - period),
    held_units = max_of(ceil_div(units_side, lanes), two ? ceil_div(mac_rows, lanes) : 0) * lanes,
    most_beats = max_of(max_of(beats_a, last_a), max_of(beats_b, last_b)),

    // memories
    rom_depth = products_a + products_b,
    rom_banks = Cfg::rom_banks,
    rom_lanes = Cfg::rom_lanes,
    vector_sets = biases * (1 + Cfg::first_bias) + 3 * Cfg::peephole + Cfg::initial,
    vector_banks = vector_sets * out_vec * Cfg::bias_bits > 4096 ? int(vector_sets) : 1,  // one a set where a word were too wide
    vector_lanes = vector_sets / vector_banks * out_vec,

    // widths
    stages = clog2(k),
    word_bits = Cfg::in_bits + (k > 1 ? stages - Cfg::fft_shifts : 0),  // of a stored value, or a part of a stored spectrum
    weight_width = Cfg::weight_bits,
    acc_bits = Cfg::weight_bits + word_bits + (k > 1) + clog2(most_blocks) + 6,
    rounded_bits = Cfg::in_bits + 4,
    sum_bits = k > 1 ? rounded_bits + 1 + Cfg::fft_shifts : int(acc_bits),  // of a sum that left the products
    value_bits = max_of(int(sum_bits), Cfg::bias_bits) + 1
  };
  static constexpr int iterations(int tokens) { return prologue + tokens * period + epilogue; }
  static constexpr int input_iterations(int tokens) { return tokens * loads; }

  typedef int_t<Cfg::in_bits> in_t;
  typedef int_t<word_bits> word_t;
  typedef int_t<Cfg::weight_bits> weight_t;
  typedef int_t<Cfg::bias_bits> bias_t;
  typedef int_t<Cfg::state_bits> state_t;
  typedef int_t<value_bits> value_t;
  typedef const weight_t weights_t[rom_banks][rom_depth][rom_lanes];
  typedef const bias_t vectors_t[vector_banks][total_a][vector_lanes];

  static_assert(k == 1 || (is_power_of_two(k) && k <= 64), "blocks of a recurrent layer have 2 to 64 values; 1: dense");
  static_assert(k == 1 || (Cfg::hidden % k == 0 && Cfg::m % k == 0), "no block holds values of two gates");
  static_assert(Cfg::in_bits >= 4 && Cfg::in_bits <= 18, "data have 4 to 18 bits");
  static_assert(Cfg::weight_bits >= 4 && Cfg::weight_bits <= 18, "weights fit the narrow port of a DSP block");
  static_assert(Cfg::steps >= 1 && Cfg::sequences >= 1 && Cfg::feedback >= 1, "at least one step and sequence");
  static_assert(!Cfg::start || (!projected && !Cfg::initial && !Cfg::first_bias), "states come from one place; no projection");
  static_assert(mac_rows % gates == 0 || gates % mac_rows == 0, "rows side by side are whole units, or divide one");
  static_assert(mac_columns % in_lanes == 0 && mac_columns % lanes == 0, "a beat of blocks fills neighbouring columns");
  static_assert(units_side % lanes == 0 || groups == 1, "a beat lies inside one group of units");
  static_assert(!two || mac_rows % lanes == 0 || groups_b == 1, "a beat lies inside one group of rows");
  static_assert(most_beats <= group_products && (!two || (beats_b <= columns_b && last_b <= columns_b)),
                "the sums of a group have left before the next group is complete");
  static_assert(is_power_of_two(in_vec) && is_power_of_two(out_vec), "beats are powers of two");
  static_assert(rom_banks * rom_lanes == mac_rows * mac_columns * k, "rom_banks times rom_lanes are all weights of a cycle");
  static_assert(Cfg::join_shift >= 0 && Cfg::join_shift <= 6, "the sums have 6 bits for it");
  static_assert(acc_bits <= 60 && value_bits <= 60, "sums fit 64 bits with room to round");
  static_assert(in_vec * Cfg::in_bits <= 4096 && out_vec * Cfg::in_bits <= 4096 && in_lanes * k * word_bits <= 4096 &&
                    rom_lanes * weight_width <= 4096 && vector_lanes * Cfg::bias_bits <= 4096,
                "no word beyond 4,096 bits");
};

}  // namespace swm
