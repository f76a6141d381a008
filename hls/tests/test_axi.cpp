// SPDX-License-Identifier: Apache-2.0
// axi.h (Vitis flavour only): what a host writes into int8, int16 and int32 arrays arrives, TLAST marks the end of every
// frame, and a frame that is too short or too long spoils none but itself.
#include "swm/axi.h"

#include <string.h>

#include "check.h"

namespace {

template <int N, int Bits, int Vec, int Container, int Tokens>
struct config {
  static constexpr int tick = 5, n = N, bits = Bits, vec = Vec, container = Container, tokens = Tokens;
};

/// Beats of a frame as a host sends them: TLAST on beat `length` - 1.
template <class Cfg, class Host>
void send(hls::stream<typename swm::axis_edge<Cfg>::axis_t>& in, const std::vector<Host>& values, int length) {
  typedef swm::axis_edge<Cfg> L;
  const int bytes = L::word_bits / 8;
  for (int beat = 0; beat < length; ++beat) {  // bytes of the host's memory, little end first
    typename L::axis_t word;
    word.data = 0;
    for (int byte = 0; byte < bytes; ++byte) {
      unsigned char raw = 0xa5;  // behind the frame
      const size_t at = static_cast<size_t>(beat) * bytes + byte;
      if (at < values.size() * sizeof(Host)) memcpy(&raw, reinterpret_cast<const unsigned char*>(values.data()) + at, 1);
      word.data.range(8 * byte + 7, 8 * byte) = ap_uint<8>(static_cast<int>(raw));
    }
    word.keep = -1;
    word.strb = -1;
    word.last = beat == length - 1;
    in.write(word);
  }
}

template <class Cfg>
std::vector<long long> frame_values() {
  typedef swm::axis_edge<Cfg> L;
  std::vector<long long> out;
  for (int i = 0; i < L::period * L::V; ++i) out.push_back(check::value(Cfg::bits));
  return out;
}

/// What the network must see of a frame of which `length` beats came.
template <class Cfg>
long long expected(const std::vector<long long>& values, int beat, int lane, int length) {
  typedef swm::axis_edge<Cfg> L;
  const bool beyond = beat % L::beats * L::V + lane >= Cfg::n;
  return beat >= length || beyond ? 0 : values[beat * L::V + lane];
}

/// \param lengths  beats up to TLAST of each frame
template <class Cfg, class Host>
void run(const std::vector<int>& lengths) {
  typedef swm::axis_edge<Cfg> L;
  const int frames = static_cast<int>(lengths.size());
  hls::stream<typename L::axis_t> in("in"), out("out");
  hls::stream<typename L::beat_t> values("values"), copies("copies");
  std::vector<std::vector<long long> > sent;
  unsigned too_short = 0, too_long = 0;
  int iterations = 0;
  for (int length : lengths) {
    sent.push_back(frame_values<Cfg>());
    send<Cfg>(in, std::vector<Host>(sent.back().begin(), sent.back().end()), length);
    too_short += length < L::period;
    too_long += length > L::period;
    iterations += swm::max_of(length, L::period);
  }
  swm::axis_status status = {99, 99, 99};
  swm::read_axis<Cfg>(frames, in, values, status);
  check::that(in.empty(), "every beat is taken");
  check::that(status.frames == lengths.size(), "frames", status.frames, frames);
  check::that(status.short_frames == too_short, "short frames", status.short_frames, too_short);
  check::that(status.long_frames == too_long, "long frames", status.long_frames, too_long);
  const long long ticks = check::ticked(Cfg::tick);
  check::that(ticks == iterations, "iterations", ticks, iterations);
  if (too_short + too_long == 0) check::that(ticks == L::iterations(frames), "formula", ticks, L::iterations(frames));

  for (int frame = 0; frame < frames; ++frame) {
    for (int beat = 0; beat < L::period; ++beat) {
      const typename L::beat_t value = values.read();
      for (int i = 0; i < L::V; ++i) {
        const long long got = static_cast<long long>(value.v[i]), wanted = expected<Cfg>(sent[frame], beat, i, lengths[frame]);
        check::that(got == wanted, "value", got, wanted);
      }
      copies.write(value);
    }
  }
  check::that(values.empty(), "whole frames only");

  swm::write_axis<Cfg>(frames, copies, out);
  const long long written = check::ticked(Cfg::tick);
  check::that(written == L::iterations(frames), "iterations of the output edge", written, L::iterations(frames));
  for (int frame = 0; frame < frames; ++frame) {
    std::vector<Host> got(L::period * L::V);
    for (int beat = 0; beat < L::period; ++beat) {
      typename L::axis_t word = out.read();
      const int bytes = L::word_bits / 8;
      for (int byte = 0; byte < bytes; ++byte) {
        const ap_uint<8> part = word.data.range(8 * byte + 7, 8 * byte);
        const unsigned char raw = static_cast<unsigned char>(static_cast<unsigned long long>(part));
        memcpy(reinterpret_cast<unsigned char*>(got.data()) + beat * bytes + byte, &raw, 1);
      }
      check::that((word.last != 0) == (beat == L::period - 1), "TLAST", frame, beat);
      const ap_uint<L::word_bits / 8> all = -1;
      check::that(word.keep == all && word.strb == all, "every byte is kept", beat);
    }
    for (int i = 0; i < L::period * L::V; ++i) {
      const long long wanted = expected<Cfg>(sent[frame], i / L::V, i % L::V, lengths[frame]);
      check::that(got[i] == wanted, "round trip", got[i], wanted);
    }
  }
  check::that(out.empty(), "no beat too many");
}

template <class Cfg, class Host>
void run_all() {
  const int whole = swm::axis_edge<Cfg>::period;
  run<Cfg, Host>({});
  run<Cfg, Host>({whole});
  run<Cfg, Host>({whole, whole, whole});
  run<Cfg, Host>({whole, whole + 1, whole, whole + 2 * whole, whole + 3});  // long ones, the last frame among them
  if (whole == 1) return;                                                   // TLAST cannot come early
  run<Cfg, Host>({whole, whole - 1, whole + 3, whole});                     // good, short, long, good
  run<Cfg, Host>({1, 1, whole, whole + 1, 1, whole - 1});                   // a short frame ends the call
}

}  // namespace

int main() {
  run_all<config<5, 8, 1, 8, 1>, int8_t>();
  run_all<config<11, 4, 4, 8, 1>, int8_t>();
  run_all<config<14, 12, 2, 16, 3>, int16_t>();
  run_all<config<16, 16, 16, 16, 1>, int16_t>();
  run_all<config<5, 9, 4, 16, 7>, int16_t>();
  run_all<config<10, 9, 4, 16, 3>, int16_t>();
  run_all<config<24, 18, 4, 32, 1>, int32_t>();
  run_all<config<1, 17, 1, 32, 9>, int32_t>();
  hls::stream<swm::axis_edge<config<4, 8, 4, 8, 1> >::axis_t> in("in");
  hls::stream<swm::axis_edge<config<4, 8, 4, 8, 1> >::beat_t> values("values");
  send<config<4, 8, 4, 8, 1>, int8_t>(in, {1, -2, 3, -4}, 1);
  swm::read_axis<config<4, 8, 4, 8, 1> >(1, in, values);  // without a status, as under ap_ctrl_none
  check::that(values.read().v[3] == -4, "value without a status");
  return check::result();
}
