// SPDX-License-Identifier: Apache-2.0
/// \file top.cpp
/// \brief "normal" on pynq-z2: 3 layers, called one after the other.
#include "top.h"

#include "weights_l0_dense.h"
#include "weights_l1_layernorm.h"
#include "weights_l2_dense.h"

using namespace net;

// l0_dense: dense, 6 to 5, identity
void l0_dense_process(const swm::int_t<8> in[6], swm::int_t<8> out[5]) {
  swm::dense<l0_dense>(1, l0_dense_weights, l0_dense_bias, in, out);
}

// l1_layernorm: layer normalisation, 5 channels, identity
void l1_layernorm_sum(const swm::int_t<8> in[5], l1_layernorm_traits::in_t out0[5], l1_layernorm_traits::sum_t out1[2]) {
  swm::layernorm_sums<l1_layernorm>(1, in, out0, out1);
}

void l1_layernorm_root(const l1_layernorm_traits::sum_t in[2], l1_layernorm_traits::scale_t out[3]) {
  swm::layernorm_root<l1_layernorm>(1, l1_layernorm_roots, in, out);
}

void l1_layernorm_normal(const l1_layernorm_traits::scale_t in0[3], const l1_layernorm_traits::in_t in1[5], swm::int_t<8> out[5]) {
  swm::layernorm_apply<l1_layernorm>(1, l1_layernorm_weights, l1_layernorm_bias, in0, in1, out);
}

// l2_dense: dense, 5 to 4, identity
void l2_dense_process(const swm::int_t<8> in[5], swm::int_t<8> out[4]) {
  swm::dense<l2_dense>(1, l2_dense_weights, l2_dense_bias, in, out);
}

void swm_top(const in_t in[6], out_t out[4]) {
  swm::int_t<8> l0_dense_y[5];
  swm::int_t<8> l1_layernorm_y[5];
  l1_layernorm_traits::in_t l1_layernorm_token[5];
  l1_layernorm_traits::sum_t l1_layernorm_sums[2];
  l1_layernorm_traits::scale_t l1_layernorm_scale[3];

  SWM_TAP(in, 6)
  l0_dense_process(in, l0_dense_y);
  SWM_TAP(l0_dense_y, 5)
  l1_layernorm_sum(l0_dense_y, l1_layernorm_token, l1_layernorm_sums);
  SWM_TAP(l1_layernorm_token, 5)
  SWM_TAP(l1_layernorm_sums, 2)
  l1_layernorm_root(l1_layernorm_sums, l1_layernorm_scale);
  SWM_TAP(l1_layernorm_scale, 3)
  l1_layernorm_normal(l1_layernorm_scale, l1_layernorm_token, l1_layernorm_y);
  SWM_TAP(l1_layernorm_y, 5)
  l2_dense_process(l1_layernorm_y, out);
  SWM_TAP(out, 4)
}
