// SPDX-License-Identifier: Apache-2.0
// window.h against a loop over taps: kernels, strides, dilations, paddings, taps side by side, runs of beats.
#include "swm/window.h"

#include "check.h"

namespace {

struct shape {
  int grid, kernel, stride, dilation, pad, out;
};

#define CONFIG(name, GR, KR, SR, DR, PR, OR, GC, KC, SC, DC, PC, OC, BEATS, RUN, TR, TC, WORDS, BITS, FILL)              \
  struct name {                                                                                                          \
    static constexpr int tick = 5, grid_rows = GR, kernel_rows = KR, stride_rows = SR, dilation_rows = DR, pad_rows = PR; \
    static constexpr int out_rows = OR, grid_columns = GC, kernel_columns = KC, stride_columns = SC;                     \
    static constexpr int dilation_columns = DC, pad_columns = PC, out_columns = OC, position_beats = BEATS;              \
    static constexpr int run_beats = RUN, tap_rows = TR, tap_columns = TC, window_words = WORDS, window_bits = BITS;     \
    static constexpr int window_fill = FILL;                                                                             \
  };

//     rows: grid, kernel, stride, dilation, pad, out; columns the same; beats, run, taps, words, bits, fill
CONFIG(plain, 5, 3, 1, 1, 0, 3, 6, 3, 1, 1, 0, 4, 1, 1, 1, 1, 2, 8, 0)
CONFIG(same, 5, 3, 1, 1, 1, 5, 4, 3, 1, 1, 1, 4, 2, 1, 1, 1, 1, 8, 0)
CONFIG(same_runs, 5, 3, 1, 1, 1, 5, 4, 3, 1, 1, 1, 4, 4, 2, 1, 1, 1, 8, 0)
CONFIG(strided, 7, 3, 2, 1, 1, 4, 8, 3, 2, 1, 1, 4, 2, 2, 1, 1, 1, 18, 0)
CONFIG(skipping, 9, 2, 3, 1, 0, 2, 8, 2, 3, 1, 0, 3, 1, 1, 1, 1, 1, 4, 0)  // rows that no output sees
CONFIG(dilated, 9, 3, 1, 2, 2, 9, 7, 3, 1, 2, 2, 7, 1, 1, 1, 3, 1, 8, 0)
CONFIG(columns, 6, 3, 1, 1, 1, 6, 7, 3, 1, 1, 1, 7, 2, 1, 1, 3, 2, 8, 0)
CONFIG(rows, 6, 3, 1, 1, 1, 6, 5, 3, 1, 1, 1, 5, 1, 1, 3, 1, 2, 8, 0)
CONFIG(whole, 6, 5, 1, 1, 2, 6, 8, 5, 1, 1, 2, 8, 1, 1, 5, 5, 1, 8, 0)
CONFIG(whole_strided, 8, 4, 2, 1, 1, 4, 9, 4, 2, 1, 1, 4, 2, 1, 4, 4, 1, 12, 0)
CONFIG(groups, 8, 4, 1, 3, 5, 9, 6, 6, 1, 1, 2, 5, 2, 2, 2, 3, 1, 12, 0)
CONFIG(pooled, 6, 2, 2, 1, 0, 3, 6, 2, 2, 1, 0, 3, 2, 1, 2, 2, 1, 8, 0)
CONFIG(lowest, 5, 3, 2, 1, 1, 3, 5, 3, 2, 1, 1, 3, 1, 1, 1, 1, 3, 8, -128)
CONFIG(sequence, 12, 5, 1, 1, 2, 12, 1, 1, 1, 1, 0, 1, 3, 3, 1, 1, 2, 8, 0)
CONFIG(sequence_side, 12, 4, 2, 2, 3, 6, 1, 1, 1, 1, 0, 1, 2, 1, 4, 1, 1, 8, 0)
CONFIG(all, 4, 4, 1, 1, 0, 1, 3, 3, 1, 1, 0, 1, 2, 1, 1, 1, 1, 8, 0)  // one output: the next frame comes meanwhile
CONFIG(padding, 2, 1, 1, 1, 2, 6, 2, 1, 1, 1, 1, 4, 1, 1, 1, 1, 1, 8, 7)  // outputs that see nothing, the first one too
CONFIG(tail, 5, 2, 2, 1, 0, 3, 5, 2, 2, 1, 0, 3, 1, 1, 2, 2, 1, 8, -5)  // the last outputs see behind the grid
CONFIG(one, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 8, 0)

template <class Cfg>
check::words expected(const check::words& x, int frames) {
  constexpr int N = Cfg::window_words, beats = Cfg::position_beats, run = Cfg::run_beats;
  const shape r = {Cfg::grid_rows, Cfg::kernel_rows, Cfg::stride_rows, Cfg::dilation_rows, Cfg::pad_rows, Cfg::out_rows};
  const shape c = {Cfg::grid_columns,     Cfg::kernel_columns, Cfg::stride_columns,
                   Cfg::dilation_columns, Cfg::pad_columns,    Cfg::out_columns};
  check::words out;
  for (int f = 0; f < frames; ++f)
    for (int oy = 0; oy < r.out; ++oy)
      for (int ox = 0; ox < c.out; ++ox)
        for (int from = 0; from < beats; from += run)
          for (int gy = 0; gy < r.kernel; gy += Cfg::tap_rows)
            for (int gx = 0; gx < c.kernel; gx += Cfg::tap_columns)
              for (int beat = from; beat < from + run; ++beat)
                for (int ky = gy; ky < gy + Cfg::tap_rows; ++ky)
                  for (int kx = gx; kx < gx + Cfg::tap_columns; ++kx)
                    for (int w = 0; w < N; ++w) {
                      const int y = oy * r.stride - r.pad + ky * r.dilation, xx = ox * c.stride - c.pad + kx * c.dilation;
                      const bool inside = y >= 0 && y < r.grid && xx >= 0 && xx < c.grid;
                      out.push_back(inside ? x[(((f * r.grid + y) * c.grid + xx) * beats + beat) * N + w] : Cfg::window_fill);
                    }
  return out;
}

template <class Cfg>
void run() {
  typedef swm::window_layer<Cfg> L;
  for (int frames = 0; frames < 4; ++frames) {
    const check::words x = check::values(frames * L::in_beats * L::words, Cfg::window_bits);
    check::channel<typename L::in_t, L::words> in;
    check::channel<typename L::out_t, L::out_words> out(frames * L::out_beats * L::out_words);
    in.put(x);
    swm::window<Cfg>(frames, in.port, out.port);
    const check::words wanted = expected<Cfg>(x, frames), got = out.take(frames * L::out_beats * L::out_words);
    check::that(got.size() == wanted.size(), "length", got.size(), wanted.size());
    for (size_t i = 0; i < wanted.size() && i < got.size(); ++i) check::that(got[i] == wanted[i], "word", i, got[i] - wanted[i]);
    const long long ticks = check::ticked(Cfg::tick);
    check::that(ticks == L::iterations(frames), "iterations", ticks, L::iterations(frames));
  }
}

}  // namespace

int main() {
  run<plain>();
  run<same>();
  run<same_runs>();
  run<strided>();
  run<skipping>();
  run<dilated>();
  run<columns>();
  run<rows>();
  run<whole>();
  run<whole_strided>();
  run<groups>();
  run<pooled>();
  run<lowest>();
  run<sequence>();
  run<sequence_side>();
  run<all>();
  run<padding>();
  run<tail>();
  run<one>();
  return check::result();
}
