// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_walk.h
/// \brief The order of loads, products and drained sums of recurrent_steps, as one flat loop.
///
///     prologue   `loads` iterations: the input of token 0, one beat an iteration
///     a token    `period` iterations. Products of phase A: groups of units outermost, columns innermost; a wait until what
///                they gave can be read, and products of phase B, where there is one; a wait until the next token's state
///                can be read. Beat j of the next token's input is read at iteration j * load_step
///     drain      begins at the iteration after the last product of a group; one beat an iteration
///     epilogue   the drain of the last group
#pragma once

#include "recurrent.h"

namespace swm {

/// Where the flat loop stands. All counters are explicit, so nothing divides; nothing here depends on data.
///
/// \tparam L  recurrent<Cfg>
template <class L, int Steps, int Sequences>
struct recurrent_walk {
  int left;                                                  // tokens whose products are to come or under way
  int unloaded;                                              // tokens not yet loaded
  bool filling;                                              // the prologue
  bool half;                                                 // of the input memory that products read
  count_t<L::period> at;                                     // iteration of the token
  count_t<L::loads> load_beat;                               // loads = complete
  count_t<L::load_step> load_wait;
  count_t<max_of(1, L::mac_columns / L::in_lanes)> load_bank;
  count_t<L::columns> load_column;
  count_t<L::rom_depth> address;
  count_t<L::subs> sub;
  count_t<max_of(int(L::columns), int(L::columns_b))> column;
  count_t<max_of(int(L::groups), int(L::groups_b))> group;
  count_t<Sequences> sequence;                               // whose products run
  count_t<Steps> step_number;
  bool odd;                                                  // the step, by which half of the states is read
  count_t<L::most_beats> held;                               // beats that have not left yet
  bool held_second;                                          // they are of phase B
  count_t<max_of(int(L::total_a), int(L::out_beats))> beat;  // of the token and phase, that leaves next
  count_t<L::parts> part;                                    // of a block
  count_t<Sequences> out_sequence;                           // whose sums leave
  count_t<Steps> out_step;
  bool out_odd;

  explicit recurrent_walk(int tokens)
      : left(tokens), unloaded(tokens), filling(true), half(true), at(0), load_beat(0), load_wait(0), load_bank(0), load_column(0),
        address(0), sub(0), column(0), group(0), sequence(0), step_number(0), odd(false), held(0), held_second(false), beat(0),
        part(0), out_sequence(0), out_step(0), out_odd(false) {}

  bool loads() const {
    SWM_INLINE
    return unloaded > 0 && int(load_beat) != L::loads && (filling || int(load_wait) == 0);
  }
  /// What these loads would bring is the token of the states, which has no input.
  bool loads_start() const {
    SWM_INLINE
    const bool turn = int(sequence) == Sequences - 1;
    return filling || int(step_number) == (turn ? Steps - 1 : 0);
  }
  bool second() const {
    SWM_INLINE
    return L::two && int(at) >= L::start_b;
  }
  bool multiplies() const {
    SWM_INLINE
    return !filling && left > 0 && (int(at) < L::products_a || (second() && int(at) < L::end));
  }
  /// The products of this iteration complete the sums of some rows.
  bool sums() const {
    SWM_INLINE
    return int(column) == (second() ? int(L::columns_b) : int(L::columns)) - 1;
  }
  /// They complete a group.
  bool completes() const {
    SWM_INLINE
    return sums() && (second() || int(sub) == L::subs - 1);
  }
  bool drains() const {
    SWM_INLINE
    return int(held) != 0;
  }
  /// The beat that leaves ends a block; the last phase of a step.
  bool ends_block() const {
    SWM_INLINE
    return int(part) == L::parts - 1;
  }
  bool gives_output() const {
    SWM_INLINE
    return !L::two || held_second;
  }

  /// To the next iteration, given what this one did.
  void step(bool loaded, bool multiplied, bool drained) {
    SWM_INLINE
    // Sums that leave.
    const bool token_left = drained && gives_output() && int(beat) == L::out_beats - 1;
    const bool phase_left = drained && int(beat) == (gives_output() ? int(L::out_beats) : int(L::total_a)) - 1;
    if (drained) {
      part = count_t<L::parts>(ends_block() ? 0 : int(part) + 1);
      beat = phase_left ? count_t<max_of(int(L::total_a), int(L::out_beats))>(0)
                        : count_t<max_of(int(L::total_a), int(L::out_beats))>(int(beat) + 1);
    }
    if (token_left) {
      const bool turn = int(out_sequence) == Sequences - 1, done = int(out_step) == Steps - 1;
      out_sequence = count_t<Sequences>(turn ? 0 : int(out_sequence) + 1);
      if (turn) {
        out_step = count_t<Steps>(done ? 0 : int(out_step) + 1);
        out_odd = done ? false : !out_odd;
      }
    }
    // Sums that take their place.
    const bool complete = multiplied && completes(), in_second = second();
    const bool last_group = int(group) == (in_second ? int(L::groups_b) : int(L::groups)) - 1;
    const int fresh = in_second ? (last_group ? int(L::last_b) : int(L::beats_b)) : (last_group ? int(L::last_a) : int(L::beats_a));
    held = count_t<L::most_beats>(complete ? fresh : int(held) - (drained ? 1 : 0));
    if (complete) held_second = in_second;
    // Products.
    if (multiplied) {
      const bool wrap = complete && last_group && (!L::two || in_second);
      sub = count_t<L::subs>(complete ? 0 : sums() ? int(sub) + 1 : int(sub));
      group = count_t<max_of(int(L::groups), int(L::groups_b))>(complete ? (last_group ? 0 : int(group) + 1) : int(group));
      column = count_t<max_of(int(L::columns), int(L::columns_b))>(sums() ? 0 : int(column) + 1);
      address = count_t<L::rom_depth>(wrap ? 0 : int(address) + 1);
    }
    // Loads.
    if (loaded || filling) {
      const bool next_column = int(load_bank) == L::mac_columns / L::in_lanes - 1;
      load_bank = count_t<max_of(1, L::mac_columns / L::in_lanes)>(next_column ? 0 : int(load_bank) + 1);
      load_column = count_t<L::columns>(next_column ? int(load_column) + 1 : int(load_column));
      load_beat = count_t<L::loads>(int(load_beat) + 1);
    }
    // The end of the prologue and of a token.
    const bool token_ends = filling ? int(load_beat) == L::loads : int(at) == L::period - 1;
    load_wait = count_t<L::load_step>(token_ends || int(load_wait) == L::load_step - 1 ? 0 : int(load_wait) + (filling ? 0 : 1));
    at = count_t<L::period>(token_ends || filling ? 0 : int(at) + 1);
    if (token_ends) {
      if (!filling) {
        const bool turn = int(sequence) == Sequences - 1, done = int(step_number) == Steps - 1;
        sequence = count_t<Sequences>(turn ? 0 : int(sequence) + 1);
        if (turn) {
          step_number = count_t<Steps>(done ? 0 : int(step_number) + 1);
          odd = done ? false : !odd;
        }
      }
      load_bank = 0;
      load_column = 0;
      load_beat = 0;
      half = !half;
      left = left - (filling ? 0 : 1);
      unloaded = unloaded - 1;
      filling = false;
    }
  }
};

}  // namespace swm
