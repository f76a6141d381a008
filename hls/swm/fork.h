// SPDX-License-Identifier: Apache-2.0
/// \file fork.h
/// \brief One stream to several readers.
///
/// II = 1. Iterations: tokens * period, period = ceil(n / V); iteration i reads beat i and writes it to every output. A beat
/// leaves only when all outputs have room for it, in one cycle: a slow path stops the others once its FIFO is full.
/// Registers of one beat; no arithmetic.
///
/// \tparam Cfg  tick, n, bits, vec = V
#pragma once

#include "count.h"
#include "fixed.h"
#include "ports.h"

namespace swm {

template <class Cfg>
struct fork_layer {
  enum { beats = ceil_div(Cfg::n, Cfg::vec), in_beats = beats, out_beats = beats, prologue = 0, period = beats, epilogue = 0 };
  typedef int_t<Cfg::bits> in_t;
  typedef int_t<Cfg::bits> out_t;

  static constexpr int iterations(int tokens) { return tokens * period; }

  static_assert(Cfg::n >= 1 && is_power_of_two(Cfg::vec), "beats are powers of two");
};

namespace detail {

#ifdef SWM_SIM_BOUNDED
// Plain arrays always have room; a stream of bounded C simulation waits until it has.
template <class T>
inline void await_room(T* /*port*/) {}
#ifdef SWM_VITIS
template <class T>
inline void await_room(hls::stream<T>& port) {
  port.await_room();
}
#endif
inline void await_all() {}
template <class Out, class... Outs>
inline void await_all(Out& out, Outs&... outs) {
  await_room(out);
  await_all(outs...);
}
#endif

template <int N, class Beat>
inline void write_all(int /*beat*/, const Beat& /*value*/) {}
template <int N, class Beat, class Out, class... Outs>
inline void write_all(int beat, const Beat& value, Out& out, Outs&... outs) {
  SWM_INLINE
  write_beat<N>(out, beat, value);
  write_all<N>(beat, value, outs...);
}

}  // namespace detail

/// \param tokens  positions of all frames of this call
/// \param in      beats of V channels
/// \param outs    the same beats, each
template <class Cfg, class In, class... Outs>
void fork(int tokens, In& in, Outs&... outs) {
  typedef fork_layer<Cfg> L;
  static_assert(sizeof...(Outs) >= 1, "at least one output");
  const int total = tokens * L::period;
FORK:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const vec<typename L::in_t, Cfg::vec> value = read_beat<Cfg::vec, typename L::in_t>(in, step);
#ifdef SWM_SIM_BOUNDED
    detail::await_all(outs...);
#endif
    detail::write_all<Cfg::vec>(step, value, outs...);
  }
}

}  // namespace swm
