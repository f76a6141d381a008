// SPDX-License-Identifier: Apache-2.0
/// \file load.h
/// \brief Weights that are loaded at start (Vitis flavour): one AXI4-Stream port fills the memories that no bitstream fills.
///
/// UltraRAM has no initial contents. Weights that lie there are sent once, with the first call after power-up (load = 1),
/// before its frames; later calls (load = 0) find them where they are: a reset of the core does not touch them.
///
/// Format: memory by memory, bank by bank, address by address. A word of a memory is its weights, lane 0 first, each in a
/// container of 8, 16 or 32 bits (the narrowest that holds it), little end first, padded with zeros to whole beats. So a
/// host that holds the beats as bytes sends them as they lie. TLAST marks the last beat of all.
///
/// read_weights deals the beats out; store_weights, in the process that multiplies, collects words and writes them, one
/// write port, ahead of the loop that reads them, one read port.
///
/// II = 1. Iterations of a call with load = 1: the beats of all memories, and of the own memory; with load = 0 none. A beat
/// beyond the last one costs one iteration more; a beat that is filled in is written without a read.
#pragma once

#include "ap_axi_sdata.h"
#include "count.h"
#include "ints.h"
#include "ports.h"

namespace swm {

/// What became of the weights in a call.
enum load_status {
  weights_kept = 0,       ///< load was 0
  weights_loaded = 1,
  weights_too_short = 2,  ///< TLAST came early: the rest is zeros
  weights_too_long = 3    ///< TLAST came late: the surplus was dropped
};

/// How one memory of `lanes` weights a word is filled.
/// \tparam Cfg  load_bits (of a beat) and weight_bits; load_tick for counting
template <class Cfg, int Lanes>
struct load_word {
  enum {
    bits = Cfg::weight_bits,
    container = bits <= 8 ? 8 : bits <= 16 ? 16 : 32,
    values = Cfg::load_bits / container,  // of a beat
    beats = ceil_div(Lanes, values)
  };
  static_assert(Cfg::load_bits % 32 == 0 && Cfg::load_bits <= 64, "beats have 32 or 64 bits");
  static_assert(bits >= 1 && bits <= 32, "weights travel as int8, int16 or int32");
};

namespace detail {

inline int beats_of(int /*memory*/, ints<>) { return 0; }
/// Beats of a memory, by its place in the list.
template <int Head, int... Tail>
inline int beats_of(int memory, ints<Head, Tail...>) {
  SWM_INLINE
  return memory == 0 ? Head : beats_of(memory - 1, ints<Tail...>());
}

template <class Beat>
inline void deliver(int /*memory*/, const Beat& /*value*/) {}
/// Writes a beat to one of the streams.
template <class Beat, class Out, class... Outs>
inline void deliver(int memory, const Beat& value, Out& out, Outs&... outs) {
  SWM_INLINE
  if (memory == 0) {
    out.write(value);
  } else {
    deliver(memory - 1, value, outs...);
  }
}

}  // namespace detail

/// \tparam Cfg  tick, load_bits, and `beats`: the list swm::ints<..> of the beats of each memory
template <class Cfg>
struct load_edge {
  typedef ap_axiu<Cfg::load_bits, 0, 0, 0> axis_t;
  typedef ap_uint<Cfg::load_bits> beat_t;
  enum { memories = Cfg::beats::count };
};

/// Deals the beats of the port out to the memories.
/// \param load    whether weights come in this call
/// \param status  one of load_status; valid when the call is done
/// \param outs    a stream to each memory
template <class Cfg, class... Outs>
void read_weights(bool load, hls::stream<typename load_edge<Cfg>::axis_t>& in, unsigned& status, Outs&... outs) {
  typedef load_edge<Cfg> L;
  static_assert(sizeof...(Outs) == L::memories && L::memories >= 1, "a stream for each memory");
  unsigned state = load ? weights_loaded : weights_kept;
  count_t<L::memories> memory = 0;  // memories = all are full
  int place = 0;                    // in the memory
  bool filling = false;             // TLAST came early
  bool done = !load;
READ_WEIGHTS:
  while (!done) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick);
    typename L::axis_t word;
    word.data = 0;
    word.last = 1;
    if (!filling) word = in.read();
    const bool ends = word.last != 0, dropping = int(memory) == L::memories;
    const bool full = !dropping && place == detail::beats_of(int(memory), typename Cfg::beats()) - 1;
    const bool last = full && int(memory) == L::memories - 1;
    if (!dropping) detail::deliver(int(memory), typename L::beat_t(word.data), outs...);
    place = full ? 0 : place + 1;
    memory = count_t<L::memories>(full ? int(memory) + 1 : int(memory));
    if (!filling && !dropping && ends != last) state = ends ? weights_too_short : weights_too_long;
    filling = !dropping && ends && !last;
    done = (last || dropping) && ends;
  }
  status = state;
}

/// Fills a memory, or leaves it as it is. The kernel that reads it partitions it and makes its lanes one wide word.
/// \param memory  [bank][address][lane]
template <class Cfg, class Weight, int Banks, int Depth, int Lanes>
void store_weights(bool load, hls::stream<ap_uint<Cfg::load_bits> >& in, Weight (&memory)[Banks][Depth][Lanes]) {
  typedef load_word<Cfg, Lanes> W;
  const int total = load ? Banks * Depth * W::beats : 0;
  ap_uint<Cfg::load_bits> parts[W::beats];  // of a word, the latest last
  SWM_PARTITION(parts, 0)
  count_t<W::beats> beat = 0;
  count_t<Depth> address = 0;
  count_t<Banks> bank = 0;
STORE_WEIGHTS:
  for (int i = 0; i < total; ++i) {
    SWM_PIPELINE
    SWM_TICK(Cfg::load_tick);
  SHIFT_PARTS:
    for (int part = 0; part < W::beats - 1; ++part) {
      SWM_UNROLL
      parts[part] = parts[part + 1];
    }
    parts[W::beats - 1] = in.read();
    const bool whole = int(beat) == W::beats - 1, filled = whole && int(address) == Depth - 1;
  STORE_BANKS:
    for (int b = 0; b < Banks; ++b) {
      SWM_UNROLL
    STORE_LANES:
      for (int lane = 0; lane < Lanes; ++lane) {
        SWM_UNROLL
        const int low = lane % W::values * W::container;
        const ap_uint<W::bits> raw = parts[lane / W::values].range(low + W::bits - 1, low);
        if (whole && b == int(bank)) memory[b][int(address)][lane] = Weight(raw);
      }
    }
    beat = count_t<W::beats>(whole ? 0 : int(beat) + 1);
    address = count_t<Depth>(filled ? 0 : whole ? int(address) + 1 : int(address));
    bank = count_t<Banks>(filled ? int(bank) + 1 : int(bank));
  }
}

}  // namespace swm
