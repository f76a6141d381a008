// SPDX-License-Identifier: Apache-2.0
/// \file ports.h
/// \brief How a kernel reads and writes its ports: beats of N values from a stream, or the same beats from a plain array.
///
/// One kernel source serves both flavours: with Vitis a port is `hls::stream<vec<T, N>>`, elsewhere a pointer to plain
/// integers that holds beat after beat.
#pragma once

#include "fixed.h"
#ifdef SWM_VITIS
#include "hls_stream.h"
#endif

namespace swm {

/// N values that travel together.
template <class T, int N>
struct vec {
  T v[N];
};

template <int N, class T>
inline vec<T, N> read_beat(const T* port, int beat) {
  SWM_INLINE
  vec<T, N> out;
READ_BEAT:
  for (int i = 0; i < N; ++i) {
    SWM_UNROLL
    out.v[i] = port[beat * N + i];
  }
  return out;
}

template <int N, class T>
inline void write_beat(T* port, int beat, const vec<T, N>& value) {
  SWM_INLINE
WRITE_BEAT:
  for (int i = 0; i < N; ++i) {
    SWM_UNROLL
    port[beat * N + i] = value.v[i];
  }
}

#ifdef SWM_VITIS
template <int N, class T>
inline vec<T, N> read_beat(hls::stream<vec<T, N> >& port, int /*beat*/) {
  SWM_INLINE
  return port.read();
}

template <int N, class T>
inline void write_beat(hls::stream<vec<T, N> >& port, int /*beat*/, const vec<T, N>& value) {
  SWM_INLINE
  port.write(value);
}
#endif

}  // namespace swm
