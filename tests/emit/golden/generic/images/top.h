// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
///
/// The design fits pynq-z2 by the resource model.
#pragma once

#include "layers.h"
#include "swm/trace.h"

namespace net {

constexpr int inputs = 60;  ///< values of a frame that go in
constexpr int outputs = 8;  ///< values of a frame that come out

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q3.5.
struct input_edge {
  static constexpr int n = 3, bits = 8, vec = 1, tokens = 20;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q0.8.
struct output_edge {
  static constexpr int n = 8, bits = 8, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::int_t<8> in_t;
typedef swm::int_t<8> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One frame in, one frame out, beat after beat.
void swm_top(const net::in_t in[60], net::out_t out[8]);

// Every process is a function of its own and can be synthesised as a top by itself.
void l0_node_a_window(const swm::int_t<8> in[60], net::l0_node_a_traits::in_t out[162]);
void l0_node_a_pool(const net::l0_node_a_traits::in_t in[162], swm::int_t<8> out[18]);
void l1_node_b_pad(const swm::int_t<8> in[18], swm::int_t<8> out[24]);
void l2_node_c_upsample(const swm::int_t<8> in[24], swm::int_t<8> out[48]);
void l3_node_d_window(const swm::int_t<8> in[48], net::l3_node_d_traits::in_t out[48]);
void l3_node_d_pool(const net::l3_node_d_traits::in_t in[48], swm::int_t<8> out[12]);
void l4_reorder_process(const swm::int_t<8> in[12], swm::int_t<8> out[12]);
void l5_node_y_rfft(const swm::int_t<8> in[12], net::l5_node_y_traits::spectrum_t out[12]);
void l5_node_y_mac(const net::l5_node_y_traits::spectrum_t in[12], net::l5_node_y_traits::rounded_t out[8]);
void l5_node_y_irfft(const net::l5_node_y_traits::rounded_t in[8], swm::int_t<8> out[8]);

}  // extern "C"
