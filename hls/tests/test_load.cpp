// SPDX-License-Identifier: Apache-2.0
// load.h (Vitis flavour only): bytes as a host holds them reach their places, stay there, and a stream of the wrong length
// is told and does no harm to the next one.
#include "swm/load.h"

#include "check.h"

namespace {

template <int LoadBits, int WeightBits>
struct layer {
  static constexpr int load_tick = 7, load_bits = LoadBits, weight_bits = WeightBits;
};

template <int LoadBits, int FirstBeats, int SecondBeats>
struct edge {
  static constexpr int tick = 5, load_bits = LoadBits;
  typedef swm::ints<FirstBeats, SecondBeats> beats;
};

template <int Bits>
using byte_port = hls::stream<ap_axiu<Bits, 0, 0, 0> >;

/// Words of one memory as a host lays them out.
template <int LoadBits, int WeightBits, int Lanes>
void lay(const check::words& values, std::vector<unsigned char>& bytes) {
  typedef swm::load_word<layer<LoadBits, WeightBits>, Lanes> W;
  for (size_t word = 0; word < values.size() / Lanes; ++word) {
    for (int lane = 0; lane < W::beats * W::values; ++lane) {
      const long long value = lane < Lanes ? values[word * Lanes + lane] : 0;
      for (int byte = 0; byte < W::container / 8; ++byte) bytes.push_back(static_cast<unsigned char>(value >> (8 * byte)));
    }
  }
}

/// The first `beats` of them (more: anything), TLAST on the last.
template <int LoadBits>
void send(const std::vector<unsigned char>& bytes, int beats, byte_port<LoadBits>& port) {
  for (int beat = 0; beat < beats; ++beat) {
    ap_axiu<LoadBits, 0, 0, 0> word;
    word.data = 0;
    for (int byte = 0; byte < LoadBits / 8; ++byte) {
      const size_t at = static_cast<size_t>(beat) * (LoadBits / 8) + byte;
      word.data.range(8 * byte + 7, 8 * byte) = ap_uint<8>(at < bytes.size() ? static_cast<int>(bytes[at]) : 0xa5);
    }
    word.keep = -1;
    word.strb = -1;
    word.last = beat == beats - 1;
    port.write(word);
  }
}

template <class Weight, int Banks, int Depth, int Lanes>
void compare(const Weight (&memory)[Banks][Depth][Lanes], const check::words& values, int known) {
  size_t at = 0;
  for (int bank = 0; bank < Banks; ++bank) {
    for (int address = 0; address < Depth; ++address) {
      for (int lane = 0; lane < Lanes; ++lane, ++at) {
        const long long wanted = static_cast<int>(at) < known ? values[at] : 0, got = static_cast<long long>(memory[bank][address][lane]);
        check::that(got == wanted, "weight", got, wanted);
      }
    }
  }
}

/// Two memories behind one port.
template <int LoadBits, int Bits, int Banks, int Depth, int Lanes, int OtherBits, int OtherDepth, int OtherLanes>
void run() {
  typedef layer<LoadBits, Bits> first_t;
  typedef layer<LoadBits, OtherBits> second_t;
  typedef swm::load_word<first_t, Lanes> W;
  constexpr int first_beats = Banks * Depth * W::beats;
  constexpr int second_beats = OtherDepth * swm::load_word<second_t, OtherLanes>::beats, all = first_beats + second_beats;
  typedef edge<LoadBits, first_beats, second_beats> edge_t;
  static swm::int_t<Bits> first[Banks][Depth][Lanes];
  static swm::int_t<OtherBits> second[1][OtherDepth][OtherLanes];
  const int lengths[] = {all, 0, all + 3, all - 1, all};  // 0: not loaded
  const unsigned wanted[] = {swm::weights_loaded, swm::weights_kept, swm::weights_too_long, swm::weights_too_short,
                             swm::weights_loaded};
  check::words a, b;
  for (int call = 0; call < 5; ++call) {
    const bool load = lengths[call] > 0;
    byte_port<LoadBits> port("weights");
    hls::stream<ap_uint<LoadBits> > to_first("first"), to_second("second");
    if (load) {
      a = check::values(Banks * Depth * Lanes, Bits);
      b = check::values(OtherDepth * OtherLanes, OtherBits);
      std::vector<unsigned char> bytes;
      lay<LoadBits, Bits, Lanes>(a, bytes);
      lay<LoadBits, OtherBits, OtherLanes>(b, bytes);
      check::that(bytes.size() == static_cast<size_t>(all) * LoadBits / 8, "whole beats");
      send<LoadBits>(bytes, lengths[call], port);
    }
    unsigned status = 99;
    swm::read_weights<edge_t>(load, port, status, to_first, to_second);
    check::that(port.empty(), "every beat is taken");
    check::that(status == wanted[call], "status", status, wanted[call]);
    const int most = lengths[call] > all ? lengths[call] : all;
    const long long dealt = check::ticked(edge_t::tick);
    check::that(dealt == (load ? most : 0), "iterations of the port", dealt, most);
    swm::store_weights<first_t>(load, to_first, first);
    const long long stored = check::ticked(first_t::load_tick);
    check::that(stored == (load ? first_beats : 0), "iterations of a memory", stored, first_beats);
    swm::store_weights<second_t>(load, to_second, second);
    check::that(check::ticked(second_t::load_tick) == (load ? second_beats : 0), "iterations of the other memory");
    check::that(to_first.empty() && to_second.empty(), "as many beats as the memories take");
    compare(first, a, Banks * Depth * Lanes);
    const bool cut = lengths[call] == all - 1;  // the last beat was missing: lanes of the last word are zeros
    const int lost = OtherLanes - (swm::load_word<second_t, OtherLanes>::beats - 1) * swm::load_word<second_t, OtherLanes>::values;
    compare(second, b, OtherDepth * OtherLanes - (cut ? lost : 0));
  }
}

}  // namespace

int main() {
  //  beat bits banks depth lanes, bits depth lanes
  run<64, 12, 2, 5, 7, 12, 4, 8>();
  run<64, 8, 1, 3, 8, 16, 2, 3>();
  run<64, 4, 3, 1, 1, 18, 6, 5>();
  run<64, 18, 2, 9, 2, 9, 1, 1>();
  run<32, 12, 2, 5, 6, 18, 3, 2>();
  run<32, 8, 4, 2, 5, 8, 7, 4>();
  return check::result();
}
