// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
///
/// The design fits pynq-z2 by the resource model.
#pragma once

#include "layers.h"
#include "swm/trace.h"

namespace net {

constexpr int inputs = 18;  ///< values of a frame that go in
constexpr int outputs = 4;  ///< values of a frame that come out

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q3.5.
struct input_edge {
  static constexpr int n = 6, bits = 8, vec = 1, tokens = 3;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q1.7.
struct output_edge {
  static constexpr int n = 4, bits = 8, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::int_t<8> in_t;
typedef swm::int_t<8> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One frame in, one frame out, beat after beat.
void swm_top(const net::in_t in[18], net::out_t out[4]);

// Every process is a function of its own and can be synthesised as a top by itself.
void l0_recurrent_rfft(const swm::int_t<8> in[18], net::l0_recurrent_traits::word_t out[24]);
void l0_recurrent_steps(const net::l0_recurrent_traits::word_t in[24], swm::int_t<8> out[8]);
void l1_dense_process(const swm::int_t<8> in[8], swm::int_t<8> out[4]);

}  // extern "C"
