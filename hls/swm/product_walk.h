// SPDX-License-Identifier: Apache-2.0
/// \file product_walk.h
/// \brief The order of loads, products and drained sums that spectral_mac and dense share, as one flat loop.
///
/// While the products of token t run, the input of token t + 1 is loaded and sums leave, all at an even pace:
///
///     prologue   Loads iterations: the input of token 0, one beat an iteration
///     a token    period = max(RowGroups WordGroups Columns, Loads) iterations: products first (row groups outermost,
///                columns innermost), the rest idle; beat j of the next token is read at iteration j * load_step
///     drain      begins at the iteration after the last product of a group; one beat each drain_step iterations
///     epilogue   the drain of the last group
///
/// \tparam LoadUnits   input beats that follow each other in one bank of columns; LoadBanks: such banks
/// \tparam Loads       input beats a token
/// \tparam RowGroups, WordGroups, Columns  the three counters of products
/// \tparam WholeRows   a drain group is all word groups of a row group (otherwise one of them)
/// \tparam Beats       beats of a drain group; LastBeats: in the last row group, which may have fewer rows
/// \tparam Groups      tokens that follow each other with weights of their own: the groups of a convolution
#pragma once

#include "fixed.h"

namespace swm {

/// Groups of channels of a convolution; 1 where Cfg has no such member.
template <class Cfg, class = void>
struct groups_of {
  enum { value = 1 };
};
template <class Cfg>
struct groups_of<Cfg, decltype(void(int(Cfg::groups)))> {
  enum { value = Cfg::groups };
};

template <int LoadUnits, int LoadBanks, int Loads, int RowGroups, int WordGroups, int Columns, bool WholeRows, int Beats,
          int LastBeats, int Groups = 1>
struct product_times {
  enum {
    load_units = LoadUnits,
    load_banks = LoadBanks,
    loads = Loads,
    row_groups = RowGroups,
    word_groups = WordGroups,
    columns = Columns,
    whole_rows = WholeRows,
    beats = Beats,
    last_beats = LastBeats,
    products = RowGroups * WordGroups * Columns,
    addresses = products * Groups,
    period = max_of(products, Loads),
    load_step = period / Loads,
    group_products = WholeRows ? WordGroups * Columns : Columns,
    drain_step = max_of(1, group_products / Beats),
    prologue = Loads,
    epilogue = drain_step * (LastBeats - 1) + 1
  };
  static constexpr int iterations(int tokens) { return prologue + tokens * period + epilogue; }
  static_assert(Beats <= group_products, "the sums of a group have left before the next group is complete");
};

/// Where the flat loop stands. All counters are explicit, so nothing divides; nothing here depends on data.
///
/// \tparam T  product_times
template <class T>
struct product_walk {
  int left;                                // tokens whose products are to come or under way
  int unloaded;                            // tokens not yet loaded
  bool filling;                            // the prologue
  bool half;                               // of the input memory that products read; loads fill the other one
  count_t<T::period> at;                   // iteration of the token
  count_t<T::loads> load_beat;             // loads = complete
  count_t<T::load_step> load_wait;
  count_t<T::load_units> load_unit;        // place of a loaded beat: unit, bank of columns, group of columns
  count_t<T::load_banks> load_bank;
  count_t<T::columns> load_column;
  count_t<T::addresses> address;           // of the weights
  count_t<T::row_groups> row_group;
  count_t<T::word_groups> word_group;
  count_t<T::columns> column;
  count_t<T::beats> held;                  // beats that have not left yet
  count_t<T::drain_step> drain_wait;
  bool held_first;                         // they are of word group 0

  explicit product_walk(int tokens)
      : left(tokens), unloaded(tokens), filling(true), half(true), at(0), load_beat(0), load_wait(0), load_unit(0), load_bank(0),
        load_column(0), address(0), row_group(0), word_group(0), column(0), held(0), drain_wait(0), held_first(false) {}

  bool loads() const {
    SWM_INLINE
    return unloaded > 0 && int(load_beat) != T::loads && (filling || int(load_wait) == 0);
  }
  bool multiplies() const {
    SWM_INLINE
    return !filling && left > 0 && int(at) < T::products;
  }
  bool starts() const {
    SWM_INLINE
    return int(column) == 0;
  }
  /// The products of this iteration complete a sum.
  bool sums() const {
    SWM_INLINE
    return int(column) == T::columns - 1;
  }
  /// They complete a drain group.
  bool completes() const {
    SWM_INLINE
    return int(column) == T::columns - 1 && (!T::whole_rows || int(word_group) == T::word_groups - 1);
  }
  bool drains() const {
    SWM_INLINE
    return int(held) != 0 && int(drain_wait) == 0;
  }

  /// To the next iteration, given what this one did.
  void step(bool loaded, bool multiplied, bool drained) {
    SWM_INLINE
    // Sums that leave, and sums that take their place.
    const bool complete = multiplied && completes();
    const bool last_rows = int(row_group) == T::row_groups - 1;
    const int kept = int(held) - (drained ? 1 : 0);
    const int waiting = drained ? T::drain_step - 1 : int(drain_wait) > 0 ? int(drain_wait) - 1 : 0;
    held = count_t<T::beats>(complete ? (last_rows ? int(T::last_beats) : int(T::beats)) : kept);
    drain_wait = count_t<T::drain_step>(complete ? 0 : waiting);
    if (complete) held_first = int(word_group) == 0;
    // Products.
    if (multiplied) {
      const bool next_words = int(column) == T::columns - 1;
      const bool next_rows = next_words && int(word_group) == T::word_groups - 1;
      const bool wrap = next_rows && last_rows;
      column = count_t<T::columns>(next_words ? 0 : int(column) + 1);
      word_group = count_t<T::word_groups>(next_rows ? 0 : next_words ? int(word_group) + 1 : int(word_group));
      row_group = count_t<T::row_groups>(wrap ? 0 : next_rows ? int(row_group) + 1 : int(row_group));
      address = count_t<T::addresses>(int(address) == T::addresses - 1 ? 0 : int(address) + 1);
    }
    // Loads.
    if (loaded || filling) {
      const bool next_bank = int(load_unit) == T::load_units - 1;
      const bool next_column = next_bank && int(load_bank) == T::load_banks - 1;
      load_unit = count_t<T::load_units>(next_bank ? 0 : int(load_unit) + 1);
      load_bank = count_t<T::load_banks>(next_column ? 0 : next_bank ? int(load_bank) + 1 : int(load_bank));
      load_column = count_t<T::columns>(next_column ? int(load_column) + 1 : int(load_column));
      load_beat = count_t<T::loads>(int(load_beat) + 1);
    }
    // The end of the prologue and of a token's products.
    const bool token_ends = filling ? int(load_beat) == T::loads : int(at) == T::period - 1;
    load_wait = count_t<T::load_step>(token_ends || int(load_wait) == T::load_step - 1 ? 0 : int(load_wait) + (filling ? 0 : 1));
    at = count_t<T::period>(token_ends || filling ? 0 : int(at) + 1);
    if (token_ends) {
      load_unit = 0;
      load_bank = 0;
      load_column = 0;
      load_beat = 0;
      half = !half;
      left = left - (filling ? 0 : 1);
      unloaded = unloaded - 1;
      filling = false;
    }
  }
};

}  // namespace swm
