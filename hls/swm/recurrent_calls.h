// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_calls.h
/// \brief recurrent_steps as layers call it: with or without states that come in front (recurrent_start.h), and cells that leave.
///
/// II = 1. Iterations: those of recurrent_steps. Where states come, `tokens` counts one more a sequence, and each of them
/// brings out_beats beats there.
#pragma once

#include "recurrent_steps.h"

namespace swm {

/// States begin with zeros, or with what `vectors` hold.
template <class Cfg, class In, class Out>
void recurrent_steps(int tokens, typename recurrent<Cfg>::weights_t weights, typename recurrent<Cfg>::vectors_t vectors,
                     In& in, Out& out) {
  SWM_INLINE
  detail::no_cells none;
  recurrent_steps<Cfg>(tokens, weights, vectors, in, detail::no_start(), out, none);
}

/// The last cells of an LSTM leave, too.
template <class Cfg, class In, class Out, class Cells>
void recurrent_steps(int tokens, typename recurrent<Cfg>::weights_t weights, typename recurrent<Cfg>::vectors_t vectors,
                     In& in, Out& out, Cells& cells) {
  SWM_INLINE
  recurrent_steps<Cfg>(tokens, weights, vectors, in, detail::no_start(), out, cells);
}

/// A GRU or plain RNN begins with h.
template <class Cfg, class In, class H, class Out>
void recurrent_started(int tokens, typename recurrent<Cfg>::weights_t weights, typename recurrent<Cfg>::vectors_t vectors,
                       In& in, H& h, Out& out) {
  SWM_INLINE
  detail::no_cells none;
  const detail::start_of_h<H> start = {h};
  recurrent_steps<Cfg>(tokens, weights, vectors, in, start, out, none);
}

/// An LSTM begins with h and c.
template <class Cfg, class In, class H, class C, class Out>
void recurrent_started(int tokens, typename recurrent<Cfg>::weights_t weights, typename recurrent<Cfg>::vectors_t vectors,
                       In& in, H& h, C& c, Out& out) {
  SWM_INLINE
  detail::no_cells none;
  const detail::start_of_both<H, C> start = {h, c};
  recurrent_steps<Cfg>(tokens, weights, vectors, in, start, out, none);
}

/// It does, and its last cells leave.
template <class Cfg, class In, class H, class C, class Out, class Cells>
void recurrent_started(int tokens, typename recurrent<Cfg>::weights_t weights, typename recurrent<Cfg>::vectors_t vectors,
                       In& in, H& h, C& c, Out& out, Cells& cells) {
  SWM_INLINE
  const detail::start_of_both<H, C> start = {h, c};
  recurrent_steps<Cfg>(tokens, weights, vectors, in, start, out, cells);
}

}  // namespace swm
