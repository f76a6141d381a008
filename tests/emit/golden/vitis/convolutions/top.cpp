// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "convolutions" on pynq-z2: 4 layers, processes joined by streams.
///
/// At 100 MHz a frame enters each 1,296 cycles and leaves 1,793 cycles later (simulated on tokens).
#include "top.h"

#include "weights_l0_conv.h"
#include "weights_l1_circulant_conv.h"
#include "weights_l2_depthwise.h"
#include "weights_l3_dense.h"

using namespace net;

namespace {

typedef swm::vec<swm::int_t<8>, 4> x_beat;
typedef swm::vec<swm::int_t<8>, 1> x_v1_beat;
typedef swm::vec<swm::int_t<8>, 1> l0_conv_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l1_circulant_conv_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l2_depthwise_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l3_dense_y_beat;
typedef swm::vec<swm::int_t<8>, 2> l3_dense_y_v2_beat;

// x_width: 2 channels, 4 to 1 a beat
void x_width_process(int frames, hls::stream<x_beat>& in, hls::stream<x_v1_beat>& out) {
  swm::width<x_width>(frames * 20, in, out);
}

// l0_conv: convolution, 2 to 6 channels, kernel 3 x 3, 4 x 5 to 4 x 3 positions, relu
typedef swm::vec<l0_conv_traits::in_t, 1> l0_conv_windows_beat;

void l0_conv_window(int frames, hls::stream<x_v1_beat>& in, hls::stream<l0_conv_windows_beat>& out) {
  swm::window<l0_conv>(frames, in, out);
}

void l0_conv_process(int frames, hls::stream<l0_conv_windows_beat>& in, hls::stream<l0_conv_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l0_conv_weights type = rom_1p impl = bram)
  swm::dense<swm::conv_products<l0_conv>>(frames * 12, l0_conv_weights, l0_conv_bias, in, out);
}

// l1_circulant_conv: block-circulant convolution, blocks of 4, 6 to 4 channels, kernel 2 x 3, 4 x 3 to 4 x 3 positions, identity
typedef swm::vec<l1_circulant_conv_traits::spectrum_t, 4> l1_circulant_conv_spectra_beat;
typedef swm::vec<l1_circulant_conv_traits::spectrum_t, 4> l1_circulant_conv_windows_beat;
typedef swm::vec<l1_circulant_conv_traits::rounded_t, 4> l1_circulant_conv_sums_beat;

void l1_circulant_conv_rfft(int frames, hls::stream<l0_conv_y_beat>& in, hls::stream<l1_circulant_conv_spectra_beat>& out) {
  swm::rfft_unrolled<l1_circulant_conv>(frames * 12, in, out);
}

void l1_circulant_conv_window(int frames, hls::stream<l1_circulant_conv_spectra_beat>& in, hls::stream<l1_circulant_conv_windows_beat>& out) {
  swm::window<swm::conv_window<l1_circulant_conv>>(frames, in, out);
}

void l1_circulant_conv_mac(int frames, hls::stream<l1_circulant_conv_windows_beat>& in, hls::stream<l1_circulant_conv_sums_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l1_circulant_conv_weights type = rom_1p impl = bram)
  swm::spectral_mac<swm::conv_spectra<l1_circulant_conv>>(frames * 12, l1_circulant_conv_weights, in, out);
}

void l1_circulant_conv_irfft(int frames, hls::stream<l1_circulant_conv_sums_beat>& in, hls::stream<l1_circulant_conv_y_beat>& out) {
  swm::irfft_unrolled<swm::conv_spectra<l1_circulant_conv>>(frames * 12, l1_circulant_conv_bias, in, out);
}

// l2_depthwise: depthwise convolution, 4 channels, kernel 3 x 1, 4 x 3 to 2 x 3 positions, identity
typedef swm::vec<l2_depthwise_traits::in_t, 1> l2_depthwise_windows_beat;

void l2_depthwise_window(int frames, hls::stream<l1_circulant_conv_y_beat>& in, hls::stream<l2_depthwise_windows_beat>& out) {
  swm::window<l2_depthwise>(frames, in, out);
}

void l2_depthwise_conv(int frames, hls::stream<l2_depthwise_windows_beat>& in, hls::stream<l2_depthwise_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l2_depthwise_weights type = rom_1p impl = bram)
  swm::depthwise<l2_depthwise>(frames * 6, l2_depthwise_weights, l2_depthwise_bias, in, out);
}

