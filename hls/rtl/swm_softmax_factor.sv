// SPDX-License-Identifier: Apache-2.0
/// \file swm_softmax_factor.sv
/// \brief Softmax, the third of its processes: the reciprocal of each token's sum (docs/arithmetic.md section 6).
///
/// 2^h <= total < 2^(h+1); reciprocal = 2^h / total, FRAC fractional bits, by a table of lines over segments of 2^STEP_BITS. A
/// token a cycle: in the sum, out the reciprocal and h, FACTOR_BITS each. A word of the file holds a start (2 bits finer than
/// a reciprocal) and its rise above it, FRAC + 4 bits each.
///
/// Latency 8: h, shifted, memory 2, operand, product, line, rounded.
module swm_softmax_factor #(
    parameter int TOTAL_BITS = 15,
    parameter int FACTOR_BITS = 13,
    parameter int FRAC = 11,
    parameter int STEP_BITS = 6,
    parameter RECIPROCALS = "",
    parameter int LUTRAM = 0,
    parameter int DEPTH = 2
) (
    input  logic                     clk,
    input  logic                     rst,
    input  logic                     in_valid,
    output logic                     in_ready,
    input  logic [   TOTAL_BITS-1:0] in_data,
    output logic                     out_valid,
    input  logic                     out_ready,
    output logic [2*FACTOR_BITS-1:0] out_data
);
  localparam int LATENCY = 8;
  localparam int SEGMENTS = 1 << (FRAC - STEP_BITS);
  localparam int IW = SEGMENTS > 1 ? $clog2(SEGMENTS) : 1;
  localparam int ENTRY = FRAC + 4;
  localparam int LINE = ENTRY + STEP_BITS + 2;
  localparam int HW = $clog2(TOTAL_BITS);
  logic read, push;
  assign read = in_valid && in_ready;

  logic [HW-1:0] power, h, h_late;
  always_comb begin
    power = '0;
    for (int i = 1; i < TOTAL_BITS; i = i + 1) if ((in_data >> i) != '0) power = HW'(i);
  end
  logic [TOTAL_BITS-1:0] total;
  logic [FRAC:0] moved;
  always_ff @(posedge clk) begin
    h <= power;
    total <= in_data;
    moved <= (FRAC + 1)'({total, FRAC'(0)} >> h);  // its highest bit is 1
  end

  logic [2*ENTRY-1:0] entry;
  logic signed [LINE-1:0] start, start_late, line;
  logic signed [FRAC+1:0] reciprocal;
  swm_rom #(.WIDTH(2 * ENTRY), .DEPTH(SEGMENTS), .FILE(RECIPROCALS), .LUTRAM(LUTRAM)) u_reciprocals (
      .clk, .address(IW'(moved[FRAC-1:0] >> STEP_BITS)), .data(entry));
  assign start = LINE'($signed(entry[ENTRY-1:0])) <<< STEP_BITS;
  swm_delay #(.WIDTH(LINE), .N(2)) u_start (.clk, .in(start), .out(start_late));
  generate
    if (STEP_BITS > 0) begin : g_line
      logic [STEP_BITS-1:0] place;
      logic signed [ENTRY+STEP_BITS:0] gain;
      swm_delay #(.WIDTH(STEP_BITS), .N(2)) u_place (.clk, .in(moved[STEP_BITS-1:0]), .out(place));
      swm_multiply #(.WA(ENTRY), .WB(STEP_BITS + 1)) u_gain (
          .clk, .a(entry[2*ENTRY-1:ENTRY]), .b({1'b0, place}), .p(gain));
      always_ff @(posedge clk) line <= start_late + LINE'(gain);
    end else begin : g_constant
      logic unused;
      assign unused = &{1'b0, entry[2*ENTRY-1:ENTRY]};
      always_ff @(posedge clk) line <= start_late;
    end
  endgenerate
  always_ff @(posedge clk) reciprocal <= (FRAC + 2)'((line + LINE'(1 << (STEP_BITS + 1))) >>> (STEP_BITS + 2));

  swm_delay #(.WIDTH(HW), .N(LATENCY - 1)) u_h (.clk, .in(h), .out(h_late));
  logic [2*FACTOR_BITS-1:0] value;
  assign value = {FACTOR_BITS'(h_late), FACTOR_BITS'(reciprocal)};
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(2 * FACTOR_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(read), .room(in_ready), .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, moved[FRAC]};
endmodule
