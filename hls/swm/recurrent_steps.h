// SPDX-License-Identifier: Apache-2.0
/// \file recurrent_steps.h
/// \brief All steps of a recurrent layer in one loop, state on chip: products, gates, new state, its transform.
///
/// II = 1. Order and iterations: recurrent_walk.h. Memories, one write and one read a cycle each:
///
///   inputs    mac_columns banks, two halves: the next step's are loaded while these are read
///   states    mac_columns banks, two halves a sequence: this step's are written while the last one's are read
///   m         mac_columns banks: what phase A gives to phase B
///   cells     out_vec cells a word: c of an LSTM, the finer state of a GRU; z of a GRU that waits for its candidate
/// At its first token states of a sequence read as zero, cells as their initial values: no memory needs a reset. A state is read
/// `feedback` iterations after its beat left at the earliest, which the dependence pragmas state: a tool that cannot
/// schedule the way round within them says so.
#pragma once

#include "count.h"
#include "recurrent_cell.h"
#include "recurrent_forms.h"
#include "recurrent_start.h"
#include "recurrent_walk.h"
#include "row_sums.h"

namespace swm {

/// \param weights  ROM, banks of [address][lane]: phase A by (group of units, gates in turn, group of columns), then phase B by
///                 (group of rows, group of columns); over all banks, lane (row * mac_columns + column) * k + part. Row r side
///                 by side is gate r % gates of unit r / gates (mac_rows >= gates), else the r-th gate of this turn. Columns:
///                 those of x, padded to whole groups, then those of h; in phase B those of x (GRU) and of m
/// \param vectors  ROM of banks of [beat of a step][lane]: biases, those of step 0, peepholes i, o, f, initial states; out_vec
///                 each, all in one bank, or a bank each
/// \param in       `loads` beats a token: in_lanes blocks of k integers (dense: in_vec values)
/// \param out      ceil(m / out_vec) beats of out_vec outputs a token; surplus values of the last beat are zero
/// \param start    what brings the states of a sequence (recurrent_start.h): out_beats beats of each
/// \param cells    the cells that the last step of each sequence leaves: as many beats, of states (LSTM without projection)
template <class Cfg, class In, class Start, class Out, class Cells>
void recurrent_steps(int tokens, typename recurrent<Cfg>::weights_t weights, typename recurrent<Cfg>::vectors_t vectors,
                     In& in, Start start, Out& out, Cells& cells_out) {
  typedef recurrent<Cfg> L;
  typedef detail::recurrent_form<Cfg, (L::k > 1)> F;
  typedef detail::cell_math<Cfg> A;
  typedef typename F::stored_t stored_t;
  typedef typename F::sums_t sums_t;
  typedef typename L::in_t in_t;
  constexpr int k = L::k, columns = Cfg::mac_columns, rows = Cfg::mac_rows, E = L::out_vec, lanes = L::lanes, gates = L::gates;
  constexpr int feedback = Cfg::feedback, together = L::vector_sets / L::vector_banks;  // sets of a bank of vectors
  (void)feedback;  // read by pragmas only

  SWM_PARTITION(weights, 1)
  SWM_WIDE_WORD(weights, 3)
  SWM_PARTITION(vectors, 1)
  SWM_WIDE_WORD(vectors, 3)
  stored_t x[columns][2 * L::x_groups];
  SWM_PARTITION(x, 1)
  SWM_WHOLE_WORDS(x)
  stored_t h[columns][2 * Cfg::sequences * L::h_groups];
  SWM_PARTITION(h, 1)
  SWM_WHOLE_WORDS(h)
  SWM_DEPENDENCE_DISTANCE(h, feedback)
  stored_t m[columns][L::m_groups];
  SWM_PARTITION(m, 1)
  SWM_WHOLE_WORDS(m)
  SWM_DEPENDENCE_DISTANCE(m, feedback)
  vec<typename L::state_t, E> cells[Cfg::sequences * L::total_a];
  SWM_WHOLE_WORDS(cells)
  SWM_DEPENDENCE_DISTANCE(cells, feedback)
  vec<in_t, E> updates[L::total_a];  // z, until the candidate is there
  SWM_WHOLE_WORDS(updates)
  SWM_DEPENDENCE_DISTANCE(updates, feedback)
  sums_t acc[rows] = {}, cut[rows] = {}, kept[gates + 1] = {};  // the walk starts each anew; compilers do not see that
  SWM_PARTITION(acc, 0)
  SWM_PARTITION(cut, 0)
  SWM_PARTITION(kept, 0)
  sums_t held[L::held_units][L::sums] = {};  // sums of a group on their way out
  SWM_PARTITION(held, 0)
  in_t block[lanes][k];  // values of a block on their way back
  SWM_PARTITION(block, 0)
  int block_column = 0, block_bank = 0;

  recurrent_walk<L, L::turns, Cfg::sequences> walk(tokens);
  const int total = L::iterations(tokens);
  int in_beat = 0, start_beat = 0, out_beat = 0, cells_beat = 0;
FLAT:
  for (int step = 0; step < total; ++step) {
    SWM_PIPELINE
    SWM_TICK(Cfg::tick + (k > 1));
    const bool load = walk.loads(), active = walk.multiplies(), drain = walk.drains();

    if (load && !(Cfg::start && walk.loads_start())) {
      const vec<typename L::word_t, L::in_lanes * k> beat = read_beat<L::in_lanes * k, typename L::word_t>(in, in_beat);
      ++in_beat;
      const int place = (walk.half ? 0 : int(L::x_groups)) + int(walk.load_column);
    LOAD_COLUMNS:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
        stored_t word;
      LOAD_PARTS:
        for (int part = 0; part < k; ++part) {
          SWM_UNROLL
          word.v[part] = beat.v[(c & (L::in_lanes - 1)) * k + part];
        }
        // Banks behind the right one are overwritten later, or meet weights of zero: none is left without a value.
        if (c / L::in_lanes >= int(walk.load_bank)) x[c][place] = word;
      }
    }

    if (drain) {
      const bool second = walk.held_second, gives = walk.gives_output(), first = int(walk.out_step) == 0;
      const int beat = int(walk.beat), part = int(walk.part);
      const bool begins = Cfg::start && gives && first;
      const int cell_beat = L::projected && second ? 0 : beat;  // a projection has no cells
      int_t<L::sum_bits> y[lanes][L::sums][k];
      SWM_PARTITION(y, 0)
    BACK_UNITS:
      for (int u = 0; u < lanes; ++u) {
        SWM_UNROLL
      BACK_SUMS:
        for (int s = 0; s < L::sums; ++s) {
          SWM_UNROLL
          typename F::rounded_t rounded_sum = F::template round<Cfg::acc_shift>(held[u][s]);
          if (L::two && s == 0 && second) rounded_sum = F::template round<Cfg::acc_shift_b>(held[u][s]);
          F::back(rounded_sum, y[u][s]);
        }
      }
      const int at = int(walk.out_sequence) * int(L::total_a) + beat;
      vec<typename L::state_t, E> state;
      vec<in_t, E> update, value;
      if (L::has_state && !(L::projected && second)) state = cells[at];
      if (int(Cfg::cell) == int(cell_gru) && second) update = updates[beat];
      vec<in_t, E> start_h = vec<in_t, E>();  // compilers do not see that only these beats read them
      vec<typename L::state_t, E> start_c = vec<typename L::state_t, E>();
      if (begins) start.template take<Cfg>(start_beat++, start_h, start_c);
    CELLS:
      for (int e = 0; e < E; ++e) {
        SWM_UNROLL
        typename A::sum_t v[4] = {0, 0, 0, 0};
        SWM_PARTITION(v, 0)
      CELL_SUMS:
        for (int s = 0; s < L::biases; ++s) {
          SWM_UNROLL
          const int set = Cfg::first_bias && first ? L::biases + s : s;
          const bool late = int(Cfg::cell) == int(cell_gru) && s == 2;  // the candidate's bias; its sum is that of phase B
          const int_t<L::sum_bits> sum = y[e / k][late ? 0 : s][k > E ? part * E + e : e % k];
          v[s] = typename A::sum_t(typename A::sum_t(sum) + typename A::sum_t(vectors[set / together][cell_beat][set % together * E + e]));
        }
        typename L::bias_t peep[3] = {0, 0, 0};
        SWM_PARTITION(peep, 0)
        if (Cfg::peephole && !second) {
        PEEPHOLES:
          for (int s = 0; s < 3; ++s) {
            SWM_UNROLL
            const int set = L::biases * (1 + Cfg::first_bias) + s * Cfg::peephole;
            peep[s] = vectors[set / together][beat][set % together * E + e];
          }
        }
        typename L::state_t c = 0;
        if (L::has_state && !(L::projected && second)) {
          typename L::state_t initial = 0;
          if (Cfg::initial) initial = typename L::state_t(vectors[L::vector_banks - 1][beat][(together - 1) * E + e]);
          c = first ? initial : state.v[e];
        }
        in_t result = 0;
        if (L::projected && second) {
          result = identity::run<detail::gate_words<Cfg::in_bits, Cfg::project_shift>, int(L::sum_bits)>(y[e / k][0][k > E ? part * E + e : e % k]);
        } else {
          result = A::step(v, peep, second, update.v[e], c);
        }
        if (begins) {
          result = start_h.v[e];
          c = start_c.v[e];
        }
        state.v[e] = c;
        value.v[e] = beat * E + e < (gives ? Cfg::m : Cfg::hidden) ? result : in_t(0);  // none behind the last one
      BLOCK_UNITS:
        for (int u = 0; u < lanes; ++u) {
          SWM_UNROLL
        BLOCK_VALUES:
          for (int t = 0; t < k; ++t) {
            SWM_UNROLL
            if (k > E ? t == part * E + e : (u == e / k && t == e % k)) block[u][t] = value.v[e];
          }
        }
      }
      if (L::has_state && gives == !L::projected) cells[at] = state;
      if (int(Cfg::cell) == int(cell_gru) && !second) updates[beat] = update;
      if (gives && !begins && (!Cfg::last || int(walk.out_step) == L::turns - 1)) {
        write_beat<E>(out, out_beat, value);
        ++out_beat;
      }
      if (gives && int(walk.out_step) == L::turns - 1) detail::give_cells<E>(cells_out, cells_beat, state);
      if (walk.ends_block()) {
        const int place = ((walk.out_odd ? 0 : 1) * Cfg::sequences + int(walk.out_sequence)) * L::h_groups + block_column;
      STORE_COLUMNS:
        for (int c = 0; c < columns; ++c) {
          SWM_UNROLL
          const stored_t word = F::forward(block[c % lanes]);
          if (c / lanes >= block_bank) {
            if (gives) {
              h[c][place] = word;
            } else {
              m[c][block_column] = word;
            }
          }
        }
        const bool next_column = block_bank == columns / lanes - 1;
        const bool done = beat == (gives ? int(L::out_beats) : int(L::total_a)) - 1;
        block_bank = next_column || done ? 0 : block_bank + 1;
        block_column = done ? 0 : next_column ? block_column + 1 : block_column;
      SHIFT_UNITS:
        for (int u = 0; u < L::held_units - lanes; ++u) {
          SWM_UNROLL
        SHIFT_SUMS:
          for (int s = 0; s < L::sums; ++s) {
            SWM_UNROLL
            held[u][s] = held[u + lanes][s];
          }
        }
      }
    }

    if (active) {
      const bool second = walk.second(), reads_x = !second || L::second_reads_x;
      const int from_x = (walk.half ? int(L::x_groups) : 0) + int(walk.column);
      const bool of_x = reads_x && int(walk.column) < L::x_groups;
      const int behind = int(walk.column) - (reads_x ? int(L::x_groups) : 0);
      const int from_h = ((walk.odd ? 1 : 0) * Cfg::sequences + int(walk.sequence)) * L::h_groups + behind;
      const bool known = int(walk.step_number) != 0;  // at the first token there is no state
      stored_t values[columns];
      SWM_PARTITION(values, 0)
    READ_COLUMNS:
      for (int c = 0; c < columns; ++c) {
        SWM_UNROLL
      READ_PARTS:
        for (int part = 0; part < k; ++part) {
          SWM_UNROLL
          values[c].v[part] = 0;
          if (of_x) {
            if (known || !Cfg::start) values[c].v[part] = x[c][from_x].v[part];
          } else if (L::two && second) {
            values[c].v[part] = m[c][behind].v[part];
          } else if (known) {
            values[c].v[part] = h[c][from_h].v[part];
          }
        }
      }
      typename L::weight_t w[L::rom_banks * L::rom_lanes];
      SWM_PARTITION(w, 0)
      read_rom_word(weights, int(walk.address), w);
      const bool sums = walk.sums(), complete = walk.completes();
    ROWS:
      for (int o = 0; o < rows; ++o) {
        SWM_UNROLL
        const int gate = rows >= gates ? o % gates : int(walk.sub) * rows + o;
        const bool cuts = L::split && gate == 2 && int(walk.column) == L::x_groups;
        if (reads_x && int(walk.column) == L::x_groups) F::join(acc[o]);
        if (L::split && cuts) cut[o] = acc[o];
        F::products(values, w, o, int(walk.column) == 0 || cuts, acc[o]);
      }
      if (rows < gates && sums && !second) {  // the sums of a unit come in turns
      KEEP:
        for (int s = 0; s < gates; ++s) {
          SWM_UNROLL
          if (s / rows == int(walk.sub)) kept[s] = acc[s % rows];
        }
        if (L::split && int(walk.sub) == 2 / rows) kept[gates] = cut[2 % rows];
      }
      if (complete) {
      HOLD_UNITS:
        for (int u = 0; u < L::held_units; ++u) {
          SWM_UNROLL
        HOLD_SUMS:
          for (int s = 0; s < L::sums; ++s) {
            SWM_UNROLL
            const int row = s < gates ? u * gates + s : u * gates + 2;
            if (L::two && second) {
              if (s == 0 && u < rows) held[u][0] = acc[u];
            } else if (rows < gates) {
              if (u == 0) held[0][s] = kept[s];
            } else if (row < rows) {
              held[u][s] = s < gates ? acc[row] : cut[row];
            }
          }
        }
      }
    }
    walk.step(load, active, drain);
  }
}

}  // namespace swm
