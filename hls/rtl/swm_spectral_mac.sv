// SPDX-License-Identifier: Apache-2.0
/// \file swm_spectral_mac.sv
/// \brief Spectral products of all P x Q blocks, summed over the block columns, rounded once.
///
/// acc[i][w] = sum over j of weights[i][j][w] X[j][w], word by word of the packed half spectrum; word 0 holds two real bins.
/// MAC_ROWS block rows, MAC_COLUMNS block columns and MAC_BINS words side by side (swm_spectral_row); columns are innermost, so
/// a sum is one register. Loads, products and drains as swm_product_walk has them: spectra lie in two halves of a memory, a
/// bank for each of the MAC_COLUMNS; the sums of a group move into a shift register and leave rounded, OUT_LANES rows a beat.
///
/// K <= 16: a beat holds whole blocks, words in natural order, and all words of a group of rows leave together. K >= 32: a
/// beat in holds two words of each block, one unit of the last pass; these are positions 2u and 2u + 1, and in their order (words
/// 0 and K/4, then u and K/2 - u) stand weights and sums. MAC_BINS words of a group of rows leave together.
///
/// A word of the weights' file holds a cycle's, lane ((row * MAC_COLUMNS + column) * MAC_BINS + word) * 2 + part, lane 0 in the lowest
/// bits; words run over GROUPS, groups of block rows, groups of words, groups of block columns.
///
/// Latency from a drain to its beat: 8 + ceil(log2 MAC_COLUMNS), PACKED one more (memory 2, operand and product 2, adder
/// tree, accumulator, joined, rounded, saturated).
module swm_spectral_mac #(
    parameter int K = 8,
    parameter int P = 1,
    parameter int Q = 1,
    parameter int GROUPS = 1,      // tokens that follow each other with weights of their own
    parameter int SPECTRUM_BITS = 15,
    parameter int WEIGHT_BITS = 12,
    parameter int SUM_BITS = 16,
    parameter int ACC_SHIFT = 0,
    parameter int IN_LANES = 1,    // blocks of a beat
    parameter int OUT_LANES = 1,
    parameter int MAC_ROWS = 1,
    parameter int MAC_COLUMNS = 1,
    parameter int MAC_BINS = 1,
    parameter int PRODUCTS = 3,
    parameter int FABRIC_ROWS = 0,
    parameter int PACKED = 0,
    parameter WEIGHTS = "",
    parameter int LUTRAM = 0,
    parameter int DEPTH = 2,
    parameter int BEAT_WORDS = K > 16 ? 2 : K / 2,      // words of a block in a beat
    parameter int DRAIN_WORDS = K > 16 ? MAC_BINS : K / 2  // and in one that leaves
) (
    input  logic                                             clk,
    input  logic                                             rst,
    input  logic                                             in_valid,
    output logic                                             in_ready,
    input  logic [IN_LANES*BEAT_WORDS*2*SPECTRUM_BITS-1:0]   in_data,
    output logic                                             out_valid,
    input  logic                                             out_ready,
    output logic [   OUT_LANES*DRAIN_WORDS*2*SUM_BITS-1:0]   out_data
);
  localparam int X = SPECTRUM_BITS;
  localparam int W = WEIGHT_BITS;
  localparam int WORDS = K / 2;
  localparam int ROW_GROUPS = (P + MAC_ROWS - 1) / MAC_ROWS;
  localparam int COLUMN_GROUPS = (Q + MAC_COLUMNS - 1) / MAC_COLUMNS;
  localparam int WORD_GROUPS = WORDS / MAC_BINS;
  localparam int BANKS = MAC_COLUMNS / IN_LANES;
  localparam int BEATS = (MAC_ROWS + OUT_LANES - 1) / OUT_LANES;
  localparam int LAST_BEATS = (P - (ROW_GROUPS - 1) * MAC_ROWS + OUT_LANES - 1) / OUT_LANES;
  localparam int GROUP = (K > 16 ? 1 : WORD_GROUPS) * COLUMN_GROUPS;  // products of a group that leaves
  localparam int STEP = GROUP / BEATS;
  localparam int ACC = W + X + 1 + $clog2(Q);
  localparam int T = $clog2(MAC_COLUMNS);
  localparam int A = (PACKED != 0 ? 6 : 5) + T;
  localparam int SUM = (PRODUCTS == 3 ? X + W + 2 : X + W) + T;
  localparam int KEPT = DRAIN_WORDS - MAC_BINS;    // words of the groups before the last one
  localparam int ROW = DRAIN_WORDS * PRODUCTS * ACC;  // bits of all sums of a row that leave together
  localparam int PART = MAC_BINS * PRODUCTS * ACC;
  localparam int UNITS = WORDS / BEAT_WORDS;   // beats of a block
  localparam int SUBS = MAC_BINS > BEAT_WORDS ? MAC_BINS / BEAT_WORDS : 1;  // banks that hold MAC_BINS words together
  localparam int BEATS_DEEP = UNITS / SUBS;    // beats of a block in one of them
  localparam int UNIT = UNITS > 1 ? $clog2(UNITS) : 1;
  localparam int PLACE = $clog2(2 * COLUMN_GROUPS);
  localparam int DEEP = ROW_GROUPS * WORD_GROUPS * COLUMN_GROUPS * GROUPS;
  localparam int ADDRESS = DEEP > 1 ? $clog2(DEEP) : 1;
  localparam int BANK = BANKS > 1 ? $clog2(BANKS) : 1;
  localparam int WG = WORD_GROUPS > 1 ? $clog2(WORD_GROUPS) : 1;

  logic load, active, starts, sums, completes, drain, drain_first, room;
  logic [UNIT-1:0] load_unit;
  logic [BANK-1:0] load_bank;
  logic [PLACE-1:0] load_to, from;
  logic [ADDRESS-1:0] address;
  logic [WG-1:0] word_group, words_at;
  swm_product_walk #(
      .LOAD_UNITS(UNITS), .LOAD_BANKS(BANKS), .LOADS((Q + IN_LANES - 1) / IN_LANES * UNITS), .ROW_GROUPS(ROW_GROUPS), .WORD_GROUPS(WORD_GROUPS),
      .COLUMNS(COLUMN_GROUPS), .BEATS(BEATS), .LAST_BEATS(LAST_BEATS), .DRAIN_STEP(STEP > 1 ? STEP : 1),
      .WHOLE(K > 16 ? 0 : 1), .GROUPS(GROUPS)
  ) u_walk (
      .clk, .rst, .in_valid, .in_ready, .load, .load_unit, .load_bank, .load_to, .active, .from, .address, .word_group, .starts,
      .sums, .completes, .room, .drain, .drain_first);

  // Spectra and weights of the cycle.
  localparam int STORE = $clog2(2 * COLUMN_GROUPS * BEATS_DEEP);
  logic [STORE-1:0] store_to, read_from;
  logic [MAC_COLUMNS*MAC_BINS*2*X-1:0] x;
  logic [MAC_ROWS*MAC_COLUMNS*MAC_BINS*2*W-1:0] w;
  swm_delay #(.WIDTH(WG), .N(2)) u_words_at (.clk, .in(word_group), .out(words_at));
  genvar c, r, d, i;
  generate
    if (BEATS_DEEP == 1) begin : g_whole
      assign store_to = load_to;
      assign read_from = from;
    end else begin : g_units
      localparam int DB = $clog2(BEATS_DEEP);
      assign store_to = {load_to, load_unit[UNIT-1:UNIT-DB]};
      assign read_from = {from, word_group};
    end
    for (c = 0; c < MAC_COLUMNS; c = c + 1) begin : g_bank
      localparam int B = c / IN_LANES;
      logic write;
      logic [SUBS*BEAT_WORDS*2*X-1:0] block;
      assign write = load && (B == BANKS - 1 || load_bank <= BANK'(B));
      for (i = 0; i < SUBS; i = i + 1) begin : g_sub
        swm_ram #(.WIDTH(BEAT_WORDS * 2 * X), .DEPTH(2 * COLUMN_GROUPS * BEATS_DEEP)) u_x (
            .clk, .write(write && (SUBS == 1 || 32'(load_unit) % SUBS == i)), .to(store_to),
            .value(in_data[(c%IN_LANES)*BEAT_WORDS*2*X+:BEAT_WORDS*2*X]), .from(read_from),
            .data(block[i*BEAT_WORDS*2*X+:BEAT_WORDS*2*X]));
      end
      if (K > 16 || WORD_GROUPS == 1) begin : g_all
        assign x[c*MAC_BINS*2*X+:MAC_BINS*2*X] = block;
      end else begin : g_some
        assign x[c*MAC_BINS*2*X+:MAC_BINS*2*X] = block[32'(words_at)*MAC_BINS*2*X+:MAC_BINS*2*X];
      end
    end
  endgenerate
  swm_rom #(.WIDTH(MAC_ROWS * MAC_COLUMNS * MAC_BINS * 2 * W), .DEPTH(DEEP), .FILE(WEIGHTS), .LUTRAM(LUTRAM)) u_weights (
      .clk, .address, .data(w));

  // Products and sums.
  logic add, start, hold, keep;
  swm_valid #(.N(A - 1)) u_add (.clk, .rst, .in(active), .out(add));
  swm_delay #(.N(A - 1)) u_start (.clk, .in(starts), .out(start));
  swm_valid #(.N(A)) u_keep (.clk, .rst, .in(active && sums), .out(keep));
  swm_valid #(.N(A)) u_hold (.clk, .rst, .in(active && completes), .out(hold));

  logic [BEATS*OUT_LANES*ROW-1:0] done;  // all sums of a group of rows
  generate
    for (r = 0; r < BEATS * OUT_LANES; r = r + 1) begin : g_row
      if (r >= MAC_ROWS) begin : g_none
        assign done[r*ROW+:ROW] = '0;
      end else begin : g_sums
        logic [MAC_BINS*PRODUCTS*SUM-1:0] now;
        logic [PART-1:0] acc;
        localparam int LANES = MAC_COLUMNS * MAC_BINS * 2 * W;
        if (PACKED == 0 || r >= MAC_ROWS - FABRIC_ROWS) begin : g_single
          logic [MAC_BINS*PRODUCTS*SUM-1:0] unused_upper;
          swm_spectral_row #(
              .X(X), .W(W), .COLUMNS(MAC_COLUMNS), .BINS(MAC_BINS), .PRODUCTS(PRODUCTS), .ALWAYS(WORD_GROUPS == 1 ? 1 : 0),
              .FABRIC(r >= MAC_ROWS - FABRIC_ROWS ? 1 : 0), .WAIT(PACKED)
          ) u_row (.clk, .first_words(words_at == '0), .x, .w(w[r*LANES+:LANES]), .sums(now), .upper(unused_upper));
          logic unused;
          assign unused = &{1'b0, unused_upper};
        end else begin : g_two  // named: yosys has a scope of its own for `else if`
          if (r % 2 == 0) begin : g_pair
            logic [MAC_BINS*PRODUCTS*SUM-1:0] upper;
            swm_spectral_row #(
                .X(X), .W(W), .COLUMNS(MAC_COLUMNS), .BINS(MAC_BINS), .PRODUCTS(PRODUCTS), .ALWAYS(WORD_GROUPS == 1 ? 1 : 0), .PAIR(1)
            ) u_rows (.clk, .first_words(words_at == '0), .x, .w(w[r*LANES+:2*LANES]), .sums(now), .upper);
          end else begin : g_second
            assign now = g_row[r-1].g_sums.g_two.g_pair.upper;
          end
        end
        // The sums fit ACC bits, whatever bits more the tree has.
        for (i = 0; i < MAC_BINS * PRODUCTS; i = i + 1) begin : g_acc
          logic [ACC-1:0] more, total;
          if (SUM >= ACC) begin : g_cut
            assign more = now[i*SUM+:ACC];
          end else begin : g_extend
            assign more = {{(ACC - SUM) {now[(i+1)*SUM-1]}}, now[i*SUM+:SUM]};
          end
          always_ff @(posedge clk) if (add) total <= (start ? '0 : total) + more;
          assign acc[i*ACC+:ACC] = total;
        end
        logic unused_bits;
        assign unused_bits = &{1'b0, now};
        // Words of earlier groups move forward; with the last group they are complete.
        if (KEPT == 0) begin : g_at_once
          assign done[r*ROW+:ROW] = acc;
        end else begin : g_kept
          logic [ROW-PART-1:0] kept;
          assign done[r*ROW+:ROW] = {acc, kept};
          always_ff @(posedge clk) if (keep) kept <= done[r*ROW+PART+:ROW-PART];
        end
      end
    end
    if (KEPT == 0) begin : g_unused
      logic unused;
      assign unused = &{1'b0, keep};
    end
  endgenerate

  // Sums on their way out.
  logic leave, push, leave_first;
  logic [BEATS*OUT_LANES*ROW-1:0] held;
  swm_valid #(.N(A)) u_leave (.clk, .rst, .in(drain), .out(leave));
  swm_delay #(.N(A)) u_leave_first (.clk, .in(drain_first), .out(leave_first));
  always_ff @(posedge clk) begin
    if (hold) held <= done;
    else if (leave) held <= held >> (OUT_LANES * ROW);
  end
  logic [OUT_LANES*DRAIN_WORDS*2*SUM_BITS-1:0] value;
  generate
    for (r = 0; r < OUT_LANES; r = r + 1) begin : g_lane
      for (d = 0; d < DRAIN_WORDS; d = d + 1) begin : g_word
        localparam int AT = r * ROW + d * PRODUCTS * ACC;
        logic signed [ACC-1:0] a1, a2, a3, a4, re, im;
        assign a1 = held[AT+:ACC];
        assign a2 = held[AT+ACC+:ACC];
        assign a3 = held[AT+2*ACC+:ACC];
        assign a4 = held[AT+(PRODUCTS-1)*ACC+:ACC];
        logic real_bins;
        assign real_bins = d == 0 && (K <= 16 || WORD_GROUPS == 1 || leave_first);
        always_ff @(posedge clk) begin
          re <= real_bins ? a1 : PRODUCTS == 3 ? a1 - a3 : a1 - a2;
          im <= real_bins ? (PRODUCTS == 3 ? a3 : a2) : PRODUCTS == 3 ? a1 + a2 : a3 + a4;
        end
        swm_round #(.IN(ACC), .SHIFT(ACC_SHIFT), .OUT(SUM_BITS)) u_re (
            .clk, .v(re), .y(value[(r*DRAIN_WORDS+d)*2*SUM_BITS+:SUM_BITS]));
        swm_round #(.IN(ACC), .SHIFT(ACC_SHIFT), .OUT(SUM_BITS)) u_im (
            .clk, .v(im), .y(value[((r*DRAIN_WORDS+d)*2+1)*SUM_BITS+:SUM_BITS]));
        logic unused;
        assign unused = &{1'b0, a2, a4, leave_first};
      end
    end
  endgenerate
  swm_valid #(.N(3)) u_push (.clk, .rst, .in(leave), .out(push));
  swm_fifo #(.WIDTH(OUT_LANES * DRAIN_WORDS * 2 * SUM_BITS), .DEPTH(DEPTH), .PIPELINE(A + 3)) u_out (
      .clk, .rst, .reserve(drain), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
endmodule
