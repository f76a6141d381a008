// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_start.h
/// \brief States that come in front of a sequence.
///
/// States that come take a token of their own, before step 0: its products are those of zeros and reach nobody. When its
/// sums would leave, a beat of h (and one of c, of an LSTM) takes their place, is brought to the binary points that the
/// layer has inside, saturated, and goes the way of every state. A GRU takes both its states from h.
///
/// \tparam Cfg  see recurrent.h; where start is 1 also `static constexpr int`:
///   start_shift   right shift (negative: left) of h to the binary point of the outputs
///   state_shift_h, state_shift_c   of h (GRU) and of c (LSTM) to that of the state; 0 where unused
#pragma once

#include "ports.h"
#include "recurrent.h"

namespace swm {
namespace detail {

/// A word of a state that comes, in the format of one that the layer holds.
template <int Shift, int Bits, int Given>
inline int_t<Bits> started(const int_t<Given>& word) {
  SWM_INLINE
  // A shift to the left by all bits already saturates all but 0, so a larger one needs no wider type.
  constexpr int by = max_of(Shift, -Bits);
  return saturate<Bits, rounded<by, Given>::bits>(round_shift<by, Given>(word));
}

/// Where no states come, whatever the layer: nothing is read.
struct no_start {
  template <class Cfg, class H, class C>
  void take(int, H&, C&) {
    SWM_INLINE
  }
};

/// The h that a GRU or plain RNN begins with.
template <class Port>
struct start_of_h {
  Port& h;
  template <class Cfg>
  void take(int beat, vec<int_t<Cfg::in_bits>, Cfg::out_vec>& value, vec<int_t<Cfg::state_bits>, Cfg::out_vec>& state) {
    SWM_INLINE
    typedef int_t<Cfg::in_bits> in_t;
    const vec<in_t, Cfg::out_vec> word = read_beat<Cfg::out_vec, in_t>(h, beat);
  START_H:
    for (int e = 0; e < Cfg::out_vec; ++e) {
      SWM_UNROLL
      value.v[e] = started<Cfg::start_shift, Cfg::in_bits, Cfg::in_bits>(word.v[e]);
      state.v[e] = started<Cfg::state_shift_h, Cfg::state_bits, Cfg::in_bits>(word.v[e]);
    }
  }
};

/// The h and c that an LSTM begins with.
template <class Port, class Cells>
struct start_of_both {
  Port& h;
  Cells& c;
  template <class Cfg>
  void take(int beat, vec<int_t<Cfg::in_bits>, Cfg::out_vec>& value, vec<int_t<Cfg::state_bits>, Cfg::out_vec>& state) {
    SWM_INLINE
    typedef int_t<Cfg::in_bits> in_t;
    const vec<in_t, Cfg::out_vec> word = read_beat<Cfg::out_vec, in_t>(h, beat), cell = read_beat<Cfg::out_vec, in_t>(c, beat);
  START_BOTH:
    for (int e = 0; e < Cfg::out_vec; ++e) {
      SWM_UNROLL
      value.v[e] = started<Cfg::start_shift, Cfg::in_bits, Cfg::in_bits>(word.v[e]);
      state.v[e] = started<Cfg::state_shift_c, Cfg::state_bits, Cfg::in_bits>(cell.v[e]);
    }
  }
};

}  // namespace detail
}  // namespace swm
