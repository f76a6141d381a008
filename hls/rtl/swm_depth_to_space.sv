// SPDX-License-Identifier: Apache-2.0
/// \file swm_depth_to_space.sv
/// \brief A position of SIDE rows of pixels becomes SIDE rows of as many pixels, the channels of each together.
///
/// The N channels of a position are [pixel row][pixel column][channel]. Those of one pixel row already follow each other in
/// the order in which they leave, so a row of positions is kept and read SIDE times, one pixel row of every position each.
///
/// Two loops that wait for whole rows only (swm_block_walk), each a beat a cycle: a row is written into one half of a memory
/// while the one before it is read from the other half.
///
/// Latency 3 (address, memory 2).
module swm_depth_to_space #(
    parameter int N = 4,
    parameter int BITS = 8,
    parameter int VEC = 1,
    parameter int COLUMNS = 2,  // of the input
    parameter int SIDE = 2,
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
  localparam int PART = N / SIDE / VEC;  // beats of a position that follow each other: those of a pixel row
  localparam int POSITION = PART * SIDE;
  localparam int ROW = COLUMNS * POSITION;
  localparam int RW = ROW > 1 ? $clog2(ROW) : 1;
  localparam int AW = $clog2(2 * ROW);
  localparam int PW = PART > 1 ? $clog2(PART) : 1;
  localparam int CW = COLUMNS > 1 ? $clog2(COLUMNS) : 1;
  localparam int SW = SIDE > 1 ? $clog2(SIDE) : 1;

  logic load, load_half, active, half, room, push;
  logic [RW-1:0] place, unused_place;
  swm_block_walk #(.LOADS(ROW), .EMITS(ROW)) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(place), .room, .emit(active),
      .emit_half(half), .emit_at(unused_place));

  logic part_last, column_last, side_last;
  logic [PW-1:0] part;
  logic [CW-1:0] unused_column;
  logic [SW-1:0] unused_side;
  logic [AW-1:0] first, pixel_row, from;  // of the position and pixel row that leaves; of the row's first position
  swm_counter #(.N(PART)) u_part (.clk, .rst, .step(active), .at(part), .last(part_last));
  swm_counter #(.N(COLUMNS)) u_column (
      .clk, .rst, .step(active && part_last), .at(unused_column), .last(column_last));
  swm_counter #(.N(SIDE)) u_side (
      .clk, .rst, .step(active && part_last && column_last), .at(unused_side), .last(side_last));
  always_ff @(posedge clk) begin
    if (rst) begin
      first <= '0;
      pixel_row <= '0;
    end else if (active && part_last) begin
      first <= !column_last ? first + AW'(POSITION) : side_last ? '0 : pixel_row + AW'(PART);
      if (column_last) pixel_row <= side_last ? '0 : pixel_row + AW'(PART);
    end
    from <= (half ? AW'(ROW) : '0) + first + AW'(part);
  end

  logic [VEC*BITS-1:0] value;
  swm_ram #(.WIDTH(VEC * BITS), .DEPTH(2 * ROW)) u_rows (
      .clk, .write(load), .to((load_half ? AW'(ROW) : '0) + AW'(place)), .value(in_data), .from, .data(value));
  swm_valid #(.N(3)) u_push (.clk, .rst, .in(active), .out(push));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(3)) u_out (
      .clk, .rst, .reserve(active), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_place, unused_column, unused_side};
endmodule
