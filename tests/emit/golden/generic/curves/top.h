// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
///
/// The design fits pynq-z2 by the resource model.
#pragma once

#include "layers.h"
#include "swm/trace.h"

namespace net {

constexpr int inputs = 6;  ///< values of a frame that go in
constexpr int outputs = 4;  ///< values of a frame that come out

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q3.3.
struct input_edge {
  static constexpr int n = 6, bits = 6, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q0.6.
struct output_edge {
  static constexpr int n = 4, bits = 6, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::int_t<6> in_t;
typedef swm::int_t<6> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One frame in, one frame out, beat after beat.
void swm_top(const net::in_t in[6], net::out_t out[4]);

// Every process is a function of its own and can be synthesised as a top by itself.
void l0_dense_process(const swm::int_t<6> in[6], swm::int_t<6> out[5]);
void l1_circulant_rfft(const swm::int_t<6> in[5], net::l1_circulant_traits::spectrum_t out[6]);
void l1_circulant_mac(const net::l1_circulant_traits::spectrum_t in[6], net::l1_circulant_traits::rounded_t out[6]);
void l1_circulant_irfft(const net::l1_circulant_traits::rounded_t in[6], swm::int_t<6> out[6]);
void l2_dense_process(const swm::int_t<6> in[6], swm::int_t<6> out[5]);
void l3_dense_process(const swm::int_t<6> in[5], swm::int_t<6> out[4]);

}  // extern "C"
