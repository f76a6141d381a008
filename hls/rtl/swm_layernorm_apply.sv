// SPDX-License-Identifier: Apache-2.0
/// \file swm_layernorm_apply.sv
/// \brief Layer normalisation, the last of three: the outputs of each token (docs/arithmetic.md section 6).
///
/// normal = round(round((N x - sum) 2^NORMAL_FRAC / 2^h) root / 2^ROOT_FRAC); y = activation(gain normal + offset). A beat a cycle,
/// ceil(N / VEC) a token; iteration i reads beat i of the token (input 1), the first of a token its sum, root and h (input 0),
/// too, and writes beat i. A word of a file holds a beat's gains or offsets, the first channel in the lowest bits.
///
/// Latency 10 + that of swm_finish: taken, N x, centred, half added, shifted, operand, product, rounded, operand, product.
module swm_layernorm_apply #(
    parameter int N = 8,
    parameter int BITS = 8,
    parameter int TOTAL_BITS = 11,
    parameter int SCALE_BITS = 20,
    parameter int SPREAD_BITS = 24,
    parameter int NORMAL_FRAC = 8,
    parameter int ROOT_FRAC = 8,
    parameter int MEAN_FREE = 0,   // sum(x) counts as 0
    parameter int WEIGHT_BITS = 8,
    parameter int BIAS_BITS = 16,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int VEC = 1,
    parameter WEIGHTS = "",
    parameter BIAS = "",
    parameter int DEPTH = 2
) (
    input  logic                             clk,
    input  logic                             rst,
    input  logic [                      1:0] in_valid,
    output logic [                      1:0] in_ready,
    input  logic [VEC*BITS+3*SCALE_BITS-1:0] in_data,
    output logic                             out_valid,
    input  logic                             out_ready,
    output logic [         VEC*OUT_BITS-1:0] out_data
);
  localparam int BEATS = (N + VEC - 1) / VEC;
  localparam int BW = BEATS > 1 ? $clog2(BEATS) : 1;
  localparam int LATENCY = 10 + FINISH;
  localparam int GROWTH = $clog2(N);
  localparam int CENTRED = TOTAL_BITS + 1;
  localparam int NORMAL = NORMAL_FRAC + (GROWTH + 1) / 2 + 2;
  localparam int NARROWED = NORMAL + 1;
  localparam int ROOT = ROOT_FRAC + 2;
  localparam int SHIFTED = CENTRED + NORMAL_FRAC;
  localparam int WIDE = (SHIFTED > SPREAD_BITS / 2 ? SHIFTED : SPREAD_BITS / 2) + 2;
  localparam int HW = $clog2(SPREAD_BITS / 2 + 1);
  localparam int HELD = TOTAL_BITS + ROOT + HW;
  logic room, first, read, at_last, last, push;
  logic [BW-1:0] beat, beat_gain, beat_bias;
  assign first = beat == '0;
  assign read = in_valid[1] && room && (in_valid[0] || !first);
  assign in_ready = {read, read && first};
  swm_counter #(.N(BEATS)) u_beat (.clk, .rst, .step(read), .at(beat), .last(at_last));
  swm_delay #(.N(LATENCY)) u_last (.clk, .in(at_last), .out(last));

  // Sum, root and h of the token, along with its beats.
  logic [HELD-1:0] now, held;
  logic [TOTAL_BITS-1:0] sum;
  assign sum = MEAN_FREE != 0 ? '0 : in_data[0+:TOTAL_BITS];
  assign now = {in_data[2*SCALE_BITS+:HW], in_data[SCALE_BITS+:ROOT], sum};
  logic [VEC*BITS-1:0] x;
  always_ff @(posedge clk) begin
    if (read && first) held <= now;  // those of a beat that is taken stand until the next is
    x <= in_data[3*SCALE_BITS+:VEC*BITS];
  end
  logic [TOTAL_BITS-1:0] total;
  logic [ROOT-1:0] root;
  logic [HW-1:0] h_half, h;
  swm_delay #(.WIDTH(TOTAL_BITS), .N(1)) u_total (.clk, .in(held[0+:TOTAL_BITS]), .out(total));
  swm_delay #(.WIDTH(ROOT), .N(4)) u_root (.clk, .in(held[TOTAL_BITS+:ROOT]), .out(root));
  swm_delay #(.WIDTH(HW), .N(2)) u_h_half (.clk, .in(held[TOTAL_BITS+ROOT+:HW]), .out(h_half));
  swm_delay #(.WIDTH(HW), .N(1)) u_h (.clk, .in(h_half), .out(h));

  logic [VEC*WEIGHT_BITS-1:0] gain;
  logic [VEC*BIAS_BITS-1:0] bias;
  swm_delay #(.WIDTH(BW), .N(6)) u_beat_gain (.clk, .in(beat), .out(beat_gain));
  swm_delay #(.WIDTH(BW), .N(2)) u_beat_bias (.clk, .in(beat_gain), .out(beat_bias));
  swm_rom #(.WIDTH(VEC * WEIGHT_BITS), .DEPTH(BEATS), .FILE(WEIGHTS), .LUTRAM(1)) u_gain (
      .clk, .address(beat_gain), .data(gain));
  swm_rom #(.WIDTH(VEC * BIAS_BITS), .DEPTH(BEATS), .FILE(BIAS), .LUTRAM(1)) u_bias (
      .clk, .address(beat_bias), .data(bias));

  logic [VEC*OUT_BITS-1:0] value;
  genvar i;
  generate
    for (i = 0; i < VEC; i = i + 1) begin : g_value
      logic signed [CENTRED-1:0] times, centred;
      logic [CENTRED-1:0] multiple;  // N x of shifts and sums: no DSP block
      logic signed [WIDE-1:0] halved;
      logic signed [NARROWED-1:0] narrowed;
      logic signed [NARROWED+ROOT-1:0] product;
      logic signed [NORMAL-1:0] normal;
      logic signed [NORMAL+WEIGHT_BITS-1:0] scaled;
      logic signed [OUT_BITS-1:0] y;
      always_comb begin
        multiple = '0;
        for (int j = 0; j <= GROWTH; j = j + 1)
          if (((N >> j) & 1) != 0) multiple = multiple + (CENTRED'($signed(x[i*BITS+:BITS])) << j);
      end
      always_ff @(posedge clk) begin
        times <= multiple;
        centred <= times - CENTRED'($signed(total));
        halved <= (WIDE'(centred) <<< NORMAL_FRAC) + $signed((WIDE'(1) << h_half) >> 1);
        narrowed <= NARROWED'(halved >>> h);
        normal <= NORMAL'((product + (NARROWED + ROOT)'(1 << (ROOT_FRAC - 1))) >>> ROOT_FRAC);
      end
      swm_multiply #(.WA(NARROWED), .WB(ROOT)) u_root (.clk, .a(narrowed), .b(root), .p(product));
      swm_multiply #(.WA(NORMAL), .WB(WEIGHT_BITS)) u_gain (
          .clk, .a(normal), .b(gain[i*WEIGHT_BITS+:WEIGHT_BITS]), .p(scaled));
      swm_finish #(
          .SUM(NORMAL + WEIGHT_BITS), .BIAS(BIAS_BITS), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(scaled), .bias(bias[i*BIAS_BITS+:BIAS_BITS]), .y);
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= N - (BEATS - 1) * VEC ? '0 : y;
    end
  endgenerate
  swm_valid #(.N(LATENCY)) u_push (.clk, .rst, .in(read), .out(push));
  swm_fifo #(.WIDTH(VEC * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(LATENCY)) u_out (
      .clk, .rst, .reserve(read), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, in_data[3*SCALE_BITS-1:0]};
endmodule
