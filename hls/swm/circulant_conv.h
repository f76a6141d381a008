// SPDX-License-Identifier: Apache-2.0
/// \file circulant_conv.h
/// \brief A block-circulant convolution: forward transforms, a line buffer of spectra, products, inverse transforms.
///
/// Each block of an input position is transformed once (circulant.h). The line buffer (window.h) holds the spectra; all taps
/// and channel blocks of an output are summed in the spectrum, and each of its blocks is transformed back once. Its beats hold
/// tap_rows x tap_columns taps, fft_lanes blocks of each, and so the block columns of the products stand: groups of taps, groups
/// of blocks, then taps and blocks of a beat. The processes are those of circulant.h and window.h, with configurations derived from the layer's: transforms work at input positions,
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

/// Products, behind the line buffer: as many blocks as its beats hold. All taps of a group of channels (`groups`, optional)
/// follow each other: each group is a token, with weights of its own.
template <class Cfg>
struct conv_spectra : Cfg {
  typedef window_layer<Cfg> window;
  typedef circulant<Cfg> front;
  static constexpr int channel_groups = groups_of<Cfg>::value;
  static constexpr int beat_taps = Cfg::tap_rows * Cfg::tap_columns;
  static constexpr int tick = Cfg::tick + 1, m = Cfg::m / channel_groups;
  static constexpr int n = Cfg::kernel_rows * Cfg::kernel_columns * front::fft_groups / channel_groups * front::fft_lanes * Cfg::k;
  static_assert(int(window::words) == front::x_beat && Cfg::window_bits == front::spectrum_bits,
                "the line buffer holds beats of spectra");
  static_assert(Cfg::position_beats == front::mac_loads && Cfg::run_beats * channel_groups == Cfg::position_beats,
                "all blocks of a tap and group follow each other");
  static_assert(channel_groups == 1 || (Cfg::m % (Cfg::k * channel_groups) == 0 && front::fft_groups % channel_groups == 0),
                "no block and no beat holds two groups of channels");
};

/// Inverse transforms: all blocks of an output position, those of one group after those of another.
template <class Cfg>
struct conv_inverse : conv_spectra<Cfg> {
  static constexpr int m = Cfg::m, groups = 1;
};

}  // namespace swm
