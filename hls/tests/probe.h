// SPDX-License-Identifier: Apache-2.0
/// \file probe.h
/// \brief A port that notes at which iteration of its process a beat passes.
#pragma once

#include "check.h"

namespace swm {

template <class T>
struct probe {
  int process;
  std::vector<long long> iterations;
  explicit probe(int of) : process(of) {}
};

/// A beat of values that do not matter.
template <int N, class T>
inline vec<T, N> read_beat(probe<T>& port, int /*beat*/) {
  port.iterations.push_back(sim::ticks()[port.process] - 1);
  vec<T, N> out;
  for (int i = 0; i < N; ++i) out.v[i] = 0;
  return out;
}

template <int N, class T>
inline void write_beat(probe<T>& port, int /*beat*/, const vec<T, N>& /*value*/) {
  port.iterations.push_back(sim::ticks()[port.process] - 1);
}

}  // namespace swm

namespace check {

/// Holds reads and writes of a process of product_walk.h against the times that its header states.
inline void walk_times(const words& reads, const words& writes, int tokens, int loads, int row_groups, int groups_of_rows,
                       int products_of_group, int beats, int last_beats, long long ticks) {
  const long long products = 1LL * row_groups * groups_of_rows * products_of_group;
  const long long period = products > loads ? products : loads, load_step = period / loads;
  const long long drain_step = products_of_group / beats > 1 ? products_of_group / beats : 1;
  words wanted_reads, wanted_writes;
  for (int t = 0; t < tokens; ++t) {
    for (int j = 0; j < loads; ++j) wanted_reads.push_back(t == 0 ? j : loads + (t - 1) * period + j * load_step);
    for (int group = 0; group < row_groups * groups_of_rows; ++group) {
      const long long last_product = loads + t * period + (group + 1LL) * products_of_group - 1;
      const bool last = group >= (row_groups - 1) * groups_of_rows;
      for (int beat = 0; beat < (last ? last_beats : beats); ++beat) {
        wanted_writes.push_back(last_product + 1 + beat * drain_step);
      }
    }
  }
  that(reads == wanted_reads, "iterations of reads", reads.size(), wanted_reads.size());
  that(writes == wanted_writes, "iterations of writes", writes.size(), wanted_writes.size());
  const long long total = loads + tokens * period + drain_step * (last_beats - 1) + 1;
  that(ticks == total && writes.back() < total, "all iterations", ticks, total);
}

}  // namespace check
