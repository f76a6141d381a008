// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
#pragma once

#include "layers.h"

namespace net {

constexpr int inputs = 16;          ///< values of one sample, 12 bits, 9 of them fraction
constexpr int outputs = 4;         ///< answers, 12 bits, 10 of them fraction
constexpr int in_vec = 1;          ///< values in one beat at the input
constexpr int out_vec = 1;         ///< values in one beat at the output
constexpr int in_container = 16;    ///< bits that one value takes on the wire
constexpr int out_container = 16;
constexpr int in_beats = swm::ceil_div(inputs, in_vec);
constexpr int out_beats = swm::ceil_div(outputs, out_vec);
typedef swm::int_t<12> in_t;
typedef swm::int_t<12> out_t;

}  // namespace net

extern "C" {  // plain names, so that any of these functions can be named as the top

/// One sample: 16 values in, 4 values out. `in` has in_beats * in_vec and `out` has out_beats * out_vec places.
void swm_top(const net::in_t in[16], net::out_t out[4]);

// Every kernel is a function of its own and can be synthesised as a top by itself.
void l0_fc0_rfft(const swm::circulant<net::l0_fc0>::in_t in[16], swm::circulant<net::l0_fc0>::spectrum_t out[16]);
void l0_fc0_mac(const swm::circulant<net::l0_fc0>::spectrum_t in[16], swm::circulant<net::l0_fc0>::rounded_t out[16]);
void l0_fc0_irfft(const swm::circulant<net::l0_fc0>::rounded_t in[16], swm::circulant<net::l0_fc0>::out_t out[16]);
void l1_fc1_dense(const swm::dense_layer<net::l1_fc1>::in_t in[16], swm::dense_layer<net::l1_fc1>::out_t out[4]);

}  // extern "C"
