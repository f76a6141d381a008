// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_walk.sv
/// \brief The order of loads, products and drained sums of swm_recurrent_steps.
///
///     load      x of a token, a beat a cycle while one of the two halves is free
///     products  phase A: GROUPS x SUBS x COLUMNS, columns innermost, those of x first; then phase B: GROUPS_B x COLUMNS_B
///     drain     begins in the cycle after the last product of a group; a beat a cycle
///
/// A token is a step of one of SEQUENCES that take turns. Products of phase A wait in front of the columns of h until the state of
/// their sequence is there (`settled` ends its way), phase B waits in front of those that phase A gave (`middle`). So a
/// step takes as long as the registers on that way: no count of cycles is set beforehand, as hls/swm/recurrent_walk.h has it.
///
/// START: a token of states comes in front of the steps of a sequence. It loads nothing; its products reach nobody, and its
/// drains wait for the beats of these states, which take the place of their sums (`takes`). As drains may wait here, sums follow
/// each other in the cycle behind the last beat of those before, not in its own: nothing that comes in decides on products at once.
///
/// A step of each takes place in the cycle in which `load`, `active` and `drain` stand.
module swm_recurrent_walk #(
    parameter int STEPS = 1,
    parameter int SEQUENCES = 1,
    parameter int LAST = 0,       // only the last step's output leaves
    parameter int START = 0,      // states come in front of a sequence
    parameter int LOAD_BANKS = 1, // beats of a group of columns
    parameter int LOADS = 1,
    parameter int GROUPS = 1,
    parameter int SUBS = 1,       // turns until a unit is complete
    parameter int X_COLUMNS = 1,  // groups of columns of x
    parameter int COLUMNS = 2,    // all of phase A
    parameter int BEATS = 1,
    parameter int LAST_BEATS = 1, // of the last group
    parameter int TWO = 0,        // phase B: the same
    parameter int GROUPS_B = 1,
    parameter int X_COLUMNS_B = 0,
    parameter int COLUMNS_B = 1,
    parameter int BEATS_B = 1,
    parameter int LAST_BEATS_B = 1,
    parameter int PARTS = 1,      // beats of a block
    parameter int CW = 1,         // widths of the ports, wide enough for either phase
    parameter int LC = X_COLUMNS > 1 ? $clog2(X_COLUMNS) : 1,
    parameter int BANK = LOAD_BANKS > 1 ? $clog2(LOAD_BANKS) : 1,
    parameter int SUB = SUBS > 1 ? $clog2(SUBS) : 1,
    parameter int SQ = SEQUENCES > 1 ? $clog2(SEQUENCES) : 1,
    parameter int PT = PARTS > 1 ? $clog2(PARTS) : 1,
    parameter int PRODUCTS = GROUPS * SUBS * COLUMNS + (TWO != 0 ? GROUPS_B * COLUMNS_B : 0),
    parameter int ADDRESS = $clog2(PRODUCTS)
) (
    input  logic               clk,
    input  logic               rst,
    input  logic               in_valid,
    output logic               in_ready,
    output logic               load,
    output logic [   BANK-1:0] load_bank,    // banks of the memory behind this one may be written, too
    output logic [     LC-1:0] load_column,
    output logic               load_half,
    input  logic               middle,       // what phase A gave can be read from the next cycle on
    input  logic               settled,      // a token's state can be
    output logic               active,
    output logic               half,         // of the inputs
    output logic               second,       // phase B
    output logic [     CW-1:0] column,
    output logic [    SUB-1:0] sub,
    output logic [ADDRESS-1:0] address,      // of the weights
    output logic [     SQ-1:0] sequence_at,
    output logic               odd,          // step, by which half of the states is read
    output logic               known,        // there was a step before
    output logic               starts,       // a sum
    output logic               joins,        // the sums over x are complete
    output logic               sums,         // the last product of a sum
    output logic               completes,    // and of a group
    input  logic               room,
    input  logic               start_valid,  // a beat of states is there
    output logic               takes,        // the beat that leaves is theirs
    output logic               wants,        // and waits for nothing else
    output logic               drain,
    output logic               writes,       // the beat leaves the layer
    output logic               out_second,
    output logic [     PT-1:0] out_part,     // of a block
    output logic               out_start,    // the first beat of a phase
    output logic               out_end,      // and the last one
    output logic [     SQ-1:0] out_sequence,
    output logic               out_odd,
    output logic               out_first     // step of a sequence
);
  localparam int MOST = BEATS > LAST_BEATS ? BEATS : LAST_BEATS;
  localparam int MOST_B = BEATS_B > LAST_BEATS_B ? BEATS_B : LAST_BEATS_B;
  localparam int HELD = $clog2((MOST > MOST_B ? MOST : MOST_B) + 1);
  localparam int GW = GROUPS > GROUPS_B ? $clog2(GROUPS + 1) : $clog2(GROUPS_B + 1);
  localparam int LB = LOADS > 1 ? $clog2(LOADS) : 1;
  localparam int TURNS = STEPS + START;
  localparam int ST = TURNS > 1 ? $clog2(TURNS) : 1;
  localparam int CR = $clog2(SEQUENCES + 1);

  // Loads.
  logic [1:0] full;
  logic bank_last, load_last, unused_column_last, restart;
  logic [LB-1:0] unused_beat;
  assign in_ready = !full[load_half];
  assign load = in_valid && in_ready;
  assign restart = rst || (load && load_last);
  swm_counter #(.N(LOADS)) u_beat (.clk, .rst, .step(load), .at(unused_beat), .last(load_last));
  swm_counter #(.N(LOAD_BANKS)) u_bank (.clk, .rst(restart), .step(load), .at(load_bank), .last(bank_last));
  swm_counter #(.N(X_COLUMNS)) u_load_column (
      .clk, .rst(restart), .step(load && bank_last), .at(load_column), .last(unused_column_last));

  // Products.
  logic [GW-1:0] group;
  logic sub_last, group_last, token_last, held_up, waits, states, unused_address_last;
  logic [CR-1:0] ready;      // states that are there and were not asked for
  logic begins;              // the token is one of states
  logic ready_middle, asked; // this token has asked for its state (in phase B: for what phase A gave)
  assign starts = column == '0;
  assign sums = column == (second ? CW'(COLUMNS_B - 1) : CW'(COLUMNS - 1));
  assign joins = column == (second ? CW'(X_COLUMNS_B) : CW'(X_COLUMNS)) && !(second && X_COLUMNS_B == 0);
  assign completes = sums && (second || sub_last);
  assign group_last = group == (second ? GW'(GROUPS_B - 1) : GW'(GROUPS - 1));
  assign token_last = completes && group_last && (second || TWO == 0);
  assign states = column == (second ? CW'(X_COLUMNS_B) : CW'(X_COLUMNS));
  assign waits = states && !asked && (second ? !ready_middle : ready == '0);
  assign begins = START != 0 && !known;
  assign active = (begins || full[half]) && !waits && !(completes && held_up);
  swm_counter #(.N(SUBS), .WIDTH(SUB)) u_sub (
      .clk, .rst, .step(active && sums && !second), .at(sub), .last(sub_last));
  swm_counter #(.N(PRODUCTS)) u_address (.clk, .rst, .step(active), .at(address), .last(unused_address_last));
  always_ff @(posedge clk) begin
    if (rst) begin
      full <= '0;
      load_half <= 1'b0;
      half <= 1'b0;
      column <= '0;
      group <= '0;
      second <= 1'b0;
      ready <= CR'(SEQUENCES);
      ready_middle <= 1'b0;
      asked <= 1'b0;
    end else begin
      if (load && load_last) begin
        full[load_half] <= 1'b1;
        load_half <= !load_half;
      end
      if (active) begin
        column <= sums ? '0 : column + 1;
        if (completes) begin
          group <= group_last ? '0 : group + 1;
          if (group_last) second <= TWO != 0 && !second;
        end
        if (token_last && !begins) begin
          full[half] <= 1'b0;
          half <= !half;
        end
      end
      if (active && completes && group_last) asked <= 1'b0;
      else if (active && states) asked <= 1'b1;
      if (settled && !(active && states && !asked && !second)) ready <= ready + 1;
      else if (!settled && active && states && !asked && !second) ready <= ready - 1;
      if (middle) ready_middle <= 1'b1;
      else if (active && states && second) ready_middle <= 1'b0;
    end
  end

  // Which token: of the products, of the sums that leave.
  logic sequence_last, step_last;
  logic [ST-1:0] step, out_step;
  swm_counter #(.N(SEQUENCES), .WIDTH(SQ)) u_sequence (
      .clk, .rst, .step(active && token_last), .at(sequence_at), .last(sequence_last));
  swm_counter #(.N(TURNS), .WIDTH(ST)) u_step (
      .clk, .rst, .step(active && token_last && sequence_last), .at(step), .last(step_last));
  assign known = step != '0;
  logic out_token, out_sequence_last, out_step_last;
  assign out_token = drain && out_end && (out_second || TWO == 0);
  swm_counter #(.N(SEQUENCES), .WIDTH(SQ)) u_out_sequence (
      .clk, .rst, .step(out_token), .at(out_sequence), .last(out_sequence_last));
  swm_counter #(.N(TURNS), .WIDTH(ST)) u_out_step (
      .clk, .rst, .step(out_token && out_sequence_last), .at(out_step), .last(out_step_last));
  assign out_first = out_step == '0;
  always_ff @(posedge clk) begin
    if (rst) begin
      odd <= 1'b0;
      out_odd <= 1'b0;
    end else begin
      if (active && token_last && sequence_last) odd <= !step_last && !odd;
      if (out_token && out_sequence_last) out_odd <= !out_step_last && !out_odd;
    end
  end

  // Sums that leave, and sums that take their place.
  logic [HELD-1:0] held;
  logic held_last, part_last;  // of the last group of a phase
  assign takes = START != 0 && out_first && (out_second || TWO == 0);
  assign writes = (out_second || TWO == 0) && !takes && (LAST == 0 || out_step_last);
  assign wants = held != '0 && takes;
  assign drain = held != '0 && (room || !writes) && (start_valid || !takes);
  assign held_up = held != '0 && (START != 0 || !(drain && held == 1));
  assign out_end = held_last && held == 1;
  swm_counter #(.N(PARTS), .WIDTH(PT)) u_part (.clk, .rst, .step(drain), .at(out_part), .last(part_last));
  always_ff @(posedge clk) begin
    if (rst) begin
      held <= '0;
      out_start <= 1'b1;
    end else begin
      if (active && completes) begin
        if (second) held <= group_last ? HELD'(LAST_BEATS_B) : HELD'(BEATS_B);
        else held <= group_last ? HELD'(LAST_BEATS) : HELD'(BEATS);
        held_last <= group_last;
        out_second <= second;
      end else if (drain) held <= held - 1;
      if (drain) out_start <= out_end;
    end
  end
  logic unused;
  assign unused = &{1'b0, unused_column_last, unused_beat, unused_address_last, part_last};
endmodule
