// SPDX-License-Identifier: Apache-2.0
/// \file swm_matmul_store.sv
/// \brief Where the beats of B lie in swm_matmul: two halves of a memory in banks, a frame each.
///
/// A line of B is LINE_BEATS beats, and LINES lines of each head come, heads inside the lines (STORED_INSIDE) or outside. Beats of
/// a line lie in BEAT_LANES banks side by side, lines in LINE_LANES; behind the last of them the address goes on by BEAT_STEP or
/// LINE_STEP, behind a head by GROUP. Nothing is multiplied: each address is a running sum.
///
/// A beat is stored in the cycle in which `store` stands, while its half is free; `whole` says which halves hold a frame. A half
/// is free again behind `release_half`.
module swm_matmul_store #(
    parameter int HEADS = 1,
    parameter int LINES = 2,
    parameter int LINE_BEATS = 2,
    parameter int STORED_INSIDE = 1,
    parameter int LINE_LANES = 1,
    parameter int BEAT_LANES = 1,
    parameter int LINE_STEP = 1,
    parameter int BEAT_STEP = 1,
    parameter int GROUP = 4,
    parameter int AW = $clog2(2 * HEADS * GROUP),
    parameter int LW = LINE_LANES > 1 ? $clog2(LINE_LANES) : 1,
    parameter int BW = BEAT_LANES > 1 ? $clog2(BEAT_LANES) : 1
) (
    input  logic          clk,
    input  logic          rst,
    input  logic          offered,      // a beat
    output logic          free,         // and a place for it
    output logic          store,
    output logic [AW-1:0] to,
    output logic [LW-1:0] line_lane,
    output logic [BW-1:0] beat_lane,
    output logic [   1:0] whole,
    input  logic          release_half, // the half of `half` was used for the last time
    input  logic          half
);
  localparam int NW = LINE_BEATS > 1 ? $clog2(LINE_BEATS) : 1;
  localparam int MW = LINES > 1 ? $clog2(LINES) : 1;
  localparam int HW = HEADS > 1 ? $clog2(HEADS) : 1;
  logic upper;  // the half that is filled
  logic beat_last, lane_last, head_last, line_last, rows_last, next_head, next_line;
  logic [NW-1:0] unused_beat;
  logic [HW-1:0] unused_head;
  logic [MW-1:0] unused_line;
  logic [AW-1:0] beat_address, line_address, head_address;
  assign free = !whole[upper];
  assign store = offered && free;
  assign next_head = store && beat_last && (STORED_INSIDE != 0 || line_last);
  assign next_line = store && beat_last && (STORED_INSIDE == 0 || head_last);
  swm_counter #(.N(LINE_BEATS)) u_beat (.clk, .rst, .step(store), .at(unused_beat), .last(beat_last));
  swm_counter #(.N(BEAT_LANES)) u_beat_lane (
      .clk, .rst(rst || (store && beat_last)), .step(store), .at(beat_lane), .last(lane_last));
  swm_counter #(.N(HEADS)) u_head (.clk, .rst, .step(next_head), .at(unused_head), .last(head_last));
  swm_counter #(.N(LINES)) u_line (.clk, .rst, .step(next_line), .at(unused_line), .last(line_last));
  swm_counter #(.N(LINE_LANES)) u_line_lane (
      .clk, .rst(rst || (next_line && line_last)), .step(next_line), .at(line_lane), .last(rows_last));

  assign to = (upper ? AW'(HEADS * GROUP) : '0) + head_address + line_address + beat_address;
  always_ff @(posedge clk) begin
    if (rst) begin
      upper <= 1'b0;
      whole <= '0;
      beat_address <= '0;
      line_address <= '0;
      head_address <= '0;
    end else begin
      if (store) beat_address <= beat_last ? '0 : lane_last ? beat_address + AW'(BEAT_STEP) : beat_address;
      if (next_line) line_address <= line_last ? '0 : rows_last ? line_address + AW'(LINE_STEP) : line_address;
      if (next_head) head_address <= head_last ? '0 : head_address + AW'(GROUP);
      if (release_half) whole[half] <= 1'b0;
      if (store && beat_last && line_last && head_last) begin
        whole[upper] <= 1'b1;
        upper <= !upper;
      end
    end
  end
  logic unused;
  assign unused = &{1'b0, unused_beat, unused_head, unused_line};
endmodule
