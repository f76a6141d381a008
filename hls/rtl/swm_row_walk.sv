// SPDX-License-Identifier: Apache-2.0
/// \file swm_row_walk.sv
/// \brief Addresses of a table of rows that tokens share: the first EACH tokens have row 0, the next EACH row 1, and so on.
///
/// A row is BEATS words; behind the last of ROWS rows comes the first. `last` stands in the last beat of a token. Latency 1: a
/// step shows in the next cycle.
module swm_row_walk #(
    parameter int BEATS = 1,
    parameter int EACH = 1,
    parameter int ROWS = 1,
    parameter int AW = ROWS * BEATS > 1 ? $clog2(ROWS * BEATS) : 1
) (
    input  logic          clk,
    input  logic          rst,
    input  logic          step,
    output logic [AW-1:0] at,
    output logic          last
);
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int EW = EACH > 1 ? $clog2(EACH) : 1;
  logic [BW-1:0] beat;
  logic [EW-1:0] unused_same;
  logic [AW-1:0] first;  // address of the row
  logic turn;            // the last token that has it
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step, .at(beat), .last);
  swm_counter #(.N(EACH)) u_same (.clk, .rst, .step(step && last), .at(unused_same), .last(turn));
  assign at = first + AW'(beat);
  always_ff @(posedge clk) begin
    if (rst) first <= '0;
    else if (step && last && turn) first <= at == AW'(ROWS * BEATS - 1) ? '0 : at + 1'b1;
  end
  logic unused;
  assign unused = &{1'b0, unused_same};
endmodule
