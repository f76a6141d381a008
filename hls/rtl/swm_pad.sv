// SPDX-License-Identifier: Apache-2.0
/// \file swm_pad.sv
/// \brief Rows and columns of one value around an image, or (negative) cut off.
///
/// All positions that come in or go out are walked over, row by row, a beat a cycle: it is read where the position lies in
/// the input, written where it lies in the output, and is FILL where it was not read.
///
/// A frame begins with its first beat: what stands before that waits for it, so nothing leaves for a frame that never comes.
///
/// Latency 1.
module swm_pad #(
    parameter int N = 4,
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int GRID_ROWS = 2,
    parameter int GRID_COLUMNS = 2,
    parameter int BEFORE_ROWS = 0,
    parameter int BEFORE_COLUMNS = 0,
    parameter int BEHIND_ROWS = 0,
    parameter int BEHIND_COLUMNS = 0,
    parameter int FILL = 0,
    parameter int DEPTH = 2
) (
    input  logic                clk,
    input  logic                rst,
    input  logic                in_valid,
    output logic                in_ready,
    input  logic [VEC*BITS-1:0] in_data,
    output logic                out_valid,
    input  logic                out_ready,
    output logic [VEC*BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int TAIL = N - (BEATS - 1) * VEC;
  localparam int IN_ROW = BEFORE_ROWS > 0 ? BEFORE_ROWS : 0;  // where input and output begin
  localparam int IN_COLUMN = BEFORE_COLUMNS > 0 ? BEFORE_COLUMNS : 0;
  localparam int OUT_ROW = BEFORE_ROWS < 0 ? -BEFORE_ROWS : 0;
  localparam int OUT_COLUMN = BEFORE_COLUMNS < 0 ? -BEFORE_COLUMNS : 0;
  localparam int ROWS = GRID_ROWS + IN_ROW + (BEHIND_ROWS > 0 ? BEHIND_ROWS : 0);
  localparam int COLUMNS = GRID_COLUMNS + IN_COLUMN + (BEHIND_COLUMNS > 0 ? BEHIND_COLUMNS : 0);
  localparam int OUT_ROWS = GRID_ROWS + BEFORE_ROWS + BEHIND_ROWS;
  localparam int OUT_COLUMNS = GRID_COLUMNS + BEFORE_COLUMNS + BEHIND_COLUMNS;
  localparam int RW = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int CW = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;

  logic room, come, fires, reads, writes, starts, beat_last, column_last, unused_row_last, push;
  logic [BW-1:0] beat;
  logic [CW-1:0] column;
  logic [RW-1:0] row;
  logic signed [31:0] at_row, at_column;
  assign at_row = $signed(32'(row));
  assign at_column = $signed(32'(column));
  assign reads = at_row >= IN_ROW && at_row < IN_ROW + GRID_ROWS && at_column >= IN_COLUMN && at_column < IN_COLUMN + GRID_COLUMNS;
  assign writes = at_row >= OUT_ROW && at_row < OUT_ROW + OUT_ROWS && at_column >= OUT_COLUMN
      && at_column < OUT_COLUMN + OUT_COLUMNS;
  assign starts = row == '0 && column == '0 && beat == '0;
  assign come = in_valid || (!reads && !starts);
  assign fires = come && (room || !writes);
  assign in_ready = reads && (room || !writes);
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(fires), .at(beat), .last(beat_last));
  swm_counter #(.N(COLUMNS)) u_column (.clk, .rst, .step(fires && beat_last), .at(column), .last(column_last));
  swm_counter #(.N(ROWS)) u_row (
      .clk, .rst, .step(fires && beat_last && column_last), .at(row), .last(unused_row_last));

  logic [VEC*BITS-1:0] around, value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_around
      assign around[i*BITS+:BITS] = beat_last && i >= TAIL ? '0 : BITS'(FILL);
    end
  endgenerate
  always_ff @(posedge clk) value <= reads ? in_data : around;
  swm_valid #(.N(1)) u_push (.clk, .rst, .in(fires && writes), .out(push));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(1)) u_out (
      .clk, .rst, .reserve(fires && writes), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_row_last};
endmodule
