// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "residual" on pynq-z2: 4 layers, processes joined by streams.
///
/// At 100 MHz a frame enters each 64 cycles and leaves 265 cycles later (simulated on tokens).
#include "top.h"

#include "weights_l0_circulant.h"
#include "weights_l1_circulant.h"
#include "weights_l3_dense.h"

using namespace net;

namespace {

typedef swm::vec<swm::int_t<12>, 4> x_beat;
typedef swm::vec<swm::int_t<12>, 4> l0_circulant_y_beat;
typedef swm::vec<swm::int_t<12>, 4> l0_circulant_y0_beat;
typedef swm::vec<swm::int_t<12>, 4> l0_circulant_y1_beat;
typedef swm::vec<swm::int_t<12>, 1> l0_circulant_y0_v1_beat;
typedef swm::vec<swm::int_t<12>, 1> l0_circulant_y1_v1_beat;
typedef swm::vec<swm::int_t<12>, 1> l1_circulant_y_beat;
typedef swm::vec<swm::int_t<12>, 1> l2_add_y_beat;
typedef swm::vec<swm::int_t<12>, 1> l3_dense_y_beat;
typedef swm::vec<swm::int_t<12>, 2> l3_dense_y_v2_beat;

// l0_circulant: block-circulant, 16 to 16, blocks of 4, relu
typedef swm::vec<l0_circulant_traits::spectrum_t, 4> l0_circulant_spectra_beat;
typedef swm::vec<l0_circulant_traits::rounded_t, 4> l0_circulant_sums_beat;

void l0_circulant_rfft(int frames, hls::stream<x_beat>& in, hls::stream<l0_circulant_spectra_beat>& out) {
  swm::rfft_unrolled<l0_circulant>(frames, in, out);
}

void l0_circulant_mac(int frames, hls::stream<l0_circulant_spectra_beat>& in, hls::stream<l0_circulant_sums_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l0_circulant_weights type = rom_1p impl = bram)
  swm::spectral_mac<l0_circulant>(frames, l0_circulant_weights, in, out);
}

void l0_circulant_irfft(int frames, hls::stream<l0_circulant_sums_beat>& in, hls::stream<l0_circulant_y_beat>& out) {
  swm::irfft_unrolled<l0_circulant>(frames, l0_circulant_bias, in, out);
}

// l0_circulant_y_fork: 16 channels to 2 readers
void l0_circulant_y_fork_process(int frames, hls::stream<l0_circulant_y_beat>& in, hls::stream<l0_circulant_y0_beat>& out0, hls::stream<l0_circulant_y1_beat>& out1) {
  swm::fork<l0_circulant_y_fork>(frames, in, out0, out1);
}

// l0_circulant_y0_width: 16 channels, 4 to 1 a beat
void l0_circulant_y0_width_process(int frames, hls::stream<l0_circulant_y0_beat>& in, hls::stream<l0_circulant_y0_v1_beat>& out) {
  swm::width<l0_circulant_y0_width>(frames, in, out);
}

// l0_circulant_y1_width: 16 channels, 4 to 1 a beat
void l0_circulant_y1_width_process(int frames, hls::stream<l0_circulant_y1_beat>& in, hls::stream<l0_circulant_y1_v1_beat>& out) {
  swm::width<l0_circulant_y1_width>(frames, in, out);
}

// l1_circulant: block-circulant, 16 to 16, blocks of 8, identity
typedef swm::vec<l1_circulant_traits::spectrum_t, 8> l1_circulant_spectra_beat;
typedef swm::vec<l1_circulant_traits::rounded_t, 8> l1_circulant_sums_beat;

void l1_circulant_rfft(int frames, hls::stream<l0_circulant_y0_v1_beat>& in, hls::stream<l1_circulant_spectra_beat>& out) {
  swm::rfft_unrolled<l1_circulant>(frames, in, out);
}

void l1_circulant_mac(int frames, hls::stream<l1_circulant_spectra_beat>& in, hls::stream<l1_circulant_sums_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l1_circulant_weights type = rom_1p impl = bram)
  swm::spectral_mac<l1_circulant>(frames, l1_circulant_weights, in, out);
}

void l1_circulant_irfft(int frames, hls::stream<l1_circulant_sums_beat>& in, hls::stream<l1_circulant_y_beat>& out) {
  swm::irfft_unrolled<l1_circulant>(frames, l1_circulant_bias, in, out);
}

// l2_add: sum of two tensors of 16 channels, relu
void l2_add_process(int frames, hls::stream<l0_circulant_y1_v1_beat>& in0, hls::stream<l1_circulant_y_beat>& in1, hls::stream<l2_add_y_beat>& out) {
  swm::add<l2_add>(frames, in0, in1, out);
}

