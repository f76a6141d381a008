// SPDX-License-Identifier: Apache-2.0
/// \file swm_reorder.sv
/// \brief A frame of POSITIONS tokens of N channels leaves as N tokens of POSITIONS channels, or (FLAT) as one token of all.
///
/// A frame is written into one half of a memory while the one before it is read, in the other order, from the other half.
/// Beat j that leaves lies at address j of all banks. Where beats end with the tokens that leave, channel c of token p lies in
/// bank (c + p) mod VEC; else in bank (c Q + p / E + (p mod E) VEC / E) mod VEC, see hls/swm/reorder.h. So the VEC values of a
/// beat lie in banks of their own in both orders; a beat is turned on its way in and on its way out.
///
/// Two loops that wait for whole frames only (swm_block_walk), each a beat a cycle.
///
/// Latency 4 (address, memory 2, turned).
module swm_reorder #(
    parameter int N = 4,
    parameter int POSITIONS = 4,
    parameter int FLAT = 0,
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
  localparam int N_TAIL = N - (N_BEATS - 1) * VEC;
  localparam int P_BEATS = (POSITIONS + VEC - 1) / VEC;
  localparam int ACROSS = FLAT != 0 && POSITIONS % VEC != 0 ? 1 : 0;  // beats go on from channel to channel
  localparam int EVEN = ACROSS != 0 ? (POSITIONS & -POSITIONS) : VEC;
  localparam int GROUPS = VEC / EVEN;
  localparam int ODD = ACROSS != 0 ? (POSITIONS / EVEN) % VEC : 1;
  localparam int NEAR = (ODD * ((2 - ODD * ODD) & (VEC - 1))) & (VEC - 1);
  localparam int BACK = (NEAR * ((2 - ODD * NEAR) & (VEC - 1))) & (VEC - 1);  // ODD BACK = 1 mod VEC
  localparam int ALL = N * POSITIONS;
  localparam int COLUMN = ACROSS != 0 ? POSITIONS : P_BEATS * VEC;  // values from channel to channel
  localparam int COME = POSITIONS * N_BEATS;
  localparam int OUT = ACROSS != 0 ? (ALL + VEC - 1) / VEC : N * P_BEATS;  // words of one half of a bank
  localparam int TOKEN = ACROSS != 0 ? OUT : P_BEATS;                      // beats until one is not full
  localparam int TAIL = ACROSS != 0 ? ALL - (OUT - 1) * VEC : POSITIONS - (P_BEATS - 1) * VEC;
  localparam int AW = $clog2(2 * OUT);
  localparam int TW = VEC > 1 ? $clog2(VEC) : 1;
  localparam int NB = N_BEATS > 1 ? $clog2(N_BEATS) : 1;
  localparam int TB = TOKEN > 1 ? $clog2(TOKEN) : 1;
  localparam int PW = POSITIONS > 1 ? $clog2(POSITIONS) : 1;
  localparam int CW = COME > 1 ? $clog2(COME) : 1;
  localparam int OW = OUT > 1 ? $clog2(OUT) : 1;
  localparam int SW = $clog2(VEC * COLUMN + POSITIONS + 1);  // values of a beat's channels

  logic load_half, half, load, active, room;
  logic [CW-1:0] unused_load;
  logic [OW-1:0] row;
  swm_block_walk #(.LOADS(COME), .EMITS(OUT)) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(unused_load), .room, .emit(active),
      .emit_half(half), .emit_at(row));

  // A frame comes.
  logic in_beat_last, token_last, token_ends;
  logic [NB-1:0] unused_in_beat;
  logic [PW-1:0] token;
  logic [TW-1:0] in_turn;
  logic [AW-1:0] base;  // address of the first channel of the beat, at position 0
  swm_counter #(.N(N_BEATS)) u_in_beat (.clk, .rst, .step(load), .at(unused_in_beat), .last(in_beat_last));
  swm_counter #(.N(POSITIONS)) u_token (.clk, .rst, .step(token_ends), .at(token), .last(token_last));
  assign token_ends = load && in_beat_last;
  always_ff @(posedge clk) begin
    if (rst || token_ends) base <= '0;
    else if (load) base <= base + AW'(COLUMN);
    if (rst || (token_ends && token_last)) in_turn <= '0;
    else if (token_ends)
      in_turn <= in_turn + (ACROSS != 0 && (32'(token) & (EVEN - 1)) == EVEN - 1 ? TW'(GROUPS + 1) : TW'(GROUPS));
  end
  genvar b;
  logic [VEC*BITS-1:0] wired, turned, value;
  generate
    for (b = 0; b < VEC; b = b + 1) begin : g_wire
      localparam int TO = (b * ODD) & (VEC - 1);
      assign wired[TO*BITS+:BITS] = in_data[b*BITS+:BITS];
    end
    if (VEC == 1) begin : g_come_straight
      assign turned = wired;
    end else begin : g_come_turned
      swm_rotate #(.N(VEC), .WIDTH(BITS), .STEP(1), .BITS(TW)) u_come (
          .in(wired), .amount(TW'(0) - in_turn), .out(turned));
    end
  endgenerate
  always_ff @(posedge clk) value <= turned;

  // A frame goes.
  logic push, out_beat_last;
  logic [TB-1:0] unused_out_beat;
  logic [TW-1:0] out_turn, late_turn;
  logic late_last;
  logic [AW-1:0] from;
  swm_counter #(.N(TOKEN)) u_out_beat (.clk, .rst, .step(active), .at(unused_out_beat), .last(out_beat_last));
  always_ff @(posedge clk) begin
    from <= (half ? AW'(OUT) : '0) + AW'(row);
    if (rst || (active && 32'(row) == OUT - 1)) out_turn <= '0;
    else if (active && (ACROSS != 0 || out_beat_last)) out_turn <= out_turn + TW'(GROUPS);
  end

  logic [VEC*BITS-1:0] fetched, straight, beat;
  generate
    for (b = 0; b < VEC; b = b + 1) begin : g_bank
      logic [TW-1:0] lane;
      logic [SW-1:0] behind;  // values of the frame between base and this one
      logic write;
      logic [AW-1:0] to;
      if (VEC == 1) begin : g_only
        assign lane = '0;
      end else begin : g_some
        logic [TW-1:0] turned_from;
        assign turned_from = TW'(b) - in_turn;
        assign lane = TW'(32'(turned_from) * BACK);
      end
      assign behind = SW'(32'(lane) * COLUMN) + SW'(token);
      always_ff @(posedge clk) begin
        write <= load && (!in_beat_last || 32'(lane) < N_TAIL);
        to <= (load_half ? AW'(OUT) : '0) + base + AW'(32'(behind) / VEC);
      end
      swm_ram #(.WIDTH(BITS), .DEPTH(2 * OUT)) u_bank (
          .clk, .write, .to, .value(value[b*BITS+:BITS]), .from, .data(fetched[b*BITS+:BITS]));
    end
  endgenerate
  swm_delay #(.WIDTH(TW), .N(3)) u_turn (.clk, .in(out_turn), .out(late_turn));
  swm_delay #(.WIDTH(1), .N(3)) u_last (.clk, .in(out_beat_last), .out(late_last));
  generate
    if (VEC == 1) begin : g_go_straight
      logic unused_turn;
      assign unused_turn = &{1'b0, late_turn};
      assign straight = fetched;
    end else begin : g_go_turned
      swm_rotate #(.N(VEC), .WIDTH(BITS), .STEP(1), .BITS(TW)) u_go (.in(fetched), .amount(late_turn), .out(straight));
    end
    for (b = 0; b < VEC; b = b + 1) begin : g_go
      localparam int FROM = b / EVEN + (b % EVEN) * GROUPS;
      always_ff @(posedge clk)
        beat[b*BITS+:BITS] <= b < TAIL || !late_last ? straight[FROM*BITS+:BITS] : '0;
    end
  endgenerate
  swm_valid #(.N(4)) u_push (.clk, .rst, .in(active), .out(push));
  swm_fifo #(.WIDTH(VEC * BITS), .DEPTH(DEPTH), .PIPELINE(4)) u_fifo (
      .clk, .rst, .reserve(active), .room, .push, .in_data(beat), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_in_beat, unused_out_beat, unused_load};
endmodule
