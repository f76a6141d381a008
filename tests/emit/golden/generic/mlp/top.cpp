// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "mlp" on pynq-z2: 2 layers, called one after the other.
#include "top.h"

#include "weights_l0_circulant.h"
#include "weights_l1_dense.h"

using namespace net;

// l0_circulant: block-circulant, 24 to 16, blocks of 8, relu
void l0_circulant_rfft(const swm::int_t<12> in[24], l0_circulant_traits::spectrum_t out[24]) {
  swm::rfft_unrolled<l0_circulant>(1, in, out);
}

void l0_circulant_mac(const l0_circulant_traits::spectrum_t in[24], l0_circulant_traits::rounded_t out[16]) {
  swm::spectral_mac<l0_circulant>(1, l0_circulant_weights, in, out);
}

void l0_circulant_irfft(const l0_circulant_traits::rounded_t in[16], swm::int_t<12> out[16]) {
  swm::irfft_unrolled<l0_circulant>(1, l0_circulant_bias, in, out);
}

// l1_dense: dense, 16 to 4, identity
void l1_dense_process(const swm::int_t<12> in[16], swm::int_t<12> out[4]) {
  swm::dense<l1_dense>(1, l1_dense_weights, l1_dense_bias, in, out);
}

void swm_top(const in_t in[24], out_t out[4]) {
  swm::int_t<12> l0_circulant_y[16];
  l0_circulant_traits::spectrum_t l0_circulant_spectra[24];
  l0_circulant_traits::rounded_t l0_circulant_sums[16];

  SWM_TAP(in, 24)
  l0_circulant_rfft(in, l0_circulant_spectra);
  SWM_TAP(l0_circulant_spectra, 24)
  l0_circulant_mac(l0_circulant_spectra, l0_circulant_sums);
  SWM_TAP(l0_circulant_sums, 16)
  l0_circulant_irfft(l0_circulant_sums, l0_circulant_y);
  SWM_TAP(l0_circulant_y, 16)
  l1_dense_process(l0_circulant_y, out);
  SWM_TAP(out, 4)
}
