// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "mlp" on pynq-z2: 2 layers, called one after the other.
#include "top.h"

#include "weights_l0_fc0.h"
#include "weights_l1_fc1.h"

void l0_fc0_rfft(const net::l0_fc0_traits::in_t in[16], net::l0_fc0_traits::spectrum_t out[16]) {
  swm::rfft<net::l0_fc0>(in, out);
}

void l0_fc0_mac(const net::l0_fc0_traits::spectrum_t in[16], net::l0_fc0_traits::rounded_t out[16]) {
  swm::spectral_mac<net::l0_fc0>(net::l0_fc0_weights, in, out);
}

void l0_fc0_irfft(const net::l0_fc0_traits::rounded_t in[16], net::l0_fc0_traits::out_t out[16]) {
  swm::irfft<net::l0_fc0>(net::l0_fc0_bias, in, out);
}

void l1_fc1_dense(const net::l1_fc1_traits::in_t in[16], net::l1_fc1_traits::out_t out[4]) {
  swm::dense<net::l1_fc1>(net::l1_fc1_weights, net::l1_fc1_bias, in, out);
}

void swm_top(const net::in_t in[16], net::out_t out[4]) {
  net::l0_fc0_traits::out_t l0_fc0_y[16];
  net::l0_fc0_traits::spectrum_t l0_fc0_f[16];
  net::l0_fc0_traits::rounded_t l0_fc0_a[16];
  l0_fc0_rfft(in, l0_fc0_f);
  l0_fc0_mac(l0_fc0_f, l0_fc0_a);
  l0_fc0_irfft(l0_fc0_a, l0_fc0_y);
  l1_fc1_dense(l0_fc0_y, out);
}
