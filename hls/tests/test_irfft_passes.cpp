// SPDX-License-Identifier: Apache-2.0
// irfft_passes.h bit by bit against docs/arithmetic.md, and against a double-precision inverse DFT within its roundings.
#include "swm/irfft_passes.h"

#include "passes_config.h"

namespace {

/// Stages `Stage` down to 3; every pass is checked for its iterations.
template <class Cfg, int Stage>
struct passes {
  typedef swm::circulant<Cfg> L;
  enum { beat = L::ifft_lanes * 4 };
  static check::words run(int tokens, const check::words& x) {
    check::channel<typename L::inverse_pass_t, beat> in, out(static_cast<int>(x.size()));
    in.put(x);
    swm::irfft_pass<Cfg, Stage>(tokens, in.port, out.port);
    const long long ticks = check::ticked(Cfg::tick + 2 * L::stages - Stage);
    const long long wanted = Cfg::k / 4 * (1 + 1LL * tokens * swm::ceil_div(L::p, L::ifft_lanes));
    check::that(ticks == wanted && ticks == L::irfft_pass_iterations(tokens), "iterations of a pass", ticks, wanted);
    return passes<Cfg, Stage - 1>::run(tokens, out.take(static_cast<int>(x.size())));
  }
};
template <class Cfg>
struct passes<Cfg, 2> {
  static check::words run(int, const check::words& x) { return x; }
};

template <class Cfg>
double bound_of() {
  typedef swm::circulant<Cfg> L;
  double bound = 1e-6;
  for (int done = 0; done < L::stages; ++done) {
    bound = (done < L::stages - Cfg::fft_shifts ? bound : 2 * bound) + 0.71;
    if (L::stages - done > 2) bound += ldexp(1.42, -17) * ldexp(2.0, L::inverse_bits - 1);
  }
  return 2 * bound;
}

/// Position of word w in the order of units.
int position(int k, int w) { return w == 0 ? 0 : w == k / 4 ? 1 : w < k / 4 ? 2 * w : 2 * (k / 2 - w) + 1; }

/// Beats of spectral_mac: (row group, word group, row beat), rows side by side.
template <class Cfg>
check::words beats_of(const std::vector<std::vector<check::word> >& blocks) {
  typedef swm::circulant<Cfg> L;
  const int lanes = L::ifft_lanes, bins = L::mac_bins, rows = L::mac_rows;
  std::vector<std::vector<check::word> > order(blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    order[i].resize(Cfg::k / 2);
    for (int w = 0; w < Cfg::k / 2; ++w) order[i][position(Cfg::k, w)] = blocks[i][w];
  }
  check::words out;
  for (int group = 0; group < L::p; group += rows) {
    for (int f = 0; f < Cfg::k / 2; f += bins) {
      for (int row = group; row < swm::min_of(L::p, group + rows); row += lanes) {
        for (int lane = 0; lane < lanes; ++lane) {
          for (int b = f; b < f + bins; ++b) {
            const bool real = row + lane < L::p && row + lane < group + rows;  // other lanes hold anything
            out.push_back(real ? order[row + lane][b].re : check::value(L::rounded_bits));
            out.push_back(real ? order[row + lane][b].im : check::value(L::rounded_bits));
          }
        }
      }
    }
  }
  return out;
}

/// When beats pass, as the headers say.
template <class Cfg>
void times(int tokens) {
  typedef swm::circulant<Cfg> L;
  typedef check::probe<typename L::inverse_pass_t, L::ifft_lanes * 4> unit_port;
  const int lanes = L::ifft_lanes, groups = swm::ceil_div(L::p, Cfg::mac_rows), words = Cfg::k / 2 / Cfg::mac_bins;
  const long long units = Cfg::k / 4, time = lanes * Cfg::k / Cfg::out_vec, row_beats = swm::ceil_div(L::p, lanes);
  const int at = Cfg::tick + L::stages, end = Cfg::tick + 2 * L::stages - 2;
  check::words read, left, stored, written;
  long long now = 0;
  for (int slot = -1; slot < tokens * groups; ++slot) {  // slot -1: the prologue
    const int group = (slot + groups) % groups, next = (group + 1) % groups;
    const int rows = swm::ceil_div(swm::min_of(Cfg::mac_rows, L::p - group * Cfg::mac_rows), lanes);
    const int next_rows = swm::ceil_div(swm::min_of(Cfg::mac_rows, L::p - next * Cfg::mac_rows), lanes);
    const long long length = swm::max_of(rows * static_cast<int>(units), next_rows * words);
    for (int b = 0; b < next_rows * words && slot + 1 < tokens * groups; ++b) read.push_back(now + b * (length / (next_rows * words)));
    for (int u = 0; u < rows * units && slot >= 0; ++u) left.push_back(now + u);
    now += length;
  }
  for (long long unit = 0; unit < tokens * row_beats * units; ++unit) stored.push_back(unit / units * time + unit % units * (time / units));
  for (int token = 0; token < tokens; ++token) {
    for (int b = 0; b < L::out_beats; ++b) written.push_back((token * row_beats + 1) * time + 1 + b);
  }
  check::probe<typename L::rounded_t, L::a_beat> sums(at);
  unit_port first(at), last(end);
  check::probe<typename L::out_t, Cfg::out_vec> out(end);
  static typename L::bias_t bias[L::bias_words];
  swm::irfft_collect<Cfg>(tokens, sums, first);
  swm::irfft_store<Cfg>(tokens, bias, last, out);
  check::that(check::ticked(at) == now, "iterations of all slots", now);
  check::same(sums.at, read, "irfft_collect reads");
  check::same(first.at, left, "irfft_collect writes");
  check::same(last.at, stored, "irfft_store reads");
  check::same(out.at, written, "irfft_store writes");
  check::ticked(end);
}

template <class Cfg>
void run() {
  typedef swm::circulant<Cfg> L;
  times<Cfg>(3);
  typedef typename L::inverse_pass_t word_t;
  const int k = Cfg::k, lanes = L::ifft_lanes;
  const double bound = bound_of<Cfg>();
  static typename L::bias_t bias[L::bias_words];
  const check::words b = check::values(Cfg::m, Cfg::bias_bits - 1);
  check::fill(bias, b);
  for (int trial = 0; trial < 6; ++trial) {
    const int tokens = trial % 3 == 0 ? 1 : trial % 3 == 1 ? 4 : 2, count = tokens * swm::ceil_div(L::p, lanes) * k * lanes;
    const long long high = (1LL << (L::rounded_bits - 1)) - 1;
    check::words beats;
    std::vector<std::vector<check::word> > blocks;
    for (int token = 0; token < tokens; ++token) {
      std::vector<std::vector<check::word> > rows(L::p);
      for (int i = 0; i < L::p; ++i) {
        for (int w = 0; w < k / 2; ++w) {
          check::word a = {check::value(L::rounded_bits), check::value(L::rounded_bits)};
          const int kind = trial == 0 ? 0 : token;
          if (trial < 3) a.re = kind == 0 ? high : kind == 1 ? -high - 1 : check::next() % 2 ? high : -high - 1;
          if (trial < 3) a.im = kind == 0 ? high : kind == 1 ? -high - 1 : check::next() % 2 ? high : -high - 1;
          rows[i].push_back(a);
        }
      }
      const check::words some = beats_of<Cfg>(rows);
      beats.insert(beats.end(), some.begin(), some.end());
      blocks.insert(blocks.end(), rows.begin(), rows.end());
    }
    check::words out[2];
    for (int again = 0; again < 2; ++again) {
      check::channel<typename L::rounded_t, L::a_beat> in;
      check::channel<word_t, L::ifft_lanes * 4> first(count), last;
      check::channel<typename L::out_t, Cfg::out_vec> values(tokens * L::bias_words);
      in.put(beats);
      swm::irfft_pass<Cfg, L::stages>(tokens, in.port, first.port);
      long long ticks = check::ticked(Cfg::tick + L::stages), wanted = 0;
      {
        const int groups = swm::ceil_div(L::p, Cfg::mac_rows), rest = swm::ceil_div(L::p - (groups - 1) * Cfg::mac_rows, lanes);
        const int full = groups == 1 ? rest : swm::ceil_div(Cfg::mac_rows, lanes);
        const long long slot = swm::max_of(rest * k / 4, full * (k / 2 / Cfg::mac_bins));
        wanted = slot + tokens * ((groups - 1LL) * full * (k / 4) + slot);
      }
      check::that(ticks == wanted && ticks == swm::collect_times<Cfg>::iterations(tokens), "iterations to collect", ticks, wanted);
      last.put(passes<Cfg, L::stages - 1>::run(tokens, first.take(count)));
      swm::irfft_store<Cfg>(tokens, bias, last.port, values.port);
      const long long time = swm::max_of(k / 4, lanes * k / Cfg::out_vec);
      ticks = check::ticked(Cfg::tick + 2 * L::stages - 2);
      wanted = time + 1 + tokens * swm::ceil_div(L::p, lanes) * time;
      check::that(ticks == wanted && ticks == L::irfft_store_iterations(tokens), "iterations to store", ticks, wanted);
      out[again] = values.take(tokens * L::bias_words);
    }
    check::that(out[0] == out[1], "same answer twice");
    for (int token = 0; token < tokens; ++token) {
      const long long* got = out[0].data() + token * L::bias_words;
      for (int i = 0; i < L::p; ++i) {
        const std::vector<check::word>& a = blocks[token * L::p + i];
        const check::words y = check::inverse(a, Cfg::fft_shifts);
        for (int t = 0; t < k && i * k + t < Cfg::m; ++t) {
          const long long v = y[t] + b[i * k + t], wanted = static_cast<long long>(check::clip(check::round_to(v, Cfg::out_shift), 18));
          check::that(got[i * k + t] == wanted, "value", got[i * k + t], wanted);
          double exact = a[0].re + (t % 2 ? -1.0 : 1.0) * a[0].im;
          for (int w = 1; w < k / 2; ++w) {
            const double angle = 2 * acos(-1.0) * ((w * t) % k) / k;
            exact += 2 * (a[w].re * cos(angle) - a[w].im * sin(angle));
          }
          check::that(fabs(y[t] - ldexp(exact, Cfg::fft_shifts - L::stages)) <= bound, "far from the inverse DFT", t, y[t]);
        }
      }
      for (int i = Cfg::m; i < L::bias_words; ++i) check::that(got[i] == 0, "surplus values are zero", i, got[i]);
    }
  }
}

}  // namespace

