// SPDX-License-Identifier: Apache-2.0
/// \file swm_hadamard.sv
/// \brief The product of two tensors value by value, or of a tensor by one factor a channel, then an activation.
///
///   HELD == 0:  y[t][c] = activation(a[t][c] b[t][c])
///   HELD >= 1:  y[t][c] = activation(a[t][c] b[c])     b comes once a frame of HELD tokens, before it
///
/// A beat a cycle (a in the lower port), BEATS = ceil(N / VEC) a token; the beats of held factors write nothing. They go round
/// in a shift register: the one that comes out belongs to the channels of the beat that is read.
///
/// Latency 2 (operand and product), then that of swm_finish.
module swm_hadamard #(
    parameter int N = 8,
    parameter int HELD = 0,
    parameter int A_BITS = 8,
    parameter int B_BITS = 8,
    parameter int OUT_BITS = 8,
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
  localparam int L = 2 + FINISH;
  logic room, step, passes, push, beat_last, tail;
  logic [BW-1:0] unused_beat;
  logic [VEC*A_BITS-1:0] a;
  logic [VEC*B_BITS-1:0] b, factor;
  assign a = in_data[0+:VEC*A_BITS];
  assign b = in_data[VEC*A_BITS+:VEC*B_BITS];
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step, .at(unused_beat), .last(beat_last));
  swm_delay #(.N(L)) u_tail (.clk, .in(beat_last), .out(tail));

  generate
    if (HELD == 0) begin : g_each
      assign passes = in_valid == 2'b11 && room;
      assign step = passes;
      assign in_ready = {2{passes}};
      assign factor = b;
    end else begin : g_held
      localparam int RW = $clog2(HELD + 1);
      logic [RW-1:0] round;
      logic unused_last, comes;
      swm_counter #(.N(HELD + 1)) u_round (.clk, .rst, .step(step && beat_last), .at(round), .last(unused_last));
      assign comes = round == '0;
      assign in_ready = {comes, !comes && room};
      assign passes = in_valid[0] && in_ready[0];
      assign step = passes || (comes && in_valid[1]);
      // The beat that came or was used last in the lowest bits.
      logic [BEATS*VEC*B_BITS-1:0] line;
      if (BEATS == 1) begin : g_one
        always_ff @(posedge clk) if (step && comes) line <= b;
      end else begin : g_round
        always_ff @(posedge clk) if (step) line <= {line[(BEATS-1)*VEC*B_BITS-1:0], comes ? b : factor};
      end
      assign factor = line[(BEATS-1)*VEC*B_BITS+:VEC*B_BITS];
      logic unused;
      assign unused = &{1'b0, unused_last};
    end
  endgenerate

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [A_BITS+B_BITS-1:0] product;
      logic signed [OUT_BITS-1:0] y;
      swm_multiply #(.WA(A_BITS), .WB(B_BITS)) u_product (
          .clk, .a(a[i*A_BITS+:A_BITS]), .b(factor[i*B_BITS+:B_BITS]), .p(product));
      swm_finish #(
          .SUM(A_BITS + B_BITS), .BIAS(2), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(product), .bias('0), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = tail && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(L)) u_push (.clk, .rst, .in(passes), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(L)) u_out (
      .clk, .rst, .reserve(passes), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_beat};
endmodule
