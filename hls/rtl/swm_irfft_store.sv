// SPDX-License-Identifier: Apache-2.0
/// \file swm_irfft_store.sv
/// \brief The end of the inverse transforms of blocks of K >= 32 points: stages 2 and 1, natural order, bias, activation.
///
/// In: units of stage 3, K/4 beats of LANES = max(1, OUT_VEC / 4) blocks. Out: beats of OUT_VEC values, ceil(M / OUT_VEC) a
/// token. Units 2v and 2v + 1 hold the words of units v and v + K/8 of the last pass: the one is done with the second beat, the
/// other a cycle later. Values lie in 4 LANES banks as in swm_rfft_load; two halves, GROUPS of blocks a token
/// (swm_block_walk).
///
/// Latency from a beat to its place in the stream: 7 (4 until the last values are stored, memory 2, turned) + that of swm_finish.
module swm_irfft_store #(
    parameter int K = 32,
    parameter int M = 32,
    parameter int SUM_BITS = 16,   // of a part of a rounded sum
    parameter int FFT_SHIFTS = 0,
    parameter int BIAS_BITS = 17,
    parameter int OUT_BITS = 12,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,      // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int OUT_VEC = 1,
    parameter int GROUPS = 1,
    parameter BIAS = "",
    parameter int DEPTH = 2,
    parameter int LANES = OUT_VEC > 4 ? OUT_VEC / 4 : 1,
    parameter int WP = SUM_BITS + 1 + (FFT_SHIFTS > 2 ? FFT_SHIFTS - 2 : 0)
) (
    input  logic                        clk,
    input  logic                        rst,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [      LANES*4*WP-1:0] in_data,
    output logic                        out_valid,
    input  logic                        out_ready,
    output logic [OUT_VEC*OUT_BITS-1:0] out_data
);
  localparam int V = OUT_VEC;
  localparam int UNITS = K / 4;
  localparam int UB = $clog2(UNITS);
  localparam int BANKS = 4 * LANES;
  localparam int BB = $clog2(BANKS);
  localparam int PART = V < UNITS ? V : UNITS;
  localparam int TOGETHER = V / PART;
  localparam int TURN_BITS = $clog2(BANKS / TOGETHER);
  localparam int DEEP_BITS = $clog2(UNITS / PART);
  localparam int TIME = V > 4 ? UNITS : K / V;  // beats of a group
  localparam int TB = $clog2(TIME);
  localparam int OUT_BEATS = (M + V - 1) / V;
  localparam int TAIL = M - (OUT_BEATS - 1) * V;  // values of the last beat
  localparam int BW = OUT_BEATS > 1 ? $clog2(OUT_BEATS) : 1;
  localparam int WY = SUM_BITS + 1 + FFT_SHIFTS;
  localparam int H = FFT_SHIFTS >= 2 ? 0 : 2 - FFT_SHIFTS;  // halvings in these two stages
  localparam int ONE = H == 0 ? 0 : 1 << (H - 1);
  localparam int KEEP = 4;         // cycles from a beat until all that it gives is stored
  localparam int S = KEEP + 3;     // where the values stand

  logic load, load_half, room, emit, emit_half, push;
  logic [UB-1:0] unit;
  logic [TB-1:0] now;
  swm_block_walk #(
      .LOADS(UNITS), .EMITS(TIME), .GROUPS(GROUPS), .LAST_EMITS(OUT_BEATS - (GROUPS - 1) * TIME), .LW(UB), .EW(TB)
  ) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(unit), .room, .emit, .emit_half,
      .emit_at(now));

  // Two beats to two units, one at once, one a cycle later.
  logic second, waiting, go, keep;
  logic [UB:0] at, waiting_at, keep_at;
  assign second = load && unit[0];
  always_ff @(posedge clk) begin
    waiting <= second && !rst;
    waiting_at <= {load_half, 1'b1, unit[UB-1:1]};
  end
  assign go = second || waiting;
  assign at = second ? {load_half, 1'b0, unit[UB-1:1]} : waiting_at;
  swm_valid #(.N(3)) u_keep (.clk, .rst, .in(go), .out(keep));
  swm_delay #(.WIDTH(UB + 1), .N(3)) u_keep_at (.clk, .in(at), .out(keep_at));

  logic [BANKS*WY-1:0] points, turned, stored, fetched, back, row;
  genvar l, b, i;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      logic [2*WP-1:0] low, high, held_low, held_high, late_low, late_high;
      logic signed [WP-1:0] b_re, b_im, c_re, c_im;
      logic signed [WP+2:0] total, difference, twice_re, twice_im;
      logic signed [WY-1:0] y0, y1, y2, y3;
      assign {high, low} = in_data[l*4*WP+:4*WP];
      assign {b_im, b_re} = second ? held_low : late_low;
      assign {c_im, c_re} = second ? low : late_high;
      always_ff @(posedge clk) begin
        if (load) {held_high, held_low} <= {high, low};
        if (second) {late_high, late_low} <= {high, held_high};
        total <= (WP + 3)'(b_re) + (WP + 3)'(b_im) + (WP + 3)'(ONE);
        difference <= (WP + 3)'(b_re) - (WP + 3)'(b_im) + (WP + 3)'(ONE);
        twice_re <= (WP + 3)'(c_re) <<< 1;
        twice_im <= (WP + 3)'(c_im) <<< 1;
        y0 <= WY'((total + twice_re) >>> H);
        y1 <= WY'((difference - twice_im) >>> H);
        y2 <= WY'((total - twice_re) >>> H);
        y3 <= WY'((difference + twice_im) >>> H);
      end
      assign points[l*4*WY+:4*WY] = {y3, y2, y1, y0};
    end
    if (PART == 1) begin : g_straight
      assign turned = points;
    end else begin : g_turned
      localparam int PB = $clog2(PART);
      logic [PB-1:0] amount;
      swm_delay #(.WIDTH(PB), .N(2)) u_amount (.clk, .in(at[PB-1:0]), .out(amount));
      swm_rotate #(.N(BANKS), .WIDTH(WY), .STEP(TOGETHER), .BITS(TURN_BITS)) u_turn (
          .in(points), .amount(TURN_BITS'(0) - TURN_BITS'(amount)), .out(turned));
      logic unused;
      assign unused = &{1'b0, amount};
    end
  endgenerate
  always_ff @(posedge clk) stored <= turned;

  // Beats on their way out: value j PART + r of a beat lies in bank (first TOGETHER + j + TOGETHER r) mod BANKS.
  logic from_half;
  logic [TB-1:0] from_at, row_at;
  logic [TURN_BITS-1:0] first;
  swm_delay #(.WIDTH(TB + 1), .N(KEEP)) u_from (.clk, .in({emit_half, now}), .out({from_half, from_at}));
  swm_delay #(.WIDTH(TB), .N(2)) u_row_at (.clk, .in(from_at), .out(row_at));
  assign first = TURN_BITS'(32'(row_at) >> DEEP_BITS);
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : g_bank
      logic [BB-1:0] s;
      logic [UB-1:0] from;
      assign s = BB'(b) - BB'((32'(from_at) >> DEEP_BITS) * TOGETHER);
      assign from = UB'((32'(from_at) & ((1 << DEEP_BITS) - 1)) * PART + ((32'(s) >> $clog2(TOGETHER)) & (PART - 1)));
      swm_ram #(.WIDTH(WY), .DEPTH(2 * UNITS)) u_y (
          .clk, .write(keep), .to(keep_at), .value(stored[b*WY+:WY]), .from({from_half, from}), .data(fetched[b*WY+:WY]));
    end
  endgenerate
  swm_rotate #(.N(BANKS), .WIDTH(WY), .STEP(TOGETHER), .BITS(TURN_BITS)) u_back (.in(fetched), .amount(first), .out(back));
  always_ff @(posedge clk) row <= back;

  logic bias_step, bias_last, last;
  logic [BW-1:0] beat;  // of the token, two cycles ahead of the values
  logic [V*BIAS_BITS-1:0] bias;
  logic [V*OUT_BITS-1:0] value;
  swm_valid #(.N(S - 2)) u_bias_step (.clk, .rst, .in(emit), .out(bias_step));
  swm_counter #(.N(OUT_BEATS)) u_beat (.clk, .rst, .step(bias_step), .at(beat), .last(bias_last));
  swm_delay #(.N(2 + FINISH)) u_last (.clk, .in(bias_last), .out(last));
  swm_rom #(.WIDTH(V * BIAS_BITS), .DEPTH(OUT_BEATS), .FILE(BIAS), .LUTRAM(1)) u_bias (.clk, .address(beat), .data(bias));
  generate
    for (i = 0; i < V; i = i + 1) begin : g_value
      localparam int FROM = (i % PART) * TOGETHER + i / PART;
      logic signed [OUT_BITS-1:0] result;
      swm_finish #(
          .SUM(WY), .BIAS(BIAS_BITS), .OUT(OUT_BITS), .OUT_SHIFT(OUT_SHIFT),
          .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE)
      ) u_finish (.clk, .sum(row[FROM*WY+:WY]), .bias(bias[i*BIAS_BITS+:BIAS_BITS]), .y(result));
      assign value[i*OUT_BITS+:OUT_BITS] = last && i >= TAIL ? '0 : result;
    end
  endgenerate
  swm_valid #(.N(S + FINISH)) u_push (.clk, .rst, .in(emit), .out(push));
  swm_fifo #(.WIDTH(V * OUT_BITS), .DEPTH(DEPTH), .PIPELINE(S + FINISH)) u_out (
      .clk, .rst, .reserve(emit), .room, .push, .in_data(value), .out_valid, .out_ready, .out_data);
  generate
    if (V < BANKS) begin : g_unused
      logic unused;
      assign unused = &{1'b0, row};
    end
  endgenerate
endmodule
