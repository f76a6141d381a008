// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "images" on pynq-z2: 6 layers, processes joined by streams.
///
/// At 100 MHz a frame enters each 162 cycles and leaves 404 cycles later (simulated on tokens).
#include "top.h"

#include "weights_l0_node_a.h"
#include "weights_l5_node_y.h"

using namespace net;

namespace {

typedef swm::vec<swm::int_t<8>, 4> x_beat;
typedef swm::vec<swm::int_t<8>, 1> x_v1_beat;
typedef swm::vec<swm::int_t<8>, 1> l0_node_a_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l1_node_b_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l2_node_c_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l3_node_d_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l4_reorder_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l5_node_y_y_beat;
typedef swm::vec<swm::int_t<8>, 2> l5_node_y_y_v2_beat;

// x_width: 3 channels, 4 to 1 a beat
void x_width_process(int frames, hls::stream<x_beat>& in, hls::stream<x_v1_beat>& out) {
  swm::width<x_width>(frames * 20, in, out);
}

// l0_node_a: mean under a window of 3 x 3, 3 channels, 5 x 4 to 3 x 2 positions, identity
typedef swm::vec<l0_node_a_traits::in_t, 1> l0_node_a_windows_beat;

void l0_node_a_window(int frames, hls::stream<x_v1_beat>& in, hls::stream<l0_node_a_windows_beat>& out) {
  swm::window<l0_node_a>(frames, in, out);
}

void l0_node_a_pool(int frames, hls::stream<l0_node_a_windows_beat>& in, hls::stream<l0_node_a_y_beat>& out) {
  swm::average_pool<l0_node_a>(frames * 6, l0_node_a_reciprocals, in, out);
}

// l1_node_b: 3 x 2 padded to 4 x 2 positions, 3 channels
void l1_node_b_pad(int frames, hls::stream<l0_node_a_y_beat>& in, hls::stream<l1_node_b_y_beat>& out) {
  swm::pad<l1_node_b>(frames, in, out);
}

// l2_node_c: 4 x 2 positions, each 1 x 2 times, 3 channels
void l2_node_c_upsample(int frames, hls::stream<l1_node_b_y_beat>& in, hls::stream<l2_node_c_y_beat>& out) {
  swm::upsample<l2_node_c>(frames, in, out);
}

// l3_node_d: maximum under a window of 2 x 2, 3 channels, 4 x 4 to 2 x 2 positions, identity
typedef swm::vec<l3_node_d_traits::in_t, 1> l3_node_d_windows_beat;

void l3_node_d_window(int frames, hls::stream<l2_node_c_y_beat>& in, hls::stream<l3_node_d_windows_beat>& out) {
  swm::window<l3_node_d>(frames, in, out);
}

void l3_node_d_pool(int frames, hls::stream<l3_node_d_windows_beat>& in, hls::stream<l3_node_d_y_beat>& out) {
  swm::max_pool<l3_node_d>(frames * 4, in, out);
}

// l4_reorder: 4 x 3 values transposed
void l4_reorder_process(int frames, hls::stream<l3_node_d_y_beat>& in, hls::stream<l4_reorder_y_beat>& out) {
  swm::reorder<l4_reorder>(frames, in, out);
}

// l5_node_y: block-circulant, 12 to 8, blocks of 4, identity
typedef swm::vec<l5_node_y_traits::spectrum_t, 4> l5_node_y_spectra_beat;
typedef swm::vec<l5_node_y_traits::rounded_t, 4> l5_node_y_sums_beat;

void l5_node_y_rfft(int frames, hls::stream<l4_reorder_y_beat>& in, hls::stream<l5_node_y_spectra_beat>& out) {
  swm::rfft_unrolled<l5_node_y>(frames, in, out);
}

void l5_node_y_mac(int frames, hls::stream<l5_node_y_spectra_beat>& in, hls::stream<l5_node_y_sums_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l5_node_y_weights type = rom_1p impl = bram)
  swm::spectral_mac<l5_node_y>(frames, l5_node_y_weights, in, out);
}

void l5_node_y_irfft(int frames, hls::stream<l5_node_y_sums_beat>& in, hls::stream<l5_node_y_y_beat>& out) {
  swm::irfft_unrolled<l5_node_y>(frames, l5_node_y_bias, in, out);
}

