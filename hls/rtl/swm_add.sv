// SPDX-License-Identifier: Apache-2.0
/// \file swm_add.sv
/// \brief The sum of two tensors of one shape, then an activation (docs/arithmetic.md section 6).
///
/// y[c] = activation(a[c] 2^A_SHIFT + b[c] 2^B_SHIFT): the operand with fewer fractional bits is shifted to the left until
/// both have the same binary point, so the sum is exact. A beat a cycle; iteration i reads beat i of both inputs (a in the
/// lower port) and writes beat i of ceil(N / VEC) a token.
///
/// Latency that of swm_finish.
module swm_add #(
    parameter int N = 8,
    parameter int A_BITS = 8,
    parameter int B_BITS = 8,
    parameter int OUT_BITS = 8,
    parameter int A_SHIFT = 0,
    parameter int B_SHIFT = 0,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter int DEPTH = 2
) (
    input  logic                           clk,
    input  logic                           rst,
    input  logic [                    1:0] in_valid,
    output logic [                    1:0] in_ready,
    input  logic [VEC*(A_BITS+B_BITS)-1:0] in_data,
    output logic                           out_valid,
    input  logic                           out_ready,
    output logic [       VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int A = A_BITS + A_SHIFT;
  localparam int B = B_BITS + B_SHIFT;
  logic room, read, push, at_last, last;
  logic [BW-1:0] unused_beat;
  assign read = in_valid == 2'b11 && room;
  assign in_ready = {2{read}};
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(unused_beat), .last(at_last));
  swm_delay #(.N(FINISH)) u_last (.clk, .in(at_last), .out(last));

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [A-1:0] a;
      logic signed [B-1:0] b;
      logic signed [OUT_BITS-1:0] y;
      assign a = A'($signed(in_data[i*A_BITS+:A_BITS])) <<< A_SHIFT;
      assign b = B'($signed(in_data[VEC*A_BITS+i*B_BITS+:B_BITS])) <<< B_SHIFT;
      swm_finish #(
          .SUM(A), .BIAS(B), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(a), .bias(b), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(FINISH)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(FINISH)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_beat};
endmodule
