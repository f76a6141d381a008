// SPDX-License-Identifier: Apache-2.0
/// \file swm_layernorm_root.sv
/// \brief Layer normalisation, the second of three: the root of each token (docs/arithmetic.md section 6).
///
/// spread = N sum(x^2) - sum(x)^2 + epsilon, 4^h <= spread < 4^(h+1); root = 1 / sqrt(spread / 4^h), FRAC fractional bits, by a table
/// of lines over segments of 2^STEP_BITS. A token a cycle: in sum(x) and sum(x^2) of SUM_BITS, out sum(x), root, h of SCALE_BITS.
/// A word of the file holds a start (2 bits finer than a root) and its rise above it, FRAC + 4 bits each.
///
/// Latency 11: operand, product, spread, h, shifted, memory 2, operand, product, line, rounded.
module swm_layernorm_root #(
    parameter int N = 8,
    parameter int SUM_BITS = 19,
    parameter int TOTAL_BITS = 11,   // of sum(x)
    parameter int SPREAD_BITS = 24,
    parameter int SCALE_BITS = 20,
    parameter int EPSILON_LOW = 1,   // its lower 30 bits
    parameter int EPSILON_HIGH = 0,
    parameter int MEAN_FREE = 0,     // sum(x) counts as 0
    parameter int FRAC = 8,
    parameter int STEP_BITS = 4,
    parameter ROOTS = "",
    parameter int LUTRAM = 0,
    parameter int DEPTH = 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    in_valid,
    output logic                    in_ready,
    input  logic [  2*SUM_BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [3*SCALE_BITS-1:0] out_data
);
  localparam int LATENCY = 11;
  localparam int SEGMENTS = 3 << (FRAC - STEP_BITS);
  localparam int IW = $clog2(SEGMENTS);
  localparam int ENTRY = FRAC + 4;
  localparam int LINE = ENTRY + STEP_BITS + 2;
  localparam int HW = $clog2(SPREAD_BITS / 2 + 1);
  localparam logic signed [61:0] EPSILON = (62'(EPSILON_HIGH) <<< 30) + 62'(EPSILON_LOW);
  logic read, push;
  assign read = in_valid && in_ready;

  logic signed [TOTAL_BITS-1:0] total;
  logic [TOTAL_BITS-1:0] total_late;
  logic signed [2*TOTAL_BITS-1:0] square;
  logic signed [SPREAD_BITS-1:0] squares, scaled, spread, spread_late;
  assign total = MEAN_FREE != 0 ? '0 : in_data[TOTAL_BITS-1:0];
  swm_multiply #(.WA(TOTAL_BITS), .WB(TOTAL_BITS)) u_square (.clk, .a(total), .b(total), .p(square));
  logic [SPREAD_BITS-1:0] multiple;  // N sum(x^2) of shifts and sums: no DSP block
  always_comb begin
    multiple = '0;
    for (int j = 0; j <= $clog2(N); j = j + 1) if (((N >> j) & 1) != 0) multiple = multiple + (squares << j);
  end
  always_ff @(posedge clk) begin
    squares <= SPREAD_BITS'($signed(in_data[2*SUM_BITS-1:SUM_BITS]));
    scaled <= multiple;
    spread <= scaled - SPREAD_BITS'(square) + SPREAD_BITS'(EPSILON);
  end

  logic [HW-1:0] power, h, h_late;
  always_comb begin
    power = '0;
    for (int i = 1; i < (SPREAD_BITS + 1) / 2; i = i + 1) if ((spread >> (2 * i)) != '0) power = HW'(i);
  end
  logic [FRAC+1:0] moved;
  always_ff @(posedge clk) begin
    h <= power;
    spread_late <= spread;
    moved <= (FRAC + 2)'({spread_late, FRAC'(0)} >> {h, 1'b0});
  end

  logic [FRAC+1:0] at;
  logic [2*ENTRY-1:0] entry;
  logic signed [LINE-1:0] start, start_late, line;
  logic signed [FRAC+1:0] root;
  assign at = moved - (FRAC + 2)'(1 << FRAC);
  swm_rom #(.WIDTH(2 * ENTRY), .DEPTH(SEGMENTS), .FILE(ROOTS), .LUTRAM(LUTRAM)) u_roots (
      .clk, .address(IW'(at >> STEP_BITS)), .data(entry));
  assign start = LINE'($signed(entry[ENTRY-1:0])) <<< STEP_BITS;
  swm_delay #(.WIDTH(LINE), .N(2)) u_start (.clk, .in(start), .out(start_late));
  generate
    if (STEP_BITS > 0) begin : g_line
      logic [STEP_BITS-1:0] place;
      logic signed [ENTRY+STEP_BITS:0] gain;
      swm_delay #(.WIDTH(STEP_BITS), .N(2)) u_place (.clk, .in(at[STEP_BITS-1:0]), .out(place));
      swm_multiply #(.WA(ENTRY), .WB(STEP_BITS + 1)) u_gain (
          .clk, .a(entry[2*ENTRY-1:ENTRY]), .b({1'b0, place}), .p(gain));
      always_ff @(posedge clk) line <= start_late + LINE'(gain);
    end else begin : g_constant
      logic unused;
      assign unused = &{1'b0, entry[2*ENTRY-1:ENTRY]};
      always_ff @(posedge clk) line <= start_late;
    end
  endgenerate
  always_ff @(posedge clk) root <= (FRAC + 2)'((line + LINE'(1 << (STEP_BITS + 1))) >>> (STEP_BITS + 2));

  swm_delay #(.WIDTH(TOTAL_BITS), .N(LATENCY)) u_total (.clk, .in(total), .out(total_late));
  swm_delay #(.WIDTH(HW), .N(LATENCY - 4)) u_h (.clk, .in(h), .out(h_late));
  logic [3*SCALE_BITS-1:0] value;
  assign value = {SCALE_BITS'(h_late), SCALE_BITS'(root), SCALE_BITS'($signed(total_late))};
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(3 * SCALE_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(read), .room(in_ready), .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, in_data[SUM_BITS-1:0]};
endmodule
