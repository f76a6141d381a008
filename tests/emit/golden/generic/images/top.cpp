// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "images" on pynq-z2: 6 layers, called one after the other.
#include "top.h"

#include "weights_l0_node_a.h"
#include "weights_l5_node_y.h"

using namespace net;

// l0_node_a: mean under a window of 3 x 3, 3 channels, 5 x 4 to 3 x 2 positions, identity
void l0_node_a_window(const swm::int_t<8> in[60], l0_node_a_traits::in_t out[162]) {
  swm::window<l0_node_a>(1, in, out);
}

void l0_node_a_pool(const l0_node_a_traits::in_t in[162], swm::int_t<8> out[18]) {
  swm::average_pool<l0_node_a>(6, l0_node_a_reciprocals, in, out);
}

// l1_node_b: 3 x 2 padded to 4 x 2 positions, 3 channels
void l1_node_b_pad(const swm::int_t<8> in[18], swm::int_t<8> out[24]) {
  swm::pad<l1_node_b>(1, in, out);
}

// l2_node_c: 4 x 2 positions, each 1 x 2 times, 3 channels
void l2_node_c_upsample(const swm::int_t<8> in[24], swm::int_t<8> out[48]) {
  swm::upsample<l2_node_c>(1, in, out);
}

// l3_node_d: maximum under a window of 2 x 2, 3 channels, 4 x 4 to 2 x 2 positions, identity
void l3_node_d_window(const swm::int_t<8> in[48], l3_node_d_traits::in_t out[48]) {
  swm::window<l3_node_d>(1, in, out);
}

void l3_node_d_pool(const l3_node_d_traits::in_t in[48], swm::int_t<8> out[12]) {
  swm::max_pool<l3_node_d>(4, in, out);
}

// l4_reorder: 4 x 3 values transposed
void l4_reorder_process(const swm::int_t<8> in[12], swm::int_t<8> out[12]) {
  swm::reorder<l4_reorder>(1, in, out);
}

// l5_node_y: block-circulant, 12 to 8, blocks of 4, identity
void l5_node_y_rfft(const swm::int_t<8> in[12], l5_node_y_traits::spectrum_t out[12]) {
  swm::rfft_unrolled<l5_node_y>(1, in, out);
}

void l5_node_y_mac(const l5_node_y_traits::spectrum_t in[12], l5_node_y_traits::rounded_t out[8]) {
  swm::spectral_mac<l5_node_y>(1, l5_node_y_weights, in, out);
}

void l5_node_y_irfft(const l5_node_y_traits::rounded_t in[8], swm::int_t<8> out[8]) {
  swm::irfft_unrolled<l5_node_y>(1, l5_node_y_bias, in, out);
}

void swm_top(const in_t in[60], out_t out[8]) {
  swm::int_t<8> l0_node_a_y[18];
  swm::int_t<8> l1_node_b_y[24];
  swm::int_t<8> l2_node_c_y[48];
  swm::int_t<8> l3_node_d_y[12];
  swm::int_t<8> l4_reorder_y[12];
  l0_node_a_traits::in_t l0_node_a_windows[162];
  l3_node_d_traits::in_t l3_node_d_windows[48];
  l5_node_y_traits::spectrum_t l5_node_y_spectra[12];
  l5_node_y_traits::rounded_t l5_node_y_sums[8];

  SWM_TAP(in, 60)
  l0_node_a_window(in, l0_node_a_windows);
  SWM_TAP(l0_node_a_windows, 162)
  l0_node_a_pool(l0_node_a_windows, l0_node_a_y);
  SWM_TAP(l0_node_a_y, 18)
  l1_node_b_pad(l0_node_a_y, l1_node_b_y);
  SWM_TAP(l1_node_b_y, 24)
  l2_node_c_upsample(l1_node_b_y, l2_node_c_y);
  SWM_TAP(l2_node_c_y, 48)
  l3_node_d_window(l2_node_c_y, l3_node_d_windows);
  SWM_TAP(l3_node_d_windows, 48)
  l3_node_d_pool(l3_node_d_windows, l3_node_d_y);
  SWM_TAP(l3_node_d_y, 12)
  l4_reorder_process(l3_node_d_y, l4_reorder_y);
  SWM_TAP(l4_reorder_y, 12)
  l5_node_y_rfft(l4_reorder_y, l5_node_y_spectra);
  SWM_TAP(l5_node_y_spectra, 12)
  l5_node_y_mac(l5_node_y_spectra, l5_node_y_sums);
  SWM_TAP(l5_node_y_sums, 8)
  l5_node_y_irfft(l5_node_y_sums, out);
  SWM_TAP(out, 8)
}
