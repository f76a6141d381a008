// SPDX-License-Identifier: Apache-2.0
/// \file circulant_conv.h
/// \brief A block-circulant convolution: forward transforms, a line buffer of spectra, products, inverse transforms.
///
/// Each block of an input position is transformed once (circulant.h). The line buffer (window.h) holds the spectra; all taps
/// and channel blocks of an output are summed in the spectrum, and each of its blocks is transformed back once. The processes
/// are those of circulant.h and window.h, with configurations derived from the layer's: transforms work at input positions,
/// products and inverse transforms at output positions.
///
/// \tparam Cfg  of the layer: what window.h and circulant.h ask; n and in_vec are those of the input
#pragma once

#include "circulant.h"
#include "window_walk.h"

namespace swm {

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
