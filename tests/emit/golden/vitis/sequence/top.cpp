// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "sequence" on pynq-z2: 2 layers, processes joined by streams.
///
/// At 100 MHz a frame enters each 246 cycles and leaves 352 cycles later (simulated on tokens).
#include "top.h"

#include "weights_l0_recurrent.h"
#include "weights_l1_dense.h"

using namespace net;

namespace {

typedef swm::vec<swm::int_t<8>, 4> x_beat;
typedef swm::vec<swm::int_t<8>, 1> x_v1_beat;
typedef swm::vec<swm::int_t<8>, 1> l0_recurrent_y_beat;
typedef swm::vec<swm::int_t<8>, 1> l1_dense_y_beat;
typedef swm::vec<swm::int_t<8>, 2> l1_dense_y_v2_beat;

// x_width: 6 channels, 4 to 1 a beat
void x_width_process(int frames, hls::stream<x_beat>& in, hls::stream<x_v1_beat>& out) {
  swm::width<x_width>(frames * 3, in, out);
}

// l0_recurrent: LSTM, 6 to 8, blocks of 4, 3 steps, the last one leaves
typedef swm::vec<l0_recurrent_traits::word_t, 4> l0_recurrent_spectra_beat;

void l0_recurrent_rfft(int frames, hls::stream<x_v1_beat>& in, hls::stream<l0_recurrent_spectra_beat>& out) {
  swm::recurrent_input<l0_recurrent>(frames * 3, in, out);
}

void l0_recurrent_steps(int frames, hls::stream<l0_recurrent_spectra_beat>& in, hls::stream<l0_recurrent_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l0_recurrent_weights type = rom_1p impl = bram)
  swm::recurrent_steps<l0_recurrent>(frames * 3, l0_recurrent_weights, l0_recurrent_vectors, in, out);
}

// l1_dense: dense, 8 to 4, identity
void l1_dense_process(int frames, hls::stream<l0_recurrent_y_beat>& in, hls::stream<l1_dense_y_beat>& out) {
  SWM_PRAGMA(HLS BIND_STORAGE variable = l1_dense_weights type = rom_1p impl = bram)
  swm::dense<l1_dense>(frames, l1_dense_weights, l1_dense_bias, in, out);
}

// l1_dense_y_width: 4 channels, 1 to 2 a beat
void l1_dense_y_width_process(int frames, hls::stream<l1_dense_y_beat>& in, hls::stream<l1_dense_y_v2_beat>& out) {
  swm::width<l1_dense_y_width>(frames, in, out);
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
  hls::stream<l0_recurrent_y_beat> l0_recurrent_y("l0_recurrent_y");
  SWM_STREAM_DEPTH(l0_recurrent_y, 3)
  SWM_STREAM_SRL(l0_recurrent_y)
  hls::stream<l1_dense_y_beat> l1_dense_y("l1_dense_y");
  SWM_STREAM_DEPTH(l1_dense_y, 2)
  SWM_STREAM_SRL(l1_dense_y)
  hls::stream<l1_dense_y_v2_beat> l1_dense_y_v2("l1_dense_y_v2");
  SWM_STREAM_DEPTH(l1_dense_y_v2, 2)
  SWM_STREAM_SRL(l1_dense_y_v2)
  hls::stream<l0_recurrent_spectra_beat> l0_recurrent_spectra("l0_recurrent_spectra");
  SWM_STREAM_DEPTH(l0_recurrent_spectra, 2)
  SWM_STREAM_SRL(l0_recurrent_spectra)

  SWM_PROCESS(swm::read_axis<input_edge>(frames, in, x, status));
  SWM_PROCESS(x_width_process(frames, x, x_v1));
  SWM_PROCESS(l0_recurrent_rfft(frames, x_v1, l0_recurrent_spectra));
  SWM_PROCESS(l0_recurrent_steps(frames, l0_recurrent_spectra, l0_recurrent_y));
  SWM_PROCESS(l1_dense_process(frames, l0_recurrent_y, l1_dense_y));
  SWM_PROCESS(l1_dense_y_width_process(frames, l1_dense_y, l1_dense_y_v2));
  SWM_PROCESS(swm::write_axis<output_edge>(frames, l1_dense_y_v2, out));
  SWM_DATAFLOW_RUN
}