// l5_node_y_y_width: 8 channels, 1 to 2 a beat
void l5_node_y_y_width_process(int frames, hls::stream<l5_node_y_y_beat>& in, hls::stream<l5_node_y_y_v2_beat>& out) {
  swm::width<l5_node_y_y_width>(frames, in, out);
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
  hls::stream<l0_node_a_y_beat> l0_node_a_y("l0_node_a_y");
  SWM_STREAM_DEPTH(l0_node_a_y, 2)
  SWM_STREAM_SRL(l0_node_a_y)
  hls::stream<l1_node_b_y_beat> l1_node_b_y("l1_node_b_y");
  SWM_STREAM_DEPTH(l1_node_b_y, 2)
  SWM_STREAM_SRL(l1_node_b_y)
  hls::stream<l2_node_c_y_beat> l2_node_c_y("l2_node_c_y");
  SWM_STREAM_DEPTH(l2_node_c_y, 2)
  SWM_STREAM_SRL(l2_node_c_y)
  hls::stream<l3_node_d_y_beat> l3_node_d_y("l3_node_d_y");
  SWM_STREAM_DEPTH(l3_node_d_y, 2)
  SWM_STREAM_SRL(l3_node_d_y)
  hls::stream<l4_reorder_y_beat> l4_reorder_y("l4_reorder_y");
  SWM_STREAM_DEPTH(l4_reorder_y, 2)
  SWM_STREAM_SRL(l4_reorder_y)
  hls::stream<l5_node_y_y_beat> l5_node_y_y("l5_node_y_y");
  SWM_STREAM_DEPTH(l5_node_y_y, 2)
  SWM_STREAM_SRL(l5_node_y_y)
  hls::stream<l5_node_y_y_v2_beat> l5_node_y_y_v2("l5_node_y_y_v2");
  SWM_STREAM_DEPTH(l5_node_y_y_v2, 2)
  SWM_STREAM_SRL(l5_node_y_y_v2)
  hls::stream<l0_node_a_windows_beat> l0_node_a_windows("l0_node_a_windows");
  SWM_STREAM_DEPTH(l0_node_a_windows, 2)
  SWM_STREAM_SRL(l0_node_a_windows)
  hls::stream<l3_node_d_windows_beat> l3_node_d_windows("l3_node_d_windows");
  SWM_STREAM_DEPTH(l3_node_d_windows, 2)
  SWM_STREAM_SRL(l3_node_d_windows)
  hls::stream<l5_node_y_spectra_beat> l5_node_y_spectra("l5_node_y_spectra");
  SWM_STREAM_DEPTH(l5_node_y_spectra, 2)
  SWM_STREAM_SRL(l5_node_y_spectra)
  hls::stream<l5_node_y_sums_beat> l5_node_y_sums("l5_node_y_sums");
  SWM_STREAM_DEPTH(l5_node_y_sums, 2)
  SWM_STREAM_SRL(l5_node_y_sums)

  SWM_PROCESS(swm::read_axis<input_edge>(frames, in, x, status));
  SWM_PROCESS(x_width_process(frames, x, x_v1));
  SWM_PROCESS(l0_node_a_window(frames, x_v1, l0_node_a_windows));
  SWM_PROCESS(l0_node_a_pool(frames, l0_node_a_windows, l0_node_a_y));
  SWM_PROCESS(l1_node_b_pad(frames, l0_node_a_y, l1_node_b_y));
  SWM_PROCESS(l2_node_c_upsample(frames, l1_node_b_y, l2_node_c_y));
  SWM_PROCESS(l3_node_d_window(frames, l2_node_c_y, l3_node_d_windows));
  SWM_PROCESS(l3_node_d_pool(frames, l3_node_d_windows, l3_node_d_y));
  SWM_PROCESS(l4_reorder_process(frames, l3_node_d_y, l4_reorder_y));
  SWM_PROCESS(l5_node_y_rfft(frames, l4_reorder_y, l5_node_y_spectra));
  SWM_PROCESS(l5_node_y_mac(frames, l5_node_y_spectra, l5_node_y_sums));
  SWM_PROCESS(l5_node_y_irfft(frames, l5_node_y_sums, l5_node_y_y));
  SWM_PROCESS(l5_node_y_y_width_process(frames, l5_node_y_y, l5_node_y_y_v2));
  SWM_PROCESS(swm::write_axis<output_edge>(frames, l5_node_y_y_v2, out));
  SWM_DATAFLOW_RUN
}
