// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "curves" on pynq-z2: 4 layers, processes joined by streams.
///
/// At 100 MHz a frame enters each 30 cycles and leaves 210 cycles later (simulated on tokens).
#include "top.h"

#include "weights_l0_dense.h"
#include "weights_l1_circulant.h"
#include "weights_l2_dense.h"
#include "weights_l3_dense.h"

using namespace net;

namespace {

typedef swm::vec<swm::int_t<6>, 4> x_beat;
typedef swm::vec<swm::int_t<6>, 1> x_v1_beat;
typedef swm::vec<swm::int_t<6>, 1> l0_dense_y_beat;
typedef swm::vec<swm::int_t<6>, 1> l1_circulant_y_beat;
typedef swm::vec<swm::int_t<6>, 1> l2_dense_y_beat;
typedef swm::vec<swm::int_t<6>, 1> l3_dense_y_beat;
typedef swm::vec<swm::int_t<6>, 2> l3_dense_y_v2_beat;

// x_width: 6 channels, 4 to 1 a beat
void x_width_process(int frames, hls::stream<x_beat>& in, hls::stream<x_v1_beat>& out) {
  swm::width<x_width>(frames, in, out);
}

// l0_dense: dense, 6 to 5, leaky_relu
void l0_dense_process(int frames, hls::stream<x_v1_beat>& in, hls::stream<l0_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l0_dense_weights type = rom_1p impl = bram)
  swm::dense<l0_dense>(frames, l0_dense_weights, l0_dense_bias, in, out);
}

// l1_circulant: block-circulant, 5 to 6, blocks of 2, swish
typedef swm::vec<l1_circulant_traits::spectrum_t, 2> l1_circulant_spectra_beat;
typedef swm::vec<l1_circulant_traits::rounded_t, 2> l1_circulant_sums_beat;

void l1_circulant_rfft(int frames, hls::stream<l0_dense_y_beat>& in, hls::stream<l1_circulant_spectra_beat>& out) {
  swm::rfft_unrolled<l1_circulant>(frames, in, out);
}

void l1_circulant_mac(int frames, hls::stream<l1_circulant_spectra_beat>& in, hls::stream<l1_circulant_sums_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l1_circulant_weights type = rom_1p impl = bram)
  swm::spectral_mac<l1_circulant>(frames, l1_circulant_weights, in, out);
}

void l1_circulant_irfft(int frames, hls::stream<l1_circulant_sums_beat>& in, hls::stream<l1_circulant_y_beat>& out) {
  swm::irfft_unrolled<l1_circulant>(frames, l1_circulant_bias, in, out);
}

// l2_dense: dense, 6 to 5, sigmoid
void l2_dense_process(int frames, hls::stream<l1_circulant_y_beat>& in, hls::stream<l2_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l2_dense_weights type = rom_1p impl = bram)
  swm::dense<l2_dense>(frames, l2_dense_weights, l2_dense_bias, in, out);
}

// l3_dense: dense, 5 to 4, clip
void l3_dense_process(int frames, hls::stream<l2_dense_y_beat>& in, hls::stream<l3_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l3_dense_weights type = rom_1p impl = bram)
  swm::dense<l3_dense>(frames, l3_dense_weights, l3_dense_bias, in, out);
}

// l3_dense_y_width: 4 channels, 1 to 2 a beat
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
  hls::stream<l0_dense_y_beat> l0_dense_y("l0_dense_y");
  SWM_STREAM_DEPTH(l0_dense_y, 2)
  SWM_STREAM_SRL(l0_dense_y)
  hls::stream<l1_circulant_y_beat> l1_circulant_y("l1_circulant_y");
  SWM_STREAM_DEPTH(l1_circulant_y, 2)
  SWM_STREAM_SRL(l1_circulant_y)
  hls::stream<l2_dense_y_beat> l2_dense_y("l2_dense_y");
  SWM_STREAM_DEPTH(l2_dense_y, 2)
  SWM_STREAM_SRL(l2_dense_y)
  hls::stream<l3_dense_y_beat> l3_dense_y("l3_dense_y");
  SWM_STREAM_DEPTH(l3_dense_y, 2)
  SWM_STREAM_SRL(l3_dense_y)
  hls::stream<l3_dense_y_v2_beat> l3_dense_y_v2("l3_dense_y_v2");
  SWM_STREAM_DEPTH(l3_dense_y_v2, 2)
  SWM_STREAM_SRL(l3_dense_y_v2)
  hls::stream<l1_circulant_spectra_beat> l1_circulant_spectra("l1_circulant_spectra");
  SWM_STREAM_DEPTH(l1_circulant_spectra, 2)
  SWM_STREAM_SRL(l1_circulant_spectra)
  hls::stream<l1_circulant_sums_beat> l1_circulant_sums("l1_circulant_sums");
  SWM_STREAM_DEPTH(l1_circulant_sums, 2)
  SWM_STREAM_SRL(l1_circulant_sums)

  SWM_PROCESS(swm::read_axis<input_edge>(frames, in, x, status));
  SWM_PROCESS(x_width_process(frames, x, x_v1));
  SWM_PROCESS(l0_dense_process(frames, x_v1, l0_dense_y));
  SWM_PROCESS(l1_circulant_rfft(frames, l0_dense_y, l1_circulant_spectra));
  SWM_PROCESS(l1_circulant_mac(frames, l1_circulant_spectra, l1_circulant_sums));
  SWM_PROCESS(l1_circulant_irfft(frames, l1_circulant_sums, l1_circulant_y));
  SWM_PROCESS(l2_dense_process(frames, l1_circulant_y, l2_dense_y));
  SWM_PROCESS(l3_dense_process(frames, l2_dense_y, l3_dense_y));
  SWM_PROCESS(l3_dense_y_width_process(frames, l3_dense_y, l3_dense_y_v2));
  SWM_PROCESS(swm::write_axis<output_edge>(frames, l3_dense_y_v2, out));
  SWM_DATAFLOW_RUN
}
