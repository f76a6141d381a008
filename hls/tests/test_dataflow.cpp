// SPDX-License-Identifier: Apache-2.0
// A residual diamond: fork -> a process that takes a whole token before it answers -> add, with the shortcut as the other
// operand. Processes one after the other (generic flavour, unbounded streams), or side by side (SWM_SIM_BOUNDED), where
// the depth of the shortcut decides whether it runs.
//
// Usage, bounded: test_dataflow [depth N | leftover | starve | testbench | cost]; all but the first end as their names say.
#include "swm/add.h"
#include "swm/fork.h"
#include "swm/width.h"
#ifdef SWM_VITIS
#include "swm/axi.h"
#endif

#include <stdlib.h>
#include <string.h>

#include <chrono>

#include "check.h"

namespace diamond {

constexpr int channels = 24, bits = 12, V = 4, beats = channels / V, tokens = 3;
typedef swm::int_t<bits> value_t;

struct split {
  static constexpr int tick = 0, n = channels, bits = diamond::bits, vec = V;
};
struct sum {
  static constexpr int tick = 8, n = channels, a_bits = bits, b_bits = bits, out_bits = bits, a_shift = 0, b_shift = 0;
  static constexpr int out_shift = 0, vec = V;
  typedef swm::relu activation;
};
struct edge {
  static constexpr int tick = 12, n = channels, bits = diamond::bits, vec = V, container = 16, tokens = diamond::tokens;
};
struct edge_out : edge {
  static constexpr int tick = 13;
};
struct copy {
  static constexpr int tick = 16, n = V, bits = diamond::bits, in_vec = V, out_vec = V;
};

}  // namespace diamond

