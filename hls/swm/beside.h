// SPDX-License-Identifier: Apache-2.0
/// \file beside.h
/// \brief Positions of a row side by side: what several output positions see in one beat of windows.
///
/// A token holds beside_in neighbouring positions of an image row, the channels of each together, as they pass anyway; the
/// line buffer (window.h) takes it for one position of as many words, in one beat, and gives whole rows of taps
/// (tap_columns = kernel_columns). Output position p of beside_out sees, at tap t of a kernel row, the position
/// first_column + p column_stride + t column_dilation of those that leave together.
///
/// \tparam Cfg  what window.h asks, position_beats = 1; n (channels of a position), beside_in, beside_out, first_column,
///              column_taps, column_stride, column_dilation
#pragma once

#include "window_walk.h"

namespace swm {

template <class Cfg>
struct beside_taps {
  enum { taps = Cfg::tap_rows * Cfg::column_taps };  // of one output position, in a beat
  /// The position that output position p sees at tap t of a kernel row.
  static constexpr int column(int p, int t) { return Cfg::first_column + p * Cfg::column_stride + t * Cfg::column_dilation; }
  /// The word of a beat of windows that output position p sees at a tap, kernel rows outermost.
  static constexpr int word(int p, int tap, int channel) {
    return (tap / Cfg::column_taps * Cfg::tap_columns + column(p, tap % Cfg::column_taps) / Cfg::beside_in) * Cfg::window_words +
           column(p, tap % Cfg::column_taps) % Cfg::beside_in * Cfg::n + channel;
  }
  static_assert(Cfg::position_beats == 1 && Cfg::window_words >= Cfg::beside_in * Cfg::n, "a token is one beat");
  static_assert(int(Cfg::tap_columns) == int(Cfg::kernel_columns), "kernel rows leave whole");
  static_assert(Cfg::first_column + (Cfg::beside_out - 1) * Cfg::column_stride + (Cfg::column_taps - 1) * Cfg::column_dilation <
                    Cfg::kernel_columns * Cfg::beside_in,
                "what the last position sees has left with the others");
};

/// Layers whose channels see windows of their own, a position a token or several: words of a beat of outputs, channels of a token
/// and of a position's, taps of a beat of windows, and where a word's taps lie in it.
template <class Cfg, class = void>
struct window_lanes {
  enum { words = Cfg::window_words, n = Cfg::n, channels = words, taps = window_layer<Cfg>::taps };
  static constexpr int word(int lane, int tap) { return tap * words + lane; }
  static constexpr int channel(int lane) { return lane; }
};
template <class Cfg>
struct window_lanes<Cfg, decltype(void(int(Cfg::beside_out)))> {
  enum { words = Cfg::out_vec, n = Cfg::beside_out * Cfg::n, channels = Cfg::n, taps = beside_taps<Cfg>::taps };
  static constexpr int word(int lane, int tap) {
    return lane < n ? beside_taps<Cfg>::word(lane / Cfg::n, tap, lane % Cfg::n) : 0;
  }
  static constexpr int channel(int lane) { return lane % Cfg::n; }
};

}  // namespace swm
