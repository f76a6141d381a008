// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_append.h
/// \brief The cells that the last step of an LSTM leaves, as one more token behind the outputs of a sequence.
///
/// Outputs and cells have binary points of their own inside the layer; both are brought to that of the layer's output, whose
/// words are wider, and saturated.
///
/// II = 1. Iterations: frames * sequences * (given + 1) * out_beats, given = 1 (last) or steps: outputs in the order in which they
/// come, then the cells of every sequence that takes turns.
///
/// \tparam Cfg  see recurrent.h, and all `static constexpr int`:
///   out_bits                  of an output
///   output_shift, cell_shift  right shifts (negative: left) of outputs and cells to its binary point
#pragma once

#include "count.h"
#include "ports.h"
#include "recurrent.h"

namespace swm {

/// \param values  outputs, out_beats a token
/// \param cells   out_beats a sequence
/// \param out     both; surplus values of the last beat of a token are zero
template <class Cfg, class Values, class Cells, class Out>
void recurrent_append(int frames, Values& values, Cells& cells, Out& out) {
  typedef recurrent<Cfg> L;
  typedef typename L::in_t in_t;
  typedef typename L::state_t state_t;
  typedef int_t<Cfg::out_bits> out_t;
  // A shift to the left by out_bits already saturates all but 0, so a larger one needs no wider type.
  constexpr int E = L::out_vec, B = Cfg::in_bits, C = Cfg::state_bits;
  constexpr int of_values = max_of(int(Cfg::output_shift), -Cfg::out_bits), of_cells = max_of(int(Cfg::cell_shift), -Cfg::out_bits);
  constexpr int cell_beats = Cfg::sequences * L::out_beats, value_beats = cell_beats * (Cfg::last ? 1 : Cfg::steps);
  static_assert(int(Cfg::cell) == int(cell_lstm) && !L::two, "cells of an LSTM without projection leave");
  const int total = frames * (value_beats + cell_beats);
  count_t<value_beats + cell_beats> at = 0;
  count_t<L::out_beats> beat = 0;  // of a token
  int value_beat = 0, cell_beat = 0;
APPEND:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + 1 + (L::k > 1));
    vec<out_t, E> given;
    if (int(at) < value_beats) {
      const vec<in_t, E> value = read_beat<E, in_t>(values, value_beat);
      ++value_beat;
    VALUES:
      for (int e = 0; e < E; ++e) {
        SWM_UNROLL
        given.v[e] = saturate<Cfg::out_bits, rounded<of_values, B>::bits>(round_shift<of_values, B>(value.v[e]));
      }
    } else {
      const vec<state_t, E> cell = read_beat<E, state_t>(cells, cell_beat);
      ++cell_beat;
    CELLS:
      for (int e = 0; e < E; ++e) {
        SWM_UNROLL
        const out_t word = saturate<Cfg::out_bits, rounded<of_cells, C>::bits>(round_shift<of_cells, C>(cell.v[e]));
        given.v[e] = int(beat) * E + e < Cfg::m ? word : out_t(0);
      }
    }
    write_beat<E>(out, step, given);
    at = count_t<value_beats + cell_beats>(int(at) == value_beats + cell_beats - 1 ? 0 : int(at) + 1);
    beat = count_t<L::out_beats>(int(beat) == L::out_beats - 1 ? 0 : int(beat) + 1);
  }
}

}  // namespace swm