namespace {

using namespace diamond;

/// Answers token t, back to front, while it takes token t + 1: the first answer leaves after `beats` + 1 reads.
template <class In, class Out>
void reversed(int count, In& in, Out& out) {
  value_t held[2][channels];
  long long big[40000];  // stands for a kernel's buffers: 320 kB on the process's own stack
  big[0] = 0;
REVERSED:
  for (int step = 0; step < (count + 1) * beats; ++step) {
    SWM_TICK(4);
    const int token = step / beats, beat = step % beats;
    if (token < count) {
      const swm::vec<value_t, V> x = swm::read_beat<V, value_t>(in, step);
    TAKE:
      for (int i = 0; i < V; ++i) held[token & 1][beat * V + i] = x.v[i];
    }
    if (token > 0) {
      swm::vec<value_t, V> y;
    ANSWER:
      for (int i = 0; i < V; ++i) y.v[i] = held[1 - (token & 1)][channels - 1 - beat * V - i];
      swm::write_beat<V>(out, step - beats, y);
    }
    big[step] = big[step > 0 ? step - 1 : 0] + 1;
  }
  check::that(big[(count + 1) * beats - 1] == (count + 1) * beats, "the stack holds large arrays");
}

void expect(const check::words& x, const check::words& got, int count) {
  for (int i = 0; i < count * channels; ++i) {
    const int token = i / channels, mirror = token * channels + channels - 1 - i % channels;
    const long long v = x[mirror] + x[i] < 0 ? 0 : x[mirror] + x[i];
    const long long wanted = static_cast<long long>(check::clip(v, bits));
    check::that(got[i] == wanted, "diamond", got[i], wanted);
  }
}

#ifdef SWM_VITIS

typedef swm::axis_edge<edge>::axis_t axis_t;
typedef hls::stream<swm::vec<value_t, V> > stream_t;

// As a project's top.cpp: a function for each process, a region of streams and calls.
void input_edge(int frames, hls::stream<axis_t>& in, stream_t& out, swm::axis_status& status) {
  swm::read_axis<edge>(frames, in, out, status);
}
void split_process(int frames, stream_t& in, stream_t& straight, stream_t& shortcut) {
  swm::fork<split>(frames * tokens, in, straight, shortcut);
}
void reversed_process(int frames, stream_t& in, stream_t& out) { reversed(frames * tokens, in, out); }
void sum_process(int frames, stream_t& a, stream_t& b, stream_t& out) { swm::add<sum>(frames * tokens, a, b, out); }
void output_edge(int frames, stream_t& in, hls::stream<axis_t>& out) { swm::write_axis<edge_out>(frames, in, out); }

void top(hls::stream<axis_t>& in, hls::stream<axis_t>& out, int frames, swm::axis_status& status, int shortcut_depth) {
  (void)shortcut_depth;
  SWM_DATAFLOW
  stream_t x("x");
  SWM_STREAM_DEPTH(x, 2)
  stream_t straight("straight");
  SWM_STREAM_DEPTH(straight, 2)
  stream_t shortcut("shortcut");
  SWM_STREAM_DEPTH(shortcut, shortcut_depth)
  stream_t y("y");
  SWM_STREAM_DEPTH(y, 1)
  stream_t z("z");
  SWM_STREAM_DEPTH(z, 2)
  SWM_PROCESS(input_edge(frames, in, x, status));
  SWM_PROCESS(split_process(frames, x, straight, shortcut));
  SWM_PROCESS(reversed_process(frames, straight, y));
  SWM_PROCESS(sum_process(frames, y, shortcut, z));
  SWM_PROCESS(output_edge(frames, z, out));
  SWM_DATAFLOW_RUN
}

void run(int frames, int depth) {
  hls::stream<axis_t> in("in"), out("out");
  check::words x = check::values(frames * tokens * channels, bits);
  for (int beat = 0; beat < frames * tokens * beats; ++beat) {
    axis_t word;
    for (int i = 0; i < V; ++i) word.data.range(16 * i + 15, 16 * i) = ap_uint<16>(static_cast<int>(x[beat * V + i]));
    word.keep = -1;
    word.strb = -1;
    word.last = beat % (tokens * beats) == tokens * beats - 1;
    in.write(word);
  }
  swm::axis_status status;
  top(in, out, frames, status, depth);
  check::that(status.frames == unsigned(frames) && status.short_frames == 0 && status.long_frames == 0, "status");
  check::words got;
  for (int beat = 0; beat < frames * tokens * beats; ++beat) {
    axis_t word = out.read();
    for (int i = 0; i < V; ++i) {
      const ap_uint<16> raw = word.data.range(16 * i + 15, 16 * i);
      got.push_back(static_cast<long long>(ap_int<16>(raw)));
    }
    check::that((word.last != 0) == (beat % (tokens * beats) == tokens * beats - 1), "TLAST", beat);
  }
  check::that(in.empty() && out.empty(), "nothing left");
  expect(x, got, frames * tokens);
  const int count = frames * tokens;
  const int wanted[] = {count * beats, (count + 1) * beats, count * beats, count * beats, count * beats};
  const int ticks[] = {split::tick, 4, sum::tick, edge::tick, edge_out::tick};
  for (int i = 0; i < 5; ++i) check::that(check::ticked(ticks[i]) == wanted[i], "iterations", ticks[i], wanted[i]);
}

#else

void run(int frames, int) {
  const int count = frames * tokens;
  const check::words x = check::values(count * channels, bits);
  check::channel<value_t, V> in, straight(count * channels), shortcut(count * channels), y(count * channels), z(count * channels);
  in.put(x);
  SWM_DATAFLOW
  SWM_PROCESS(swm::fork<split>(count, in.port, straight.port, shortcut.port));
  SWM_PROCESS(reversed(count, straight.port, y.port));
  SWM_PROCESS(swm::add<sum>(count, y.port, shortcut.port, z.port));
  SWM_DATAFLOW_RUN
  expect(x, z.take(count * channels), count);
}

#endif

#if defined(SWM_VITIS) && defined(SWM_SIM_BOUNDED)

/// A chain of processes; nanoseconds that a stream operation takes, with the kernel's share of it.
double chain(int processes, int count, size_t depth) {
  stream_t first("first"), last("last");
  std::vector<std::unique_ptr<stream_t> > streams;
  for (int i = 0; i + 1 < processes; ++i) {
    streams.emplace_back(new stream_t("between"));
    streams.back()->set_depth(depth);
  }
  for (int i = 0; i < count; ++i) {
    swm::vec<value_t, V> beat;
    for (int lane = 0; lane < V; ++lane) beat.v[lane] = (i + lane) % 2048;
    first.write(beat);
  }
  for (int i = 0; i < processes; ++i) {
    stream_t* const in = i == 0 ? &first : streams[i - 1].get();
    stream_t* const out = i == processes - 1 ? &last : streams[i].get();
    // By value: SWM_PROCESS would refer to variables of this loop.
    swm::sim::start("link", [in, out, count] { swm::width<copy>(count, *in, *out); });
  }
  const auto begin = std::chrono::steady_clock::now();
  SWM_DATAFLOW_RUN
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (int i = 0; i < count; ++i) check::that(last.read().v[0] == i % 2048, "chain", i);
  return seconds / (2.0 * processes * count) * 1e9;
}

void endless(stream_t& in, stream_t& out) { swm::width<copy>(3, in, out); }

void bad(const char* how) {
  stream_t in("in"), out("out");
  const swm::vec<value_t, V> beat = {};
  for (int i = 0; i < 3; ++i) in.write(beat);
  if (strcmp(how, "leftover") == 0) {
    stream_t inside("inside");
    SWM_STREAM_DEPTH(inside, 8)
    SWM_PROCESS(endless(in, inside));
    SWM_DATAFLOW_RUN
  } else if (strcmp(how, "starve") == 0) {
    in.read();
    SWM_PROCESS(endless(in, out));
    SWM_DATAFLOW_RUN
  } else {
    out.read();
  }
}

#endif

}  // namespace

int main(int argc, char** argv) {
#if defined(SWM_VITIS) && defined(SWM_SIM_BOUNDED)
  if (argc == 3 && strcmp(argv[1], "depth") == 0) {
    run(2, atoi(argv[2]));
    return check::result();
  }
  if (argc == 2 && strcmp(argv[1], "cost") == 0) {
    const int depths[] = {1, 2, 16, 64, 0};
    for (int depth : depths) printf("depth %d: %.1f ns an operation\n", depth, chain(8, 200000, depth));
    return check::result();
  }
  if (argc == 2) {
    bad(argv[1]);
    return check::result();
  }
  chain(200, 50, 1);
#else
  (void)argc;
  (void)argv;
#endif
  for (int frames = 0; frames < 4; ++frames) run(frames, beats + 1);
  return check::result();
}
