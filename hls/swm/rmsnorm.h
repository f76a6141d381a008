// SPDX-License-Identifier: Apache-2.0
/// \file rmsnorm.h
/// \brief RMS normalisation over the channels of each token: y = activation(g x / sqrt(mean(x^2) + epsilon)).
///
/// The processes, loops and iterations of layernorm.h with sum(x) = 0: spread = n sum(x^2) + epsilon.
///
/// \tparam Cfg  as layernorm.h
#pragma once

#include "layernorm.h"

namespace swm {

/// What the kernels of layernorm.h are told.
template <class Cfg>
struct rmsnorm_config : Cfg {
  static constexpr int mean_free = 1;
};

template <class Cfg>
struct rmsnorm_layer : layernorm_layer<rmsnorm_config<Cfg> > {};

}  // namespace swm