// l3_dense: dense, 16 to 4, identity
void l3_dense_process(int frames, hls::stream<l2_add_y_beat>& in, hls::stream<l3_dense_y_beat>& out) {
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
  hls::stream<l0_circulant_y_beat> l0_circulant_y("l0_circulant_y");
  SWM_STREAM_DEPTH(l0_circulant_y, 2)
  SWM_STREAM_SRL(l0_circulant_y)
  hls::stream<l0_circulant_y0_beat> l0_circulant_y0("l0_circulant_y0");
  SWM_STREAM_DEPTH(l0_circulant_y0, 2)
  SWM_STREAM_SRL(l0_circulant_y0)
  hls::stream<l0_circulant_y1_beat> l0_circulant_y1("l0_circulant_y1");
  SWM_STREAM_DEPTH(l0_circulant_y1, 2)
  SWM_STREAM_SRL(l0_circulant_y1)
  hls::stream<l0_circulant_y0_v1_beat> l0_circulant_y0_v1("l0_circulant_y0_v1");
  SWM_STREAM_DEPTH(l0_circulant_y0_v1, 2)
  SWM_STREAM_SRL(l0_circulant_y0_v1)
  hls::stream<l0_circulant_y1_v1_beat> l0_circulant_y1_v1("l0_circulant_y1_v1");
  SWM_STREAM_DEPTH(l0_circulant_y1_v1, 27)
  SWM_STREAM_SRL(l0_circulant_y1_v1)
  hls::stream<l1_circulant_y_beat> l1_circulant_y("l1_circulant_y");
  SWM_STREAM_DEPTH(l1_circulant_y, 2)
  SWM_STREAM_SRL(l1_circulant_y)
  hls::stream<l2_add_y_beat> l2_add_y("l2_add_y");
  SWM_STREAM_DEPTH(l2_add_y, 2)
  SWM_STREAM_SRL(l2_add_y)
  hls::stream<l3_dense_y_beat> l3_dense_y("l3_dense_y");
  SWM_STREAM_DEPTH(l3_dense_y, 2)
  SWM_STREAM_SRL(l3_dense_y)
  hls::stream<l3_dense_y_v2_beat> l3_dense_y_v2("l3_dense_y_v2");
  SWM_STREAM_DEPTH(l3_dense_y_v2, 2)
  SWM_STREAM_SRL(l3_dense_y_v2)
  hls::stream<l0_circulant_spectra_beat> l0_circulant_spectra("l0_circulant_spectra");
  SWM_STREAM_DEPTH(l0_circulant_spectra, 2)
  SWM_STREAM_SRL(l0_circulant_spectra)
  hls::stream<l0_circulant_sums_beat> l0_circulant_sums("l0_circulant_sums");
  SWM_STREAM_DEPTH(l0_circulant_sums, 2)
  SWM_STREAM_SRL(l0_circulant_sums)
  hls::stream<l1_circulant_spectra_beat> l1_circulant_spectra("l1_circulant_spectra");
  SWM_STREAM_DEPTH(l1_circulant_spectra, 2)
  SWM_STREAM_SRL(l1_circulant_spectra)
  hls::stream<l1_circulant_sums_beat> l1_circulant_sums("l1_circulant_sums");
  SWM_STREAM_DEPTH(l1_circulant_sums, 2)
  SWM_STREAM_SRL(l1_circulant_sums)

  SWM_PROCESS(swm::read_axis<input_edge>(frames, in, x, status));
  SWM_PROCESS(l0_circulant_rfft(frames, x, l0_circulant_spectra));
  SWM_PROCESS(l0_circulant_mac(frames, l0_circulant_spectra, l0_circulant_sums));
  SWM_PROCESS(l0_circulant_irfft(frames, l0_circulant_sums, l0_circulant_y));
  SWM_PROCESS(l0_circulant_y_fork_process(frames, l0_circulant_y, l0_circulant_y0, l0_circulant_y1));
  SWM_PROCESS(l0_circulant_y0_width_process(frames, l0_circulant_y0, l0_circulant_y0_v1));
  SWM_PROCESS(l0_circulant_y1_width_process(frames, l0_circulant_y1, l0_circulant_y1_v1));
  SWM_PROCESS(l1_circulant_rfft(frames, l0_circulant_y0_v1, l1_circulant_spectra));
  SWM_PROCESS(l1_circulant_mac(frames, l1_circulant_spectra, l1_circulant_sums));
  SWM_PROCESS(l1_circulant_irfft(frames, l1_circulant_sums, l1_circulant_y));
  SWM_PROCESS(l2_add_process(frames, l0_circulant_y1_v1, l1_circulant_y, l2_add_y));
  SWM_PROCESS(l3_dense_process(frames, l2_add_y, l3_dense_y));
  SWM_PROCESS(l3_dense_y_width_process(frames, l3_dense_y, l3_dense_y_v2));
  SWM_PROCESS(swm::write_axis<output_edge>(frames, l3_dense_y_v2, out));
  SWM_DATAFLOW_RUN
}
