// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "normal" on pynq-z2: 3 layers, processes joined by streams.
///
/// At 100 MHz a frame enters each 30 cycles and leaves 161 cycles later (simulated on tokens).
#include "top.h"

#include "weights_l0_dense.h"
#include "weights_l1_layernorm.h"
#include "weights_l2_dense.h"

using namespace net;

namespace {

typedef swm::vec<swm::int_t<8>, 4> x_beat;
typedef swm::vec<swm::int_t<8>, 1> x_v1_beat;
typedef swm::vec<swm::int_t<8>, 1> l0_dense_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l1_layernorm_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l2_dense_y_beat;
typedef swm::vec<swm::int_t<8>, 2> l2_dense_y_v2_beat;

// x_width: 6 channels, 4 to 1 a beat
void x_width_process(int frames, hls::stream<x_beat>& in, hls::stream<x_v1_beat>& out) {
  swm::width<x_width>(frames, in, out);
}

// l0_dense: dense, 6 to 5, identity
void l0_dense_process(int frames, hls::stream<x_v1_beat>& in, hls::stream<l0_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l0_dense_weights type = rom_1p impl = bram)
  swm::dense<l0_dense>(frames, l0_dense_weights, l0_dense_bias, in, out);
}

// l1_layernorm: layer normalisation, 5 channels, identity
typedef swm::vec<l1_layernorm_traits::in_t, 1> l1_layernorm_token_beat;
typedef swm::vec<l1_layernorm_traits::sum_t, 2> l1_layernorm_sums_beat;
typedef swm::vec<l1_layernorm_traits::scale_t, 3> l1_layernorm_scale_beat;

void l1_layernorm_sum(int frames, hls::stream<l0_dense_y_beat>& in, hls::stream<l1_layernorm_token_beat>& out0, hls::stream<l1_layernorm_sums_beat>& out1) {
  swm::layernorm_sums<l1_layernorm>(frames, in, out0, out1);
}

void l1_layernorm_root(int frames, hls::stream<l1_layernorm_sums_beat>& in, hls::stream<l1_layernorm_scale_beat>& out) {
  swm::layernorm_root<l1_layernorm>(frames, l1_layernorm_roots, in, out);
}

void l1_layernorm_normal(int frames, hls::stream<l1_layernorm_scale_beat>& in0, hls::stream<l1_layernorm_token_beat>& in1, hls::stream<l1_layernorm_y_beat>& out) {
  swm::layernorm_apply<l1_layernorm>(frames, l1_layernorm_weights, l1_layernorm_bias, in0, in1, out);
}

// l2_dense: dense, 5 to 4, identity
void l2_dense_process(int frames, hls::stream<l1_layernorm_y_beat>& in, hls::stream<l2_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l2_dense_weights type = rom_1p impl = bram)
  swm::dense<l2_dense>(frames, l2_dense_weights, l2_dense_bias, in, out);
}

// l2_dense_y_width: 4 channels, 1 to 2 a beat
void l2_dense_y_width_process(int frames, hls::stream<l2_dense_y_beat>& in, hls::stream<l2_dense_y_v2_beat>& out) {
  swm::width<l2_dense_y_width>(frames, in, out);
}

}  // namespace

void swm_top(hls::stream<in_axis>& in, hls::stream<out_axis>& out, int frames, swm::axis_status& status) {
  SWM_PRAGMA(HLS INTERFACE mode = axis port = in)
  SWM_PRAGMA(HLS INTERFACE mode = axis port = out)
  SWM_PRAGMA(HLS INTERFACE mode = s_axilite port = frames)
  SWM_PRAGMA(HLS INTERFACE mode = s_axilite port = status)
  SWM_PRAGMA(HLS INTERFACE mode = s_axilite port = return)
  SWM_DATAFLOW

  // Depths found by simulating the tokens: the smallest that keep the interval.
  hls::stream<x_beat> x("x");
  SWM_STREAM_DEPTH(x, 2)
  SWM_STREAM_SRL(x)
  hls::stream<x_v1_beat> x_v1("x_v1");
  SWM_STREAM_DEPTH(x_v1, 2)
  SWM_STREAM_SRL(x_v1)
  hls::stream<l0_dense_y_beat> l0_dense_y("l0_dense_y");
  SWM_STREAM_DEPTH(l0_dense_y, 2)
  SWM_STREAM_SRL(l0_dense_y)
  hls::stream<l1_layernorm_y_beat> l1_layernorm_y("l1_layernorm_y");
  SWM_STREAM_DEPTH(l1_layernorm_y, 2)
  SWM_STREAM_SRL(l1_layernorm_y)
  hls::stream<l2_dense_y_beat> l2_dense_y("l2_dense_y");
  SWM_STREAM_DEPTH(l2_dense_y, 2)
  SWM_STREAM_SRL(l2_dense_y)
  hls::stream<l2_dense_y_v2_beat> l2_dense_y_v2("l2_dense_y_v2");
  SWM_STREAM_DEPTH(l2_dense_y_v2, 2)
  SWM_STREAM_SRL(l2_dense_y_v2)
  hls::stream<l1_layernorm_token_beat> l1_layernorm_token("l1_layernorm_token");
  SWM_STREAM_DEPTH(l1_layernorm_token, 5)
  SWM_STREAM_SRL(l1_layernorm_token)
  hls::stream<l1_layernorm_sums_beat> l1_layernorm_sums("l1_layernorm_sums");
  SWM_STREAM_DEPTH(l1_layernorm_sums, 2)
  SWM_STREAM_SRL(l1_layernorm_sums)
  hls::stream<l1_layernorm_scale_beat> l1_layernorm_scale("l1_layernorm_scale");
  SWM_STREAM_DEPTH(l1_layernorm_scale, 2)
  SWM_STREAM_SRL(l1_layernorm_scale)

  SWM_PROCESS(swm::read_axis<input_edge>(frames, in, x, status));
  SWM_PROCESS(x_width_process(frames, x, x_v1));
  SWM_PROCESS(l0_dense_process(frames, x_v1, l0_dense_y));
  SWM_PROCESS(l1_layernorm_sum(frames, l0_dense_y, l1_layernorm_token, l1_layernorm_sums));
  SWM_PROCESS(l1_layernorm_root(frames, l1_layernorm_sums, l1_layernorm_scale));
  SWM_PROCESS(l1_layernorm_normal(frames, l1_layernorm_scale, l1_layernorm_token, l1_layernorm_y));
  SWM_PROCESS(l2_dense_process(frames, l1_layernorm_y, l2_dense_y));
  SWM_PROCESS(l2_dense_y_width_process(frames, l2_dense_y, l2_dense_y_v2));
  SWM_PROCESS(swm::write_axis<output_edge>(frames, l2_dense_y_v2, out));
  SWM_DATAFLOW_RUN
}
