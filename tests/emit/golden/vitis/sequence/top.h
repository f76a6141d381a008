// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
///
/// The design fits pynq-z2 by the resource model.
#pragma once

#include "layers.h"
#include "swm/axi.h"

namespace net {

constexpr int inputs = 18;  ///< values of a frame that go in
constexpr int outputs = 4;  ///< values of a frame that come out

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q3.5.
struct input_edge {
  static constexpr int tick = 0;
  static constexpr int n = 6, bits = 8, vec = 4, tokens = 3;
  static constexpr int container = 8;             ///< bits that a value takes on the wire
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q1.7.
struct output_edge {
  static constexpr int tick = 6;
  static constexpr int n = 4, bits = 8, vec = 2, tokens = 1;
  static constexpr int container = 8;             ///< bits that a value takes on the wire
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::axis_edge<input_edge>::axis_t in_axis;
typedef swm::axis_edge<output_edge>::axis_t out_axis;

}  // namespace net

/// Takes `frames` frames and gives as many; TLAST ends each frame, at both ports.
/// \param frames  of this call; the next one is loaded while the one before is computed, so say all that will come
/// \param status  how many frames went in, and how many of them were too short (filled with zeros) or too long (cut)
void swm_top(hls::stream<net::in_axis>& in, hls::stream<net::out_axis>& out, int frames, swm::axis_status& status);
