// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "convolutions" on pynq-z2: 4 layers, called one after the other.
#include "top.h"

#include "weights_l0_conv.h"
#include "weights_l1_circulant_conv.h"
#include "weights_l2_depthwise.h"
#include "weights_l3_dense.h"

using namespace net;

// l0_conv: convolution, 2 to 6 channels, kernel 3 x 3, 4 x 5 to 4 x 3 positions, relu
void l0_conv_window(const swm::int_t<8> in[40], l0_conv_traits::in_t out[216]) {
  swm::window<l0_conv>(1, in, out);
}

void l0_conv_process(const l0_conv_traits::in_t in[216], swm::int_t<8> out[72]) {
  swm::dense<swm::conv_products<l0_conv>>(12, l0_conv_weights, l0_conv_bias, in, out);
}

// l1_circulant_conv: block-circulant convolution, blocks of 4, 6 to 4 channels, kernel 2 x 3, 4 x 3 to 4 x 3 positions, identity
void l1_circulant_conv_rfft(const swm::int_t<8> in[72], l1_circulant_conv_traits::spectrum_t out[96]) {
  swm::rfft_unrolled<l1_circulant_conv>(12, in, out);
}

void l1_circulant_conv_window(const l1_circulant_conv_traits::spectrum_t in[96], l1_circulant_conv_traits::spectrum_t out[576]) {
  swm::window<swm::conv_window<l1_circulant_conv>>(1, in, out);
}

void l1_circulant_conv_mac(const l1_circulant_conv_traits::spectrum_t in[576], l1_circulant_conv_traits::rounded_t out[48]) {
  swm::spectral_mac<swm::conv_spectra<l1_circulant_conv>>(12, l1_circulant_conv_weights, in, out);
}

void l1_circulant_conv_irfft(const l1_circulant_conv_traits::rounded_t in[48], swm::int_t<8> out[48]) {
  swm::irfft_unrolled<swm::conv_spectra<l1_circulant_conv>>(12, l1_circulant_conv_bias, in, out);
}

// l2_depthwise: depthwise convolution, 4 channels, kernel 3 x 1, 4 x 3 to 2 x 3 positions, identity
void l2_depthwise_window(const swm::int_t<8> in[48], l2_depthwise_traits::in_t out[72]) {
  swm::window<l2_depthwise>(1, in, out);
}

void l2_depthwise_conv(const l2_depthwise_traits::in_t in[72], swm::int_t<8> out[24]) {
  swm::depthwise<l2_depthwise>(6, l2_depthwise_weights, l2_depthwise_bias, in, out);
}

// l3_dense: dense, 24 to 3, identity
void l3_dense_process(const swm::int_t<8> in[24], swm::int_t<8> out[3]) {
  swm::dense<l3_dense>(1, l3_dense_weights, l3_dense_bias, in, out);
}

void swm_top(const in_t in[40], out_t out[3]) {
  swm::int_t<8> l0_conv_y[72];
  swm::int_t<8> l1_circulant_conv_y[48];
  swm::int_t<8> l2_depthwise_y[24];
  l0_conv_traits::in_t l0_conv_windows[216];
  l1_circulant_conv_traits::spectrum_t l1_circulant_conv_spectra[96];
  l1_circulant_conv_traits::spectrum_t l1_circulant_conv_windows[576];
  l1_circulant_conv_traits::rounded_t l1_circulant_conv_sums[48];
  l2_depthwise_traits::in_t l2_depthwise_windows[72];

  SWM_TAP(in, 40)
  l0_conv_window(in, l0_conv_windows);
  SWM_TAP(l0_conv_windows, 216)
  l0_conv_process(l0_conv_windows, l0_conv_y);
  SWM_TAP(l0_conv_y, 72)
  l1_circulant_conv_rfft(l0_conv_y, l1_circulant_conv_spectra);
  SWM_TAP(l1_circulant_conv_spectra, 96)
  l1_circulant_conv_window(l1_circulant_conv_spectra, l1_circulant_conv_windows);
  SWM_TAP(l1_circulant_conv_windows, 576)
  l1_circulant_conv_mac(l1_circulant_conv_windows, l1_circulant_conv_sums);
  SWM_TAP(l1_circulant_conv_sums, 48)
  l1_circulant_conv_irfft(l1_circulant_conv_sums, l1_circulant_conv_y);
  SWM_TAP(l1_circulant_conv_y, 48)
  l2_depthwise_window(l1_circulant_conv_y, l2_depthwise_windows);
  SWM_TAP(l2_depthwise_windows, 72)
  l2_depthwise_conv(l2_depthwise_windows, l2_depthwise_y);
  SWM_TAP(l2_depthwise_y, 24)
  l3_dense_process(l2_depthwise_y, out);
  SWM_TAP(out, 3)
}
