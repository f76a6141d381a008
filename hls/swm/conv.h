// SPDX-License-Identifier: Apache-2.0
/// \file conv.h
/// \brief A dense convolution: window.h gives the patch that the kernel sees at each output position, dense.h multiplies it.
///
/// The product's configuration is derived from the layer's. A patch travels in whole beats: channels that fill up a beat meet
/// weights of zero. Loops, memories and iterations are those of the two headers. The beats of a group of channels follow each
/// other, so that of several groups (`groups`, optional) each is a token of the product, with weights of its own.
///
/// \tparam Cfg  of the layer: what window.h and dense.h ask; n and in_vec are those of the input, tick is that of the line
///              buffer, the process before the product
#pragma once

#include "product_walk.h"
#include "window_walk.h"

namespace swm {

/// The product of a patch, behind the line buffer: as many inputs as its beats hold.
template <class Cfg>
struct conv_products : Cfg {
  typedef window_layer<Cfg> window;
  static constexpr int channel_groups = groups_of<Cfg>::value, m = Cfg::m / channel_groups;
  static constexpr int tick = Cfg::tick + 1, in_vec = window::out_words, n = window::window_beats / channel_groups * in_vec;
  static_assert(channel_groups == 1 || Cfg::n % (Cfg::in_vec * channel_groups) == 0, "no beat holds two groups of channels");
  static_assert(int(window::words) == Cfg::in_vec && Cfg::window_bits == Cfg::in_bits, "the line buffer holds the input's beats");
  static_assert(Cfg::position_beats == ceil_div(Cfg::n, Cfg::in_vec), "a position is the beats of a token");
};

}  // namespace swm
