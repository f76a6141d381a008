// SPDX-License-Identifier: Apache-2.0
/// \file count.h
/// \brief Counts the pipelined iterations that a C simulation executes, so that they can be held against the schedule.
///
/// `SWM_TICK(id)` stands in the body of every pipelined loop. It does nothing unless SWM_COUNT_ITERATIONS is defined.
#pragma once

#ifdef SWM_COUNT_ITERATIONS
namespace swm {
namespace sim {
enum { max_processes = 4096 };
/// Iterations by process number: Cfg::tick of a layer + place of the process in it.
inline long long* ticks() {
  static long long counts[max_processes] = {};
  return counts;
}
}  // namespace sim
}  // namespace swm
#define SWM_TICK(id) (++::swm::sim::ticks()[id])
#else
#define SWM_TICK(id) ((void)0)
#endif
