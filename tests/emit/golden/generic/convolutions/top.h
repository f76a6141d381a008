// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
///
/// The design fits pynq-z2 by the resource model.
#pragma once

#include "layers.h"
#include "swm/trace.h"

namespace net {

constexpr int inputs = 40;  ///< values of a frame that go in
constexpr int outputs = 3;  ///< values of a frame that come out

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q4.4.
struct input_edge {
  static constexpr int n = 2, bits = 8, vec = 1, tokens = 20;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q4.4.
struct output_edge {
  static constexpr int n = 3, bits = 8, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::int_t<8> in_t;
typedef swm::int_t<8> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One frame in, one frame out, beat after beat.
void swm_top(const net::in_t in[40], net::out_t out[3]);

// Every process is a function of its own and can be synthesised as a top by itself.
void l0_conv_window(const swm::int_t<8> in[40], net::l0_conv_traits::in_t out[216]);
void l0_conv_process(const net::l0_conv_traits::in_t in[216], swm::int_t<8> out[72]);
void l1_circulant_conv_rfft(const swm::int_t<8> in[72], net::l1_circulant_conv_traits::spectrum_t out[96]);
void l1_circulant_conv_window(const net::l1_circulant_conv_traits::spectrum_t in[96], net::l1_circulant_conv_traits::spectrum_t out[576]);
void l1_circulant_conv_mac(const net::l1_circulant_conv_traits::spectrum_t in[576], net::l1_circulant_conv_traits::rounded_t out[48]);
void l1_circulant_conv_irfft(const net::l1_circulant_conv_traits::rounded_t in[48], swm::int_t<8> out[48]);
void l2_depthwise_window(const swm::int_t<8> in[48], net::l2_depthwise_traits::in_t out[72]);
void l2_depthwise_conv(const net::l2_depthwise_traits::in_t in[72], swm::int_t<8> out[24]);
void l3_dense_process(const swm::int_t<8> in[24], swm::int_t<8> out[3]);

}  // extern "C"
