// SPDX-License-Identifier: Apache-2.0
/// \file conv.h
/// \brief Configurations of the processes of a convolution, derived from that of the layer.
///
/// A dense convolution is window (window.h), which gives the patch that the kernel sees at each output position, and dense
/// (dense.h), which multiplies it. A block-circulant one is forward transforms of every input position, window over their
/// spectra, and the products and inverse transforms of circulant.h: each input block is transformed once, all taps and
/// channel blocks of an output are summed in the spectrum, and each output block is transformed back once.
///
/// \tparam Cfg  of the layer: what window.h asks, and what dense.h or circulant.h ask; n and in_vec are those of the input,
///              tick is that of the layer's first process
#pragma once

#include "circulant.h"
#include "window_walk.h"

namespace swm {

/// The product of a patch, behind the line buffer: as many inputs as its beats hold.
template <class Cfg>
struct conv_products : Cfg {
  typedef window_layer<Cfg> window;
  static constexpr int tick = Cfg::tick + 1, in_vec = window::out_words, n = window::window_beats * in_vec;
  static_assert(int(window::words) == Cfg::in_vec && Cfg::window_bits == Cfg::in_bits, "the line buffer holds the input's beats");
  static_assert(Cfg::position_beats == ceil_div(Cfg::n, Cfg::in_vec), "a position is the beats of a token");
};

/// The line buffer of spectra, behind the forward transforms.
template <class Cfg>
struct conv_window : Cfg {
  static constexpr int tick = Cfg::tick + circulant<Cfg>::mac_place;
};

/// Products and inverse transforms, behind the line buffer: as many blocks as its beats hold.
template <class Cfg>
struct conv_spectra : Cfg {
  typedef window_layer<Cfg> window;
  typedef circulant<Cfg> front;
  static constexpr int tick = Cfg::tick + 1;
  static constexpr int n = Cfg::kernel_rows * Cfg::kernel_columns * front::fft_groups * front::fft_lanes * Cfg::k;
  static_assert(Cfg::tap_rows == 1 && Cfg::tap_columns == 1, "spectra leave the line buffer one tap at a time");
  static_assert(int(window::words) == front::x_beat && Cfg::window_bits == front::spectrum_bits,
                "the line buffer holds beats of spectra");
  static_assert(Cfg::position_beats == front::mac_loads && Cfg::run_beats == Cfg::position_beats,
                "all blocks of a tap follow each other");
};

}  // namespace swm
