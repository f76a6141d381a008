// SPDX-License-Identifier: Apache-2.0
/// \file swm_product_walk.sv
/// \brief The order of loads, products and drained sums that swm_spectral_mac and swm_dense share.
///
/// Three counters over one memory of two halves: while the products of token t run from one half, token t + 1 is loaded into
/// the other, and sums leave.
///
///     load      a beat a cycle while its half is free; a token is LOADS beats
///     products  ROW_GROUPS x WORD_GROUPS x COLUMNS a token, columns innermost, from the cycle after its last load
///     drain     begins in the cycle after the last product of a group; a beat each DRAIN_STEP cycles
///
/// The loop of hls/swm/product_walk.h does the same at fixed iterations of one counter, which says beforehand how many
/// frames come. Here a token needs no successor to end: loads are never later than there, and neither are products and
/// drains, so the Design's interval and latency are kept.
///
/// A step of each takes place in the cycle in which `load`, `active` and `drain` stand.
module swm_product_walk #(
    parameter int LOAD_UNITS = 1,   // beats that follow each other in one bank of columns
    parameter int LOAD_BANKS = 1,   // banks of a group of columns
    parameter int LOADS = 1,
    parameter int ROW_GROUPS = 1,
    parameter int WORD_GROUPS = 1,
    parameter int COLUMNS = 1,
    parameter int BEATS = 1,        // of a drain
    parameter int LAST_BEATS = 1,   // of the last drain of a token
    parameter int DRAIN_STEP = 1,
    parameter int WHOLE = 1,        // a group that drains is all word groups of a row group; 0: one of them
    parameter int GROUPS = 1,       // tokens that follow each other with weights of their own
    parameter int LOAD_UNIT = LOAD_UNITS > 1 ? $clog2(LOAD_UNITS) : 1,
    parameter int PLACE = $clog2(2 * COLUMNS),
    parameter int BANK = LOAD_BANKS > 1 ? $clog2(LOAD_BANKS) : 1,
    parameter int ADDRESSES = ROW_GROUPS * WORD_GROUPS * COLUMNS * GROUPS,
    parameter int ADDRESS = ADDRESSES > 1 ? $clog2(ADDRESSES) : 1,
    parameter int WORD = WORD_GROUPS > 1 ? $clog2(WORD_GROUPS) : 1
) (
    input  logic               clk,
    input  logic               rst,
    input  logic               in_valid,
    output logic               in_ready,
    output logic               load,
    output logic [LOAD_UNIT-1:0] load_unit,
    output logic [   BANK-1:0] load_bank,  // banks of the memory behind this one may be written, too
    output logic [  PLACE-1:0] load_to,
    output logic               active,
    output logic [  PLACE-1:0] from,
    output logic [ADDRESS-1:0] address,    // of the weights
    output logic [   WORD-1:0] word_group,
    output logic               starts,     // a sum
    output logic               sums,       // the last product of a sum
    output logic               completes,  // and of a group of rows
    input  logic               room,
    output logic               drain,
    output logic               drain_first // of word group 0
);
  localparam int CW = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int HELD = $clog2(BEATS + 1);
  localparam int WAIT = DRAIN_STEP > 1 ? $clog2(DRAIN_STEP) : 1;
  localparam int RW = ROW_GROUPS > 1 ? $clog2(ROW_GROUPS) : 1;
  localparam int LW = LOADS > 1 ? $clog2(LOADS) : 1;

  logic [1:0] full;      // halves that hold a whole token
  logic load_half, half;

  // Loads.
  logic unit_last, bank_last, load_last, unused_column_last;
  logic [CW-1:0] load_column;
  logic [LW-1:0] unused_beat;
  assign in_ready = !full[load_half];
  assign load = in_valid && in_ready;
  logic restart;  // a token need not fill its last group of columns
  assign restart = rst || (load && load_last);
  swm_counter #(.N(LOADS)) u_beat (.clk, .rst, .step(load), .at(unused_beat), .last(load_last));
  swm_counter #(.N(LOAD_UNITS)) u_unit (.clk, .rst, .step(load), .at(load_unit), .last(unit_last));
  swm_counter #(.N(LOAD_BANKS)) u_bank (
      .clk, .rst(restart), .step(load && unit_last), .at(load_bank), .last(bank_last));
  swm_counter #(.N(COLUMNS)) u_load_column (
      .clk, .rst(restart), .step(load && unit_last && bank_last), .at(load_column), .last(unused_column_last));
  assign load_to = (load_half ? PLACE'(COLUMNS) : '0) + PLACE'(load_column);

  // Products.
  logic [CW-1:0] column;
  logic [RW-1:0] unused_row;
  logic word_last, row_last, token_last, unused_address_last, held_up;
  swm_counter #(.N(COLUMNS)) u_column (.clk, .rst, .step(active), .at(column), .last(sums));
  swm_counter #(.N(WORD_GROUPS)) u_word (.clk, .rst, .step(active && sums), .at(word_group), .last(word_last));
  swm_counter #(.N(ROW_GROUPS)) u_row (.clk, .rst, .step(active && sums && word_last), .at(unused_row), .last(row_last));
  swm_counter #(.N(ADDRESSES)) u_address (.clk, .rst, .step(active), .at(address), .last(unused_address_last));
  assign token_last = sums && word_last && row_last;
  assign from = (half ? PLACE'(COLUMNS) : '0) + PLACE'(column);
  assign starts = column == '0;
  assign completes = sums && (word_last || WHOLE == 0);
  assign active = full[half] && !(completes && held_up);

  always_ff @(posedge clk) begin
    if (rst) begin
      full <= '0;
      load_half <= 1'b0;
      half <= 1'b0;
    end else begin
      if (load && load_last) begin
        full[load_half] <= 1'b1;
        load_half <= !load_half;
      end
      if (active && token_last) begin
        full[half] <= 1'b0;
        half <= !half;
      end
    end
  end

  // Sums that leave, and sums that take their place.
  logic [HELD-1:0] held;
  logic [WAIT-1:0] pause;
  assign drain = held != '0 && pause == '0 && room;
  assign held_up = held != '0 && !(drain && held == 1);
  always_ff @(posedge clk) begin
    if (rst) begin
      held <= '0;
      pause <= '0;
    end else begin
      if (active && completes) held <= row_last ? HELD'(LAST_BEATS) : HELD'(BEATS);
      else if (drain) held <= held - 1;
      if (active && completes) drain_first <= word_group == '0;
      if (active && completes) pause <= '0;
      else if (drain) pause <= WAIT'(DRAIN_STEP - 1);
      else if (pause != '0) pause <= pause - 1;
    end
  end
  logic unused;
  assign unused = &{1'b0, unused_column_last, unused_beat, unused_row, unused_address_last};
endmodule
