// SPDX-License-Identifier: Apache-2.0
/// \file axi.h
/// \brief AXI4-Stream edges (Vitis flavour): unpack V values a beat, pack them again, keep frames apart by TLAST.
///
/// A value occupies a container of 8, 16 or 32 bits, little end first, sign in the container's top bits; so a host sends
/// and receives plain int8, int16 or int32 arrays. A token is n values in ceil(n / V) beats, a frame `tokens` tokens; places
/// beyond n are ignored at the input and zero at the output. TLAST marks the last beat of a frame, at both edges.
///
/// Input: a frame that ends early is filled with zeros, one that goes on is cut and the surplus dropped up to its TLAST;
/// so a wrong frame spoils its own result and no other, and the status says that there was one.
///
/// II = 1. Iterations: frames * period, period = tokens * ceil(n / V); iteration i reads and writes beat i. Each dropped beat
/// costs one iteration more; a beat that is filled in is written without a read.
///
/// Control is the top function's: `s_axilite` for its arguments `frames` and `status` and for the block (start, done,
/// interrupt), or `ap_ctrl_none`, where `frames` is a constant and the core starts again by itself. A host that must give
/// up a frame half way resets the core: `config_interface -s_axilite_sw_reset` (Tcl) or `syn.interface.s_axilite_sw_reset=1`
/// (configuration file of v++ and vitis-run) add a reset bit to the control register.
///
/// \tparam Cfg  tick, n, bits, vec = V, container (8, 16 or 32), tokens
#pragma once

#include "ap_axi_sdata.h"
#include "count.h"
#include "ports.h"

namespace swm {

/// What the input edge saw since the call began; valid when the call is done.
struct axis_status {
  unsigned frames;        ///< frames passed on
  unsigned short_frames;  ///< of these: TLAST came early
  unsigned long_frames;   ///< of these: TLAST came late
};

template <class Cfg>
struct axis_edge {
  enum {
    V = Cfg::vec,
    beats = ceil_div(Cfg::n, V),
    tail = Cfg::n - (beats - 1) * V,  // values of the last beat of a token
    word_bits = V * Cfg::container,
    prologue = 0,
    period = Cfg::tokens * beats,  // of a frame
    epilogue = 0
  };
  typedef int_t<Cfg::bits> value_t;
  typedef vec<value_t, V> beat_t;
  typedef ap_axiu<word_bits, 0, 0, 0> axis_t;

  /// Of `frames` well-formed frames.
  static constexpr int iterations(int frames) { return frames * period; }

  static_assert(Cfg::n >= 1 && Cfg::tokens >= 1 && is_power_of_two(V), "beats are powers of two");
  static_assert(Cfg::container == 8 || Cfg::container == 16 || Cfg::container == 32, "values travel as int8, int16 or int32");
  static_assert(Cfg::bits <= Cfg::container, "a value fits its container");
  static_assert(word_bits <= 4096, "a beat has at most 4,096 bits");
};

/// Input edge.
/// \param frames  to take from `in`
/// \param out     frames * tokens * ceil(n / V) beats
template <class Cfg>
void read_axis(int frames, hls::stream<typename axis_edge<Cfg>::axis_t>& in, hls::stream<typename axis_edge<Cfg>::beat_t>& out,
               axis_status& status) {
  typedef axis_edge<Cfg> L;
  count_t<L::period - 1> place = 0;  // in the frame
  count_t<L::beats - 1> beat = 0;    // in the token
  bool filling = false;          // the frame ended early
  bool dropping = false;         // the frame goes on too long
  int frame = 0;
  unsigned short_frames = 0, long_frames = 0;
READ_AXIS:
  while (frame < frames) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    typename L::axis_t word;
    word.data = 0;  // what a frame that ended early is filled with
    word.last = 1;
    if (!filling) word = in.read();
    const bool ends = word.last != 0;
    const bool last_place = place == L::period - 1;
    const bool last_beat = beat == L::beats - 1;
    if (!dropping) {
      typename L::beat_t value;
    READ_AXIS_LANES:
      for (int i = 0; i < L::V; ++i) {
        SWM_UNROLL
        const ap_uint<Cfg::bits> raw = word.data.range(i * Cfg::container + Cfg::bits - 1, i * Cfg::container);
        value.v[i] = i >= L::tail && last_beat ? typename L::value_t(0) : typename L::value_t(raw);
      }
      out.write(value);
      place = last_place ? 0 : int(place) + 1;
      beat = last_beat ? 0 : int(beat) + 1;
    }
    const bool early = !dropping && !filling && ends && !last_place;
    const bool late = !dropping && last_place && !ends;
    const bool done = dropping ? ends : last_place && ends;
    short_frames += early ? 1 : 0;
    long_frames += late ? 1 : 0;
    filling = early || (filling && !last_place);
    dropping = late || (dropping && !ends);
    frame += done ? 1 : 0;
  }
  status.frames = unsigned(frame);
  status.short_frames = short_frames;
  status.long_frames = long_frames;
}

/// Input edge of a core without a control port, where nobody reads a status.
template <class Cfg>
void read_axis(int frames, hls::stream<typename axis_edge<Cfg>::axis_t>& in, hls::stream<typename axis_edge<Cfg>::beat_t>& out) {
  axis_status unread;
  read_axis<Cfg>(frames, in, out, unread);
}

/// Output edge: every byte is kept, TLAST marks the last beat of each frame.
/// \param frames  to write to `out`
template <class Cfg>
void write_axis(int frames, hls::stream<typename axis_edge<Cfg>::beat_t>& in, hls::stream<typename axis_edge<Cfg>::axis_t>& out) {
  typedef axis_edge<Cfg> L;
  const int total = frames * L::period;
  count_t<L::period - 1> place = 0;
WRITE_AXIS:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    const typename L::beat_t value = in.read();
    const bool last_place = place == L::period - 1;
    typename L::axis_t word;
  WRITE_AXIS_LANES:
    for (int i = 0; i < L::V; ++i) {
      SWM_UNROLL
      word.data.range(i * Cfg::container + Cfg::container - 1, i * Cfg::container) =
          ap_uint<Cfg::container>(ap_int<Cfg::container>(value.v[i]));
    }
    word.keep = -1;
    word.strb = -1;
    word.last = last_place;
    out.write(word);
    place = last_place ? 0 : int(place) + 1;
  }
}

}  // namespace swm
