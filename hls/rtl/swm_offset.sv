// SPDX-License-Identifier: Apache-2.0
/// \file swm_offset.sv
/// \brief A constant for each value of a frame: y = activation(x + table); positions of the table alone before and after x.
///
/// A beat that leaves a cycle, OUT_POSITIONS * ceil(N / VEC) a frame; those of the BEFORE + 1st to the BEFORE + POSITIONSth
/// position read one. The sum is exact: x or the constant is shifted to the left. A word of the file holds a beat's
/// constants, the first channel in the lowest bits.
///
/// A frame begins with its first beat: what stands before that waits for it, so nothing leaves for a frame that never comes.
///
/// Latency 2 (memory), then that of swm_finish.
module swm_offset #(
    parameter int N = 8,
    parameter int BEFORE = 0,
    parameter int POSITIONS = 1,
    parameter int OUT_POSITIONS = 1,
    parameter int IN_BITS = 8,
    parameter int WEIGHT_BITS = 8,
    parameter int IN_SHIFT = 0,
    parameter int WEIGHT_SHIFT = 0,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter WEIGHTS = "",
    parameter int LUTRAM = 0,
    parameter int DEPTH = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    in_valid,
    output logic                    in_ready,
    input  logic [ VEC*IN_BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int FRAME = OUT_POSITIONS * BEATS;
  localparam int FIRST = BEFORE * BEATS;
  localparam int BEHIND = FIRST + POSITIONS * BEATS;
  localparam int FW = FRAME > 1 ? $clog2(FRAME) : 1;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int LATENCY = 2 + FINISH;
  localparam int SUM = IN_BITS + IN_SHIFT;
  localparam int CONSTANT = WEIGHT_BITS + WEIGHT_SHIFT;

  logic room, reads, fires, beat_last, unused_frame_last, tail, push;
  logic [FW-1:0] place;
  logic [BW-1:0] unused_beat;
  logic signed [31:0] at;
  assign at = $signed(32'(place));
  assign reads = at >= FIRST && at < BEHIND;
  assign in_ready = reads && room;
  assign fires = room && (in_valid || (!reads && place != '0));
  swm_counter #(.N(FRAME)) u_place (.clk, .rst, .step(fires), .at(place), .last(unused_frame_last));
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(fires), .at(unused_beat), .last(beat_last));
  swm_delay #(.N(LATENCY)) u_tail (.clk, .in(beat_last), .out(tail));

  logic [VEC*IN_BITS-1:0] x;
  logic [VEC*WEIGHT_BITS-1:0] constant;
  logic [VEC*OUT_BITS-1:0] value;
  swm_delay #(.WIDTH(VEC * IN_BITS), .N(2)) u_x (.clk, .in(reads ? in_data : '0), .out(x));
  swm_rom #(.WIDTH(VEC * WEIGHT_BITS), .DEPTH(FRAME), .FILE(WEIGHTS), .LUTRAM(LUTRAM)) u_table (
      .clk, .address(place), .data(constant));
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [SUM-1:0] sum;
      logic signed [CONSTANT-1:0] bias;
      logic signed [OUT_BITS-1:0] y;
      assign sum = SUM'($signed(x[i*IN_BITS+:IN_BITS])) <<< IN_SHIFT;
      assign bias = CONSTANT'($signed(constant[i*WEIGHT_BITS+:WEIGHT_BITS])) <<< WEIGHT_SHIFT;
      swm_finish #(
          .SUM(SUM), .BIAS(CONSTANT), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum, .bias, .y);
      assign value[i*OUT_BITS+:OUT_BITS] = tail && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(fires), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(fires), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_frame_last, unused_beat};
endmodule
