// SPDX-License-Identifier: Apache-2.0
/// \file swm_reorder.sv
/// \brief A frame of POSITIONS tokens of N channels leaves as N tokens of POSITIONS channels.
///
/// A frame is written into one half of a memory while the one before it is read, in the other order, from the other half.
/// Channel c of token p lies in bank (p + c) mod VEC at address p * ceil(N / VEC) + c / VEC, so that the VEC values of a beat
/// lie in banks of their own in both orders; a beat is turned by p mod VEC on its way in, by c mod VEC on its way out.
///
/// Two loops that wait for whole frames only (swm_block_walk), each a beat a cycle.
///
/// Latency 4 (address, memory 2, turned).
module swm_reorder #(
    parameter int N = 4,
    parameter int POSITIONS = 4,
    parameter int BITS = 8,
    parameter int VEC = 1,
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
  localparam int N_BEATS = (N + VEC - 1) / VEC;          // of a token that comes
  localparam int P_BEATS = (POSITIONS + VEC - 1) / VEC;  // of a token that goes
  localparam int TAIL = POSITIONS - (P_BEATS - 1) * VEC;
  localparam int HALF = POSITIONS * N_BEATS;             // words of one half of a bank
  localparam int AW = $clog2(2 * HALF);
  localparam int TW = VEC > 1 ? $clog2(VEC) : 1;
  localparam int NB = N_BEATS > 1 ? $clog2(N_BEATS) : 1;
  localparam int PB = P_BEATS > 1 ? $clog2(P_BEATS) : 1;
  localparam int NW = N > 1 ? $clog2(N) : 1;
  localparam int PW = POSITIONS > 1 ? $clog2(POSITIONS) : 1;
  localparam int HW = HALF > 1 ? $clog2(HALF) : 1;

  localparam int OUT = N * P_BEATS;
  localparam int OW = OUT > 1 ? $clog2(OUT) : 1;
  logic load_half, half, load, active, room, out_beat_last, unused_channel_last;
  logic [HW-1:0] load_to;
  logic [OW-1:0] unused_out;
  swm_block_walk #(.LOADS(HALF), .EMITS(OUT)) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(load_to), .room, .emit(active),
      .emit_half(half), .emit_at(unused_out));

  // A frame comes.
  logic in_beat_last, unused_token_last;
  logic [NB-1:0] unused_in_beat;
  logic [PW-1:0] token;
  swm_counter #(.N(N_BEATS)) u_in_beat (.clk, .rst, .step(load), .at(unused_in_beat), .last(in_beat_last));
  swm_counter #(.N(POSITIONS)) u_token (
      .clk, .rst, .step(load && in_beat_last), .at(token), .last(unused_token_last));
  logic write;
  logic [AW-1:0] to;
  logic [VEC*BITS-1:0] turned, value;
  generate
    if (VEC == 1) begin : g_come_straight
      assign turned = in_data;
    end else begin : g_come_turned
      swm_rotate #(.N(VEC), .WIDTH(BITS), .STEP(1), .BITS(TW)) u_come (
          .in(in_data), .amount(TW'(0) - TW'(token)), .out(turned));
    end
  endgenerate
  swm_valid #(.N(1)) u_write (.clk, .rst, .in(load), .out(write));
  always_ff @(posedge clk) begin
    to <= (load_half ? AW'(HALF) : '0) + AW'(load_to);
    value <= turned;
  end

  // A frame goes.
  logic push;
  logic [PB-1:0] unused_out_beat;
  logic [NW-1:0] channel;
  logic [AW-1:0] row;  // address of the first token of the beat
  logic [TW-1:0] turn, late_turn;
  logic [VEC-1:0] there, late_there;
  swm_counter #(.N(P_BEATS)) u_out_beat (.clk, .rst, .step(active), .at(unused_out_beat), .last(out_beat_last));
  swm_counter #(.N(N)) u_channel (.clk, .rst, .step(active && out_beat_last), .at(channel), .last(unused_channel_last));
  always_ff @(posedge clk) begin
    if (rst || (active && out_beat_last)) row <= '0;
    else if (active) row <= row + AW'(VEC * N_BEATS);
  end
  assign turn = VEC > 1 ? TW'(channel) : '0;

  logic [VEC*BITS-1:0] fetched, kept, straight, beat;
  genvar b;
  generate
    for (b = 0; b < VEC; b = b + 1) begin : g_bank
      logic [TW-1:0] lane;
      logic [AW-1:0] from;
      assign lane = TW'(b) - turn;
      assign there[b] = !out_beat_last || 32'(lane) < TAIL;
      always_ff @(posedge clk)
        from <= (half ? AW'(HALF) : '0) + row + AW'(32'(channel) / VEC) + AW'(32'(lane) * N_BEATS);
      swm_ram #(.WIDTH(BITS), .DEPTH(2 * HALF)) u_bank (
          .clk, .write, .to, .value(value[b*BITS+:BITS]), .from, .data(fetched[b*BITS+:BITS]));
      assign kept[b*BITS+:BITS] = late_there[b] ? fetched[b*BITS+:BITS] : '0;
    end
  endgenerate
  swm_delay #(.WIDTH(TW), .N(3)) u_turn (.clk, .in(turn), .out(late_turn));
  swm_delay #(.WIDTH(VEC), .N(3)) u_there (.clk, .in(there), .out(late_there));
  generate
    if (VEC == 1) begin : g_go_straight
      logic unused_turn;
      assign unused_turn = &{1'b0, late_turn};
      assign straight = kept;
    end else begin : g_go_turned
      swm_rotate #(.N(VEC), .WIDTH(BITS), .STEP(1), .BITS(TW)) u_go (.in(kept), .amount(late_turn), .out(straight));
    end
  endgenerate
  always_ff @(posedge clk) beat <= straight;
  swm_valid #(.N(4)) u_push (.clk, .rst, .in(active), .out(push));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(4)) u_fifo (
      .clk, .rst, .reserve(active), .room, .push, .in_data(beat), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, token, unused_token_last, unused_in_beat, unused_out_beat, unused_out, unused_channel_last};
endmodule
