// SPDX-License-Identifier: Apache-2.0
/// \file top.h
/// \brief The accelerator's ports.
#pragma once

#include "layers.h"
#include "ap_axi_sdata.h"
#include "hls_stream.h"

namespace net {

constexpr int inputs = 16;          ///< values of one sample, 12 bits, 9 of them fraction
constexpr int outputs = 4;         ///< answers, 12 bits, 10 of them fraction
constexpr int in_vec = 2;          ///< values in one beat at the input
constexpr int out_vec = 4;         ///< values in one beat at the output
constexpr int in_container = 16;    ///< bits that one value takes on the wire
constexpr int out_container = 16;
constexpr int in_beats = swm::ceil_div(inputs, in_vec);
constexpr int out_beats = swm::ceil_div(outputs, out_vec);
typedef swm::int_t<12> in_t;
typedef swm::int_t<12> out_t;
typedef ap_axiu<in_vec * in_container, 0, 0, 0> in_axis;
typedef ap_axiu<out_vec * out_container, 0, 0, 0> out_axis;

}  // namespace net

/// One sample: in_beats beats in, out_beats beats out; TLAST marks the last beat out.
void swm_top(hls::stream<net::in_axis>& in, hls::stream<net::out_axis>& out);
