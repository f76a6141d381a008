// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "sequence" on pynq-z2: 2 layers, called one after the other.
#include "top.h"

#include "weights_l0_recurrent.h"
#include "weights_l1_dense.h"

using namespace net;

// l0_recurrent: LSTM, 6 to 8, blocks of 4, 3 steps, the last one leaves
void l0_recurrent_rfft(const swm::int_t<8> in[18], l0_recurrent_traits::word_t out[24]) {
  swm::recurrent_input<l0_recurrent>(3, in, out);
}

void l0_recurrent_steps(const l0_recurrent_traits::word_t in[24], swm::int_t<8> out[8]) {
  swm::recurrent_steps<l0_recurrent>(3, l0_recurrent_weights, l0_recurrent_vectors, in, out);
}

// l1_dense: dense, 8 to 4, identity
void l1_dense_process(const swm::int_t<8> in[8], swm::int_t<8> out[4]) {
  swm::dense<l1_dense>(1, l1_dense_weights, l1_dense_bias, in, out);
}

void swm_top(const in_t in[18], out_t out[4]) {
  swm::int_t<8> l0_recurrent_y[8];
  l0_recurrent_traits::word_t l0_recurrent_spectra[24];

  SWM_TAP(in, 18)
  l0_recurrent_rfft(in, l0_recurrent_spectra);
  SWM_TAP(l0_recurrent_spectra, 24)
  l0_recurrent_steps(l0_recurrent_spectra, l0_recurrent_y);
  SWM_TAP(l0_recurrent_y, 8)
  l1_dense_process(l0_recurrent_y, out);
  SWM_TAP(out, 4)
}
