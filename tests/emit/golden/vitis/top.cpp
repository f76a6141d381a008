// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "mlp" on pynq-z2: 2 layers, processes joined by streams.
/// Modelled interval 36 cycles, latency at most 161 cycles, at 100 MHz.
#include "top.h"

#include "swm/axi.h"
#include "weights_l0_fc0.h"
#include "weights_l1_fc1.h"

namespace {

typedef swm::vec<net::l0_fc0_traits::in_t, 2> l0_fc0_in;
typedef swm::vec<net::l0_fc0_traits::out_t, 4> l0_fc0_out;
typedef swm::vec<net::l0_fc0_traits::spectrum_t, 4> l0_fc0_spectrum;
typedef swm::vec<net::l0_fc0_traits::rounded_t, 16> l0_fc0_sums;

void l0_fc0_rfft(hls::stream<l0_fc0_in>& in, hls::stream<l0_fc0_spectrum>& out) {
  swm::rfft<net::l0_fc0>(in, out);
}

void l0_fc0_mac(hls::stream<l0_fc0_spectrum>& in, hls::stream<l0_fc0_sums>& out) {
  swm::spectral_mac<net::l0_fc0>(net::l0_fc0_weights, in, out);
}

void l0_fc0_irfft(hls::stream<l0_fc0_sums>& in, hls::stream<l0_fc0_out>& out) {
  swm::irfft<net::l0_fc0>(net::l0_fc0_bias, in, out);
}

typedef swm::vec<net::l1_fc1_traits::in_t, 4> l1_fc1_in;
typedef swm::vec<net::l1_fc1_traits::out_t, 4> l1_fc1_out;

void l1_fc1_dense(hls::stream<l1_fc1_in>& in, hls::stream<l1_fc1_out>& out) {
  swm::dense<net::l1_fc1>(net::l1_fc1_weights, net::l1_fc1_bias, in, out);
}

void input_edge(hls::stream<net::in_axis>& in, hls::stream<l0_fc0_in>& out) {
  swm::read_axis<12, net::in_vec, net::in_container, net::in_beats>(in, out);
}

void output_edge(hls::stream<l1_fc1_out>& in, hls::stream<net::out_axis>& out) {
  swm::write_axis<12, net::out_vec, net::out_container, net::out_beats>(in, out);
}

}  // namespace

void swm_top(hls::stream<net::in_axis>& in, hls::stream<net::out_axis>& out) {
  SWM_PRAGMA(HLS INTERFACE mode = axis port = in)
  SWM_PRAGMA(HLS INTERFACE mode = axis port = out)
  SWM_PRAGMA(HLS INTERFACE mode = ap_ctrl_none port = return)
  SWM_DATAFLOW

  hls::stream<l0_fc0_in> l0_fc0_x("l0_fc0_x");
  SWM_STREAM_DEPTH(l0_fc0_x, 2)
  SWM_STREAM_SRL(l0_fc0_x)
  hls::stream<l0_fc0_spectrum> l0_fc0_f("l0_fc0_f");
  SWM_STREAM_DEPTH(l0_fc0_f, 2)
  SWM_STREAM_SRL(l0_fc0_f)
  // Deep enough that the products of the next sample go on while this one is transformed back.
  hls::stream<l0_fc0_sums> l0_fc0_a("l0_fc0_a");
  SWM_STREAM_DEPTH(l0_fc0_a, 3)
  SWM_STREAM_SRL(l0_fc0_a)
  hls::stream<l0_fc0_out> l0_fc0_y("l0_fc0_y");
  SWM_STREAM_DEPTH(l0_fc0_y, 2)
  SWM_STREAM_SRL(l0_fc0_y)
  hls::stream<l1_fc1_out> l1_fc1_y("l1_fc1_y");
  SWM_STREAM_DEPTH(l1_fc1_y, 2)
  SWM_STREAM_SRL(l1_fc1_y)

  input_edge(in, l0_fc0_x);
  l0_fc0_rfft(l0_fc0_x, l0_fc0_f);
  l0_fc0_mac(l0_fc0_f, l0_fc0_a);
  l0_fc0_irfft(l0_fc0_a, l0_fc0_y);
  l1_fc1_dense(l0_fc0_y, l1_fc1_y);
  output_edge(l1_fc1_y, out);
}
