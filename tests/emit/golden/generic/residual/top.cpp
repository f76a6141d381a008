// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "residual" on pynq-z2: 4 layers, called one after the other.
#include "top.h"

#include "weights_l0_circulant.h"
#include "weights_l1_circulant.h"
#include "weights_l3_dense.h"

using namespace net;

// l0_circulant: block-circulant, 16 to 16, blocks of 4, relu
void l0_circulant_rfft(const swm::int_t<12> in[16], l0_circulant_traits::spectrum_t out[16]) {
  swm::rfft_unrolled<l0_circulant>(1, in, out);
}

void l0_circulant_mac(const l0_circulant_traits::spectrum_t in[16], l0_circulant_traits::rounded_t out[16]) {
  swm::spectral_mac<l0_circulant>(1, l0_circulant_weights, in, out);
}

void l0_circulant_irfft(const l0_circulant_traits::rounded_t in[16], swm::int_t<12> out[16]) {
  swm::irfft_unrolled<l0_circulant>(1, l0_circulant_bias, in, out);
}

// l0_circulant_y_fork: 16 channels to 2 readers
void l0_circulant_y_fork_process(const swm::int_t<12> in[16], swm::int_t<12> out0[16], swm::int_t<12> out1[16]) {
  swm::fork<l0_circulant_y_fork>(1, in, out0, out1);
}

// l1_circulant: block-circulant, 16 to 16, blocks of 8, identity
void l1_circulant_rfft(const swm::int_t<12> in[16], l1_circulant_traits::spectrum_t out[16]) {
  swm::rfft_unrolled<l1_circulant>(1, in, out);
}

void l1_circulant_mac(const l1_circulant_traits::spectrum_t in[16], l1_circulant_traits::rounded_t out[16]) {
  swm::spectral_mac<l1_circulant>(1, l1_circulant_weights, in, out);
}

void l1_circulant_irfft(const l1_circulant_traits::rounded_t in[16], swm::int_t<12> out[16]) {
  swm::irfft_unrolled<l1_circulant>(1, l1_circulant_bias, in, out);
}

// l2_add: sum of two tensors of 16 channels, relu
void l2_add_process(const swm::int_t<12> in0[16], const swm::int_t<12> in1[16], swm::int_t<12> out[16]) {
  swm::add<l2_add>(1, in0, in1, out);
}

// l3_dense: dense, 16 to 4, identity
void l3_dense_process(const swm::int_t<12> in[16], swm::int_t<12> out[4]) {
  swm::dense<l3_dense>(1, l3_dense_weights, l3_dense_bias, in, out);
}

void swm_top(const in_t in[16], out_t out[4]) {
  swm::int_t<12> l0_circulant_y[16];
  swm::int_t<12> l0_circulant_y0[16];
  swm::int_t<12> l0_circulant_y1[16];
  swm::int_t<12> l1_circulant_y[16];
  swm::int_t<12> l2_add_y[16];
  l0_circulant_traits::spectrum_t l0_circulant_spectra[16];
  l0_circulant_traits::rounded_t l0_circulant_sums[16];
  l1_circulant_traits::spectrum_t l1_circulant_spectra[16];
  l1_circulant_traits::rounded_t l1_circulant_sums[16];

  SWM_TAP(in, 16)
  l0_circulant_rfft(in, l0_circulant_spectra);
  SWM_TAP(l0_circulant_spectra, 16)
  l0_circulant_mac(l0_circulant_spectra, l0_circulant_sums);
  SWM_TAP(l0_circulant_sums, 16)
  l0_circulant_irfft(l0_circulant_sums, l0_circulant_y);
  SWM_TAP(l0_circulant_y, 16)
  l0_circulant_y_fork_process(l0_circulant_y, l0_circulant_y0, l0_circulant_y1);
  SWM_TAP(l0_circulant_y0, 16)
  SWM_TAP(l0_circulant_y1, 16)
  l1_circulant_rfft(l0_circulant_y0, l1_circulant_spectra);
  SWM_TAP(l1_circulant_spectra, 16)
  l1_circulant_mac(l1_circulant_spectra, l1_circulant_sums);
  SWM_TAP(l1_circulant_sums, 16)
  l1_circulant_irfft(l1_circulant_sums, l1_circulant_y);
  SWM_TAP(l1_circulant_y, 16)
  l2_add_process(l0_circulant_y1, l1_circulant_y, l2_add_y);
  SWM_TAP(l2_add_y, 16)
  l3_dense_process(l2_add_y, out);
  SWM_TAP(out, 4)
}
