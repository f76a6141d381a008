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

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q3.5.
struct input_edge {
  static constexpr int n = 6, bits = 8, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q4.4.
struct output_edge {
  static constexpr int n = 4, bits = 8, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::int_t<8> in_t;
typedef swm::int_t<8> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One frame in, one frame out, beat after beat.
void swm_top(const net::in_t in[6], net::out_t out[4]);

// Every process is a function of its own and can be synthesised as a top by itself.
void l0_dense_process(const swm::int_t<8> in[6], swm::int_t<8> out[5]);
void l1_layernorm_sum(const swm::int_t<8> in[5], net::l1_layernorm_traits::in_t out0[5], net::l1_layernorm_traits::sum_t out1[2]);
void l1_layernorm_root(const net::l1_layernorm_traits::sum_t in[2], net::l1_layernorm_traits::scale_t out[3]);
void l1_layernorm_normal(const net::l1_layernorm_traits::scale_t in0[3], const net::l1_layernorm_traits::in_t in1[5], swm::int_t<8> out[5]);
void l2_dense_process(const swm::int_t<8> in[5], swm::int_t<8> out[4]);

}  // extern "C"
