// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "curves" on pynq-z2: 4 layers, called one after the other.
#include "top.h"

#include "weights_l0_dense.h"
#include "weights_l1_circulant.h"
#include "weights_l2_dense.h"
#include "weights_l3_dense.h"

using namespace net;

// l0_dense: dense, 6 to 5, leaky_relu
void l0_dense_process(const swm::int_t<6> in[6], swm::int_t<6> out[5]) {
  swm::dense<l0_dense>(1, l0_dense_weights, l0_dense_bias, in, out);
}

// l1_circulant: block-circulant, 5 to 6, blocks of 2, swish
void l1_circulant_rfft(const swm::int_t<6> in[5], l1_circulant_traits::spectrum_t out[6]) {
  swm::rfft_unrolled<l1_circulant>(1, in, out);
}

void l1_circulant_mac(const l1_circulant_traits::spectrum_t in[6], l1_circulant_traits::rounded_t out[6]) {
  swm::spectral_mac<l1_circulant>(1, l1_circulant_weights, in, out);
}

void l1_circulant_irfft(const l1_circulant_traits::rounded_t in[6], swm::int_t<6> out[6]) {
  swm::irfft_unrolled<l1_circulant>(1, l1_circulant_bias, in, out);
}

// l2_dense: dense, 6 to 5, sigmoid
void l2_dense_process(const swm::int_t<6> in[6], swm::int_t<6> out[5]) {
  swm::dense<l2_dense>(1, l2_dense_weights, l2_dense_bias, in, out);
}

// l3_dense: dense, 5 to 4, clip
void l3_dense_process(const swm::int_t<6> in[5], swm::int_t<6> out[4]) {
  swm::dense<l3_dense>(1, l3_dense_weights, l3_dense_bias, in, out);
}

void swm_top(const in_t in[6], out_t out[4]) {
  swm::int_t<6> l0_dense_y[5];
  swm::int_t<6> l1_circulant_y[6];
  swm::int_t<6> l2_dense_y[5];
  l1_circulant_traits::spectrum_t l1_circulant_spectra[6];
  l1_circulant_traits::rounded_t l1_circulant_sums[6];

  SWM_TAP(in, 6)
  l0_dense_process(in, l0_dense_y);
  SWM_TAP(l0_dense_y, 5)
  l1_circulant_rfft(l0_dense_y, l1_circulant_spectra);
  SWM_TAP(l1_circulant_spectra, 6)
  l1_circulant_mac(l1_circulant_spectra, l1_circulant_sums);
  SWM_TAP(l1_circulant_sums, 6)
  l1_circulant_irfft(l1_circulant_sums, l1_circulant_y);
  SWM_TAP(l1_circulant_y, 6)
  l2_dense_process(l1_circulant_y, l2_dense_y);
  SWM_TAP(l2_dense_y, 5)
  l3_dense_process(l2_dense_y, out);
  SWM_TAP(out, 4)
}
