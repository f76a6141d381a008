// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
///
/// The design fits pynq-z2 by the resource model.
#pragma once

#include "layers.h"
#include "swm/trace.h"

namespace net {

constexpr int inputs = 24;  ///< values of a frame that go in
constexpr int outputs = 4;  ///< values of a frame that come out

/// A frame at the input: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q3.9.
struct input_edge {
  static constexpr int n = 24, bits = 12, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

/// A frame at the output: `tokens` vectors of `n` values, each in beats of `vec`. Numbers: Q2.10.
struct output_edge {
  static constexpr int n = 4, bits = 12, vec = 1, tokens = 1;
  static constexpr int beats = swm::ceil_div(n, vec);  ///< of a token
};

typedef swm::int_t<12> in_t;
typedef swm::int_t<12> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One frame in, one frame out, beat after beat.
void swm_top(const net::in_t in[24], net::out_t out[4]);

// Every process is a function of its own and can be synthesised as a top by itself.
void l0_circulant_rfft(const swm::int_t<12> in[24], net::l0_circulant_traits::spectrum_t out[24]);
void l0_circulant_mac(const net::l0_circulant_traits::spectrum_t in[24], net::l0_circulant_traits::rounded_t out[16]);
void l0_circulant_irfft(const net::l0_circulant_traits::rounded_t in[16], swm::int_t<12> out[16]);
void l1_dense_process(const swm::int_t<12> in[16], swm::int_t<12> out[4]);

}  // extern "C"
