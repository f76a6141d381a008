// SPDX-License-Identifier: Apache-2.0
/// \file swm_upsample.sv
/// \brief Every position of an image TALL times below and WIDE times beside itself.
///
/// A beat a cycle, each written; a beat is read while it leaves for the first time, and kept in a memory of one row for the
/// times that follow.
///
/// Latency 3 (memory 2, chosen).
module swm_upsample #(
    parameter int N = 4,
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int COLUMNS = 2,   // of the input
    parameter int TALL = 2,
    parameter int WIDE = 2,
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
  localparam int WORDS = COLUMNS * BEATS;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int XW = WIDE > 1 ? $clog2(WIDE) : 1;
  localparam int CW = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int YW = TALL > 1 ? $clog2(TALL) : 1;
  localparam int AW = WORDS > 1 ? $clog2(WORDS) : 1;

  logic room, fires, fresh, push, beat_last, across_last, column_last, down_last, copy, next_column, next_row;
  logic [BW-1:0] beat;
  logic [XW-1:0] across;
  logic [CW-1:0] unused_column;
  logic [YW-1:0] down;
  logic [AW-1:0] place, address;  // of the position's first beat
  assign fresh = down == '0 && across == '0;
  assign in_ready = fresh && room;
  assign fires = room && (in_valid || !fresh);
  assign copy = fires && beat_last;
  assign next_column = copy && across_last;
  assign next_row = next_column && column_last;
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(fires), .at(beat), .last(beat_last));
  swm_counter #(.N(WIDE)) u_across (.clk, .rst, .step(copy), .at(across), .last(across_last));
  swm_counter #(.N(COLUMNS)) u_column (.clk, .rst, .step(next_column), .at(unused_column), .last(column_last));
  swm_counter #(.N(TALL)) u_down (.clk, .rst, .step(next_row), .at(down), .last(down_last));
  always_ff @(posedge clk) begin
    if (rst || next_row) place <= '0;
    else if (next_column) place <= place + AW'(BEATS);
  end
  assign address = place + AW'(beat);

  logic [VEC*BITS-1:0] kept, passed, value;
  logic was_fresh;
  swm_ram #(.WIDTH(VEC * BITS), .DEPTH(WORDS)) u_row (
      .clk, .write(fires && fresh), .to(address), .value(in_data), .from(address), .data(kept));
  swm_delay #(.WIDTH(VEC * BITS + 1), .N(2)) u_passed (.clk, .in({fresh, in_data}), .out({was_fresh, passed}));
  always_ff @(posedge clk) value <= was_fresh ? passed : kept;
  swm_valid #(.N(3)) u_push (.clk, .rst, .in(fires), .out(push));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(3)) u_out (
      .clk, .rst, .reserve(fires), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_column, down_last};
endmodule
