// SPDX-License-Identifier: Apache-2.0
/// \file swm_rfft_load.sv
/// \brief Collects blocks of K >= 32 values and transforms them by stages 1 and 2 (docs/arithmetic.md section 2).
///
/// In: beats of IN_VEC values, IN_BEATS a token; those behind them, to the end of the last block, count as zeros and are not
/// read. Out: K/4 beats for each of GROUPS groups of LANES = max(1, IN_VEC / 4) blocks; beat u holds words 2u and 2u + 1 of the
/// first pass (re, im) of every block.
///
/// Value u + m K/4 of lane l lies at address u of bank (4 l + m + TOGETHER (u mod PART)) mod 4 LANES, as `corner` in
/// hls/swm/passes.h has it: neither the values of a beat nor the four of a unit meet in a bank. Two halves (swm_block_walk).
///
/// Latency from a unit to its beat: 5 (address, memory 2, turned, sums).
module swm_rfft_load #(
    parameter int K = 32,
    parameter int IN_BITS = 12,
    parameter int FFT_SHIFTS = 0,
    parameter int IN_VEC = 1,
    parameter int IN_BEATS = 32,
    parameter int GROUPS = 1,
    parameter int DEPTH = 2,
    parameter int LANES = IN_VEC > 4 ? IN_VEC / 4 : 1,
    parameter int WX = IN_BITS + $clog2(K) - FFT_SHIFTS
) (
    input  logic                      clk,
    input  logic                      rst,
    input  logic                      in_valid,
    output logic                      in_ready,
    input  logic [IN_VEC*IN_BITS-1:0] in_data,
    output logic                      out_valid,
    input  logic                      out_ready,
    output logic [    LANES*4*WX-1:0] out_data
);
  localparam int UNITS = K / 4;
  localparam int UB = $clog2(UNITS);
  localparam int BANKS = 4 * LANES;
  localparam int BB = $clog2(BANKS);
  localparam int PART = IN_VEC < UNITS ? IN_VEC : UNITS;
  localparam int TOGETHER = IN_VEC / PART;
  localparam int TURN_BITS = $clog2(BANKS / TOGETHER);
  localparam int DEEP_BITS = $clog2(UNITS / PART);
  localparam int TIME = IN_VEC > 4 ? UNITS : K / IN_VEC;  // beats of a group
  localparam int TB = $clog2(TIME);
  localparam int PW = $clog2(GROUPS * TIME);
  localparam int GROWN = $clog2(K) - FFT_SHIFTS;
  localparam int H = GROWN >= 2 ? 0 : 2 - GROWN;  // halvings in these two stages
  localparam int ONE = H == 0 ? 0 : 1 << (H - 1);
  localparam int S = IN_BITS + 3 > WX ? IN_BITS + 3 : WX;
  localparam int LATE = 5;

  logic reads, free, load, load_half, room, emit, emit_half, unused_last, push;
  logic [TB-1:0] now;
  logic [UB-1:0] unit;
  logic [PW-1:0] place;
  assign reads = 32'(place) < IN_BEATS;
  assign in_ready = reads && free;
  swm_counter #(.N(GROUPS * TIME)) u_place (.clk, .rst, .step(load), .at(place), .last(unused_last));
  swm_block_walk #(.LOADS(TIME), .EMITS(UNITS)) u_walk (
      .clk, .rst, .offered(in_valid || !reads), .free, .load, .load_half, .load_at(now), .room, .emit, .emit_half,
      .emit_at(unit));

  // A beat to its banks: value j PART + r of it goes to bank (first TOGETHER + j + TOGETHER r) mod BANKS.
  logic [IN_VEC*IN_BITS-1:0] value;
  logic [BANKS*IN_BITS-1:0] arranged, turned, stored;
  logic [TURN_BITS-1:0] first;
  logic write, write_half;
  logic [TB-1:0] write_at;
  assign value = reads ? in_data : '0;
  assign first = TURN_BITS'(32'(now) >> DEEP_BITS);
  genvar b, l;
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : g_arrange
      if (b < IN_VEC) begin : g_value
        assign arranged[b*IN_BITS+:IN_BITS] = value[((b%TOGETHER)*PART+b/TOGETHER)*IN_BITS+:IN_BITS];
      end else begin : g_none
        assign arranged[b*IN_BITS+:IN_BITS] = '0;
      end
    end
  endgenerate
  swm_rotate #(.N(BANKS), .WIDTH(IN_BITS), .STEP(TOGETHER), .BITS(TURN_BITS)) u_store (
      .in(arranged), .amount(TURN_BITS'(0) - first), .out(turned));
  swm_valid #(.N(1)) u_write (.clk, .rst, .in(load), .out(write));
  always_ff @(posedge clk) begin
    stored <= turned;
    write_half <= load_half;
    write_at <= now;
  end

  logic [UB:0] from;
  logic [BANKS*IN_BITS-1:0] fetched, points, unit_points;
  always_ff @(posedge clk) from <= {emit_half, unit};
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : g_bank
      logic [BB-1:0] s;  // place in the beat of what this bank takes
      logic [UB-1:0] at;
      assign s = BB'(b) - BB'((32'(write_at) >> DEEP_BITS) * TOGETHER);
      assign at = UB'((32'(write_at) & ((1 << DEEP_BITS) - 1)) * PART + (32'(s) >> $clog2(TOGETHER)));
      swm_ram #(.WIDTH(IN_BITS), .DEPTH(2 * UNITS)) u_x (
          .clk, .write(write && 32'(s) < IN_VEC), .to({write_half, at}), .value(stored[b*IN_BITS+:IN_BITS]), .from,
          .data(fetched[b*IN_BITS+:IN_BITS]));
    end
    if (PART == 1) begin : g_straight
      assign points = fetched;
    end else begin : g_turned
      localparam int PB = $clog2(PART);
      logic [PB-1:0] amount;
      swm_delay #(.WIDTH(PB), .N(3)) u_amount (.clk, .in(unit[PB-1:0]), .out(amount));
      // Turns beyond the banks come round again.
      localparam int RB = PB < TURN_BITS ? PB : TURN_BITS;
      swm_rotate #(.N(BANKS), .WIDTH(IN_BITS), .STEP(TOGETHER), .BITS(RB)) u_fetch (
          .in(fetched), .amount(amount[RB-1:0]), .out(points));
      if (PB > RB) begin : g_unused
        logic unused;
        assign unused = &{1'b0, amount};
      end
    end
  endgenerate
  always_ff @(posedge clk) unit_points <= points;

  logic [LANES*4*WX-1:0] words;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      logic signed [IN_BITS-1:0] x0, x1, x2, x3;
      logic signed [S-1:0] t0, t1, t2, t3;
      logic signed [WX-1:0] a, b2, c, d;
      assign {x3, x2, x1, x0} = unit_points[l*4*IN_BITS+:4*IN_BITS];
      assign t0 = S'(x0) + S'(x2);
      assign t1 = S'(x0) - S'(x2);
      assign t2 = S'(x1) + S'(x3);
      assign t3 = S'(x3) - S'(x1);
      always_ff @(posedge clk) begin
        a <= WX'((t0 + t2 + S'(ONE)) >>> H);
        b2 <= WX'((t0 - t2 + S'(ONE)) >>> H);
        c <= WX'((t1 + S'(ONE)) >>> H);
        d <= WX'((t3 + S'(ONE)) >>> H);
      end
      assign words[l*4*WX+:4*WX] = {d, c, b2, a};
    end
  endgenerate
  swm_valid #(.N(LATE)) u_push (.clk, .rst, .in(emit), .out(push));
  swm_fifo #(.WIDTH(LANES * 4 * WX), .DEPTH(DEPTH), .PIPELINE(LATE)) u_out (
      .clk, .rst, .reserve(emit), .room, .push, .in_data(words), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_last};
endmodule
