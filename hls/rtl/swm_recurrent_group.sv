// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_group.sv
/// \brief The sums of a group of swm_recurrent_steps: collected from the rows, held, and shifted out LANES units at a time.
///
/// Phase A: with ROWS >= GATES row r is gate r mod GATES of unit r / GATES; with fewer rows the gates of one unit come in turns
/// (`keep` with each `turn`) and stay until the last one. A sum that was cut off (SUMS = GATES + 1) is one more of its unit. Phase B
/// (`second`): row r is the only sum of unit r.
///
/// Latency 1 from `hold` to the first units at `leaving`.
module swm_recurrent_group #(
    parameter int ROWS = 4,
    parameter int GATES = 4,
    parameter int SUMS = 4,
    parameter int TWO = 0,       // there is a phase B
    parameter int UNIT = 32,     // bits of a sum
    parameter int HELD = 1,      // units
    parameter int LANES = 1,
    parameter int SUB = ROWS < GATES ? $clog2(GATES / ROWS) : 1
) (
    input  logic                       clk,
    input  logic [      ROWS*UNIT-1:0] acc,
    input  logic [      ROWS*UNIT-1:0] cut,
    input  logic                       keep,
    input  logic [            SUB-1:0] turn,
    input  logic                       hold,
    input  logic                       second,
    input  logic                       shift,
    output logic [LANES*SUMS*UNIT-1:0] leaving
);
  logic [HELD*SUMS*UNIT-1:0] held, done;
  assign leaving = held[LANES*SUMS*UNIT-1:0];
  always_ff @(posedge clk) begin
    if (hold) held <= done;
    else if (shift) held <= held >> (LANES * SUMS * UNIT);
  end
  genvar u, s;
  generate
    for (u = 0; u < HELD; u = u + 1) begin : g_unit
      for (s = 0; s < SUMS; s = s + 1) begin : g_sum
        localparam int ROW = s < GATES ? u * GATES + s : u * GATES + 2;
        localparam int TURN = (s < GATES ? s : 2) / ROWS;
        localparam int FROM = (s < GATES ? s : 2) % ROWS;
        logic [UNIT-1:0] first, other;
        if (ROWS < GATES) begin : g_turns
          if (u == 0) begin : g_kept
            logic [UNIT-1:0] kept;
            assign first = 32'(turn) == TURN ? (s < GATES ? acc[FROM*UNIT+:UNIT] : cut[FROM*UNIT+:UNIT]) : kept;
            always_ff @(posedge clk) if (keep) kept <= first;
          end else begin : g_none
            assign first = '0;
          end
        end else if (ROW < ROWS) begin : g_at_once
          assign first = s < GATES ? acc[ROW*UNIT+:UNIT] : cut[ROW*UNIT+:UNIT];
        end else begin : g_none
          assign first = '0;
        end
        if (TWO != 0 && s == 0 && u < ROWS) begin : g_second
          assign other = acc[u*UNIT+:UNIT];
        end else begin : g_no_second
          assign other = '0;
        end
        assign done[(u*SUMS+s)*UNIT+:UNIT] = TWO != 0 && second ? other : first;
      end
    end
  endgenerate
  logic unused;
  assign unused = &{1'b0, cut, keep, turn, second};
endmodule