// l3_dense: dense, 24 to 3, identity
void l3_dense_process(int frames, hls::stream<l2_depthwise_y_beat>& in, hls::stream<l3_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l3_dense_weights type = rom_1p impl = bram)
  swm::dense<l3_dense>(frames, l3_dense_weights, l3_dense_bias, in, out);
}

// l3_dense_y_width: 3 channels, 1 to 2 a beat
void l3_dense_y_width_process(int frames, hls::stream<l3_dense_y_beat>& in, hls::stream<l3_dense_y_v2_beat>& out) {
  swm::width<l3_dense_y_width>(frames, in, out);
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
  hls::stream<l0_conv_y_beat> l0_conv_y("l0_conv_y");
  SWM_STREAM_DEPTH(l0_conv_y, 2)
  SWM_STREAM_SRL(l0_conv_y)
  hls::stream<l1_circulant_conv_y_beat> l1_circulant_conv_y("l1_circulant_conv_y");
  SWM_STREAM_DEPTH(l1_circulant_conv_y, 2)
  SWM_STREAM_SRL(l1_circulant_conv_y)
  hls::stream<l2_depthwise_y_beat> l2_depthwise_y("l2_depthwise_y");
  SWM_STREAM_DEPTH(l2_depthwise_y, 2)
  SWM_STREAM_SRL(l2_depthwise_y)
  hls::stream<l3_dense_y_beat> l3_dense_y("l3_dense_y");
  SWM_STREAM_DEPTH(l3_dense_y, 2)
  SWM_STREAM_SRL(l3_dense_y)
  hls::stream<l3_dense_y_v2_beat> l3_dense_y_v2("l3_dense_y_v2");
  SWM_STREAM_DEPTH(l3_dense_y_v2, 2)
  SWM_STREAM_SRL(l3_dense_y_v2)
  hls::stream<l0_conv_windows_beat> l0_conv_windows("l0_conv_windows");
  SWM_STREAM_DEPTH(l0_conv_windows, 2)
  SWM_STREAM_SRL(l0_conv_windows)
  hls::stream<l1_circulant_conv_spectra_beat> l1_circulant_conv_spectra("l1_circulant_conv_spectra");
  SWM_STREAM_DEPTH(l1_circulant_conv_spectra, 2)
  SWM_STREAM_SRL(l1_circulant_conv_spectra)
  hls::stream<l1_circulant_conv_windows_beat> l1_circulant_conv_windows("l1_circulant_conv_windows");
  SWM_STREAM_DEPTH(l1_circulant_conv_windows, 2)
  SWM_STREAM_SRL(l1_circulant_conv_windows)
  hls::stream<l1_circulant_conv_sums_beat> l1_circulant_conv_sums("l1_circulant_conv_sums");
  SWM_STREAM_DEPTH(l1_circulant_conv_sums, 2)
  SWM_STREAM_SRL(l1_circulant_conv_sums)
  hls::stream<l2_depthwise_windows_beat> l2_depthwise_windows("l2_depthwise_windows");
  SWM_STREAM_DEPTH(l2_depthwise_windows, 2)
  SWM_STREAM_SRL(l2_depthwise_windows)

  SWM_PROCESS(swm::read_axis<input_edge>(frames, in, x, status));
  SWM_PROCESS(x_width_process(frames, x, x_v1));
  SWM_PROCESS(l0_conv_window(frames, x_v1, l0_conv_windows));
  SWM_PROCESS(l0_conv_process(frames, l0_conv_windows, l0_conv_y));
  SWM_PROCESS(l1_circulant_conv_rfft(frames, l0_conv_y, l1_circulant_conv_spectra));
  SWM_PROCESS(l1_circulant_conv_window(frames, l1_circulant_conv_spectra, l1_circulant_conv_windows));
  SWM_PROCESS(l1_circulant_conv_mac(frames, l1_circulant_conv_windows, l1_circulant_conv_sums));
  SWM_PROCESS(l1_circulant_conv_irfft(frames, l1_circulant_conv_sums, l1_circulant_conv_y));
  SWM_PROCESS(l2_depthwise_window(frames, l1_circulant_conv_y, l2_depthwise_windows));
  SWM_PROCESS(l2_depthwise_conv(frames, l2_depthwise_windows, l2_depthwise_y));
  SWM_PROCESS(l3_dense_process(frames, l2_depthwise_y, l3_dense_y));
  SWM_PROCESS(l3_dense_y_width_process(frames, l3_dense_y, l3_dense_y_v2));
  SWM_PROCESS(swm::write_axis<output_edge>(frames, l3_dense_y_v2, out));
  SWM_DATAFLOW_RUN
}