int main() {
  //             m   n  k    bits shifts V  V' rows bins shift
  run<pass_config<70, 7, 32, 12, 0, 4, 4, 2, 4> >();
  run<pass_config<70, 7, 32, 12, 0, 4, 4, 3, 16, 3> >();
  run<pass_config<70, 7, 32, 8, 4, 4, 1, 1, 2> >();
  run<pass_config<270, 7, 32, 12, 2, 4, 2, 4, 2> >();
  run<pass_config<270, 7, 32, 12, 1, 4, 8, 4, 8> >();
  run<pass_config<290, 7, 32, 16, 3, 4, 16, 8, 4, 4> >();
  run<pass_config<290, 7, 32, 16, 3, 4, 32, 8, 4, 4> >();
  run<pass_config<100, 7, 32, 16, 3, 4, 16, 5, 2, 4> >();
  run<pass_config<32, 7, 32, 4, 2, 4, 8, 1, 2> >();
  run<pass_config<300, 7, 64, 16, 3, 4, 4, 4, 2, 6> >();
  run<pass_config<300, 7, 64, 16, 5, 4, 16, 4, 16, 6> >();
  run<pass_config<65, 7, 64, 12, 0, 4, 1, 2, 8> >();
  run<pass_config<200, 7, 128, 18, 0, 4, 8, 2, 2, 5> >();
  run<pass_config<900, 7, 128, 18, 3, 4, 2, 3, 4, 5> >();
  run<pass_config<900, 7, 128, 12, 6, 4, 16, 4, 8, 5> >();
  run<pass_config<300, 7, 256, 18, 4, 4, 4, 2, 4, 9> >();
  run<pass_config<300, 7, 256, 8, 7, 4, 16, 2, 16, 3> >();
  run<pass_config<1281, 7, 256, 18, 0, 4, 8, 4, 16, 9> >();
  return check::result();
}
