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
/// \tparam Loads       input beats a token
/// \tparam RowGroups, WordGroups, Columns  the three counters of products
/// \tparam WholeRows   a drain group is all word groups of a row group (otherwise one of them)
/// \tparam Beats       beats of a drain group; LastBeats: in the last row group, which may have fewer rows
#pragma once

#include "fixed.h"

namespace swm {

template <int Loads, int RowGroups, int WordGroups, int Columns, bool WholeRows, int Beats, int LastBeats>
struct product_times {
  enum {
    loads = Loads,
    row_groups = RowGroups,
    word_groups = WordGroups,
    columns = Columns,
    whole_rows = WholeRows,
    beats = Beats,
    last_beats = LastBeats,
    products = RowGroups * WordGroups * Columns,
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

}  // namespace swm
