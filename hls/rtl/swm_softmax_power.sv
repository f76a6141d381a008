// SPDX-License-Identifier: Apache-2.0
/// \file swm_softmax_power.sv
/// \brief Softmax, the second of its processes: power(x - max) of each value, and their sum (docs/arithmetic.md section 6).
///
/// A beat a cycle, ceil(N / VEC) a token; iteration i reads beat i of the token (input 1), the first of a token its maximum
/// (input 0), too, and writes the beat's powers (output 0); the last one of a token writes their sum (output 1). Powers come from a
/// table, by the policy that swm_finish is told; they are not below 0, and 0 beyond N. Behind a mask (MASKED) a value has a bit
/// more, and the lowest of that width is a hidden one, whose power is 0.
///
/// Latency 3 + POWER + log2 VEC, of both outputs: taken, swm_finish (POWER), powers, adder tree, accumulator.
module swm_softmax_power #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int POWER_BITS = 12,
    parameter int POLICY = 5,      // of the powers, with POWER, CURVE and TABLE: see swm_finish
    parameter int POWER = 11,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter int MASKED = 0,
    parameter int TOKEN = BITS + MASKED,
    parameter logic [63:0] DEPTHS = {2{32'd2}}
) (
    input  logic                                           clk,
    input  logic                                           rst,
    input  logic [                                    1:0] in_valid,
    output logic [                                    1:0] in_ready,
    input  logic [                     VEC*TOKEN+BITS-1:0] in_data,
    output logic [                                    1:0] out_valid,
    input  logic [                                    1:0] out_ready,
    output logic [VEC*POWER_BITS+POWER_BITS+$clog2(N)-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int T = $clog2(VEC);
  localparam int TAKEN = 2 + POWER;  // powers stand
  localparam int LATENCY = TAKEN + T + 1;
  localparam int TOTAL_BITS = POWER_BITS + $clog2(N);
  logic powers_room, total_room, first, last, read, push, push_total, tail, add, start;
  logic [BW-1:0] beat;
  assign first = beat == '0;
  assign read = in_valid[1] && powers_room && (total_room || !last) && (in_valid[0] || !first);
  assign in_ready = {read, read && first};
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last);
  swm_delay #(.N(1 + POWER)) u_tail (.clk, .in(last), .out(tail));

  logic signed [BITS:0] below;  // the negative maximum of the token, along with its beats
  logic [VEC*TOKEN-1:0] x;
  always_ff @(posedge clk) begin
    if (read && first) below <= (BITS + 1)'(0) - (BITS + 1)'($signed(in_data[0+:BITS]));
    x <= in_data[BITS+:VEC*TOKEN];
  end
  logic [VEC*POWER_BITS-1:0] powers, passed;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_power
      logic signed [POWER_BITS-1:0] p;
      logic hides;
      if (MASKED != 0) begin : g_mask
        swm_delay #(.N(POWER)) u_hides (
            .clk, .in(x[i*TOKEN+TOKEN-1] && !x[i*TOKEN+BITS-1]), .out(hides));
      end else begin : g_all
        assign hides = 1'b0;
      end
      swm_finish #(
          .SUM(BITS), .BIAS(BITS + 1), .OUT(POWER_BITS), .POLICY(POLICY), .FINISH(POWER), .CURVE(CURVE), .TABLE(TABLE)
      ) u_power (.clk, .sum(x[i*TOKEN+:BITS]), .bias(below), .y(p));
      always_ff @(posedge clk)
        powers[i*POWER_BITS+:POWER_BITS] <= p[POWER_BITS-1] || hides || (tail && i >= N - (BEATS - 1) * VEC) ? '0 : p;
    end
  endgenerate

  logic signed [POWER_BITS+T-1:0] more;
  logic signed [TOTAL_BITS-1:0] total;
  swm_sum #(.N(VEC), .WIDTH(POWER_BITS)) u_more (.clk, .in(powers), .sum(more));
  swm_valid #(.N(TAKEN + T)) u_add (.clk, .rst, .in(read), .out(add));
  swm_delay #(.N(TAKEN + T)) u_start (.clk, .in(first), .out(start));
  always_ff @(posedge clk) if (add) total <= (start ? '0 : total) + TOTAL_BITS'(more);

  swm_delay #(.WIDTH(VEC * POWER_BITS), .N(T + 1)) u_passed (.clk, .in(powers), .out(passed));
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_valid #(.N(LATENCY)) u_push_total (.clk, .rst, .in(read && last), .out(push_total));
  swm_fifo #(.WIDTH(VEC * POWER_BITS), .DEPTH(32'(DEPTHS[31:0])), .PIPELINE(LATENCY)) u_powers (
      .clk, .rst, .reserve(read), .room(powers_room), .push, .in_data(passed), .out_valid(out_valid[0]),
      .out_ready(out_ready[0]), .out_data(out_data[VEC*POWER_BITS-1:0]));
  swm_fifo #(.WIDTH(TOTAL_BITS), .DEPTH(32'(DEPTHS[63:32])), .PIPELINE(LATENCY)) u_totals (
      .clk, .rst, .reserve(read && last), .room(total_room), .push(push_total), .in_data(total),
      .out_valid(out_valid[1]), .out_ready(out_ready[1]), .out_data(out_data[VEC*POWER_BITS+:TOTAL_BITS]));
endmodule
