// SPDX-License-Identifier: Apache-2.0
/// \file swm_irfft_collect.sv
/// \brief The first stage, log2 K, of the inverse transforms of blocks of K >= 32 points, from the sums of swm_spectral_mac.
///
/// In: for every group of block rows, group of words and row beat (innermost) MAC_BINS words of LANES rows; positions 2u and
/// 2u + 1 are words u and K/2 - u (unit 0: 0 and K/4). Out: row beat by row beat the K/4 units of the stage, WP bits a part.
/// Two halves, each of a group of rows (swm_block_walk), in MAC_BINS / 2 banks; a unit each II cycles.
///
/// Latency from a unit to its beat: 3 (memory 2, choice of a bank) + that of swm_inverse_unit.
module swm_irfft_collect #(
    parameter int K = 32,
    parameter int SUM_BITS = 16,   // of a part of a rounded sum
    parameter int FFT_SHIFTS = 0,
    parameter int LANES = 1,
    parameter int MAC_BINS = 2,
    parameter int ROW_GROUPS = 1,
    parameter int ROWS = 1,        // beats of a group of rows
    parameter int LAST_ROWS = 1,   // and of the last one
    parameter int II = 1,
    parameter int DEPTH = 2,
    parameter int WP = SUM_BITS + 1 + (FFT_SHIFTS > 2 ? FFT_SHIFTS - 2 : 0)
) (
    input  logic                               clk,
    input  logic                               rst,
    input  logic                               in_valid,
    output logic                               in_ready,
    input  logic [LANES*MAC_BINS*2*SUM_BITS-1:0] in_data,
    output logic                               out_valid,
    input  logic                               out_ready,
    output logic [               LANES*4*WP-1:0] out_data
);
  localparam int A = SUM_BITS;
  localparam int STAGES = $clog2(K);
  localparam int UNITS = K / 4;
  localparam int UB = $clog2(UNITS);
  localparam int BANKS = MAC_BINS / 2;
  localparam int BB = $clog2(BANKS);
  localparam int WORD_GROUPS = UNITS / BANKS;
  localparam int FB = WORD_GROUPS > 1 ? $clog2(WORD_GROUPS) : 1;
  localparam int RB = ROWS > 1 ? $clog2(ROWS) : 1;
  localparam int LOADS = ROWS * WORD_GROUPS;
  localparam int EMITS = ROWS * UNITS;
  localparam int LW = LOADS > 1 ? $clog2(LOADS) : 1;
  localparam int EW = $clog2(EMITS);
  localparam int LATE = 3 + (II == 1 ? 4 : II == 2 ? 5 : 6);

  logic load, load_half, room, emit, emit_half, push;
  logic [LW-1:0] unused_load;
  logic [EW-1:0] unused_emit;
  swm_block_walk #(
      .LOADS(LOADS), .EMITS(EMITS), .GROUPS(ROW_GROUPS), .LAST_LOADS(LAST_ROWS * WORD_GROUPS),
      .LAST_EMITS(LAST_ROWS * UNITS), .II(II), .LW(LW), .EW(EW)
  ) u_walk (
      .clk, .rst, .offered(in_valid), .free(in_ready), .load, .load_half, .load_at(unused_load), .room, .emit, .emit_half,
      .emit_at(unused_emit));

  // Where a beat lies: half, row, group of words; loads have rows innermost, units the words.
  localparam int GW = ROW_GROUPS > 1 ? $clog2(ROW_GROUPS) : 1;
  logic row_last, words_last, unit_last, out_row_last, load_group_last, emit_group_last;
  logic [GW-1:0] unused_load_group, unused_emit_group;
  logic [RB-1:0] row, out_row;
  logic [FB-1:0] words_at;
  logic [UB-1:0] unit;
  assign row_last = row == (load_group_last ? RB'(LAST_ROWS - 1) : RB'(ROWS - 1));
  assign out_row_last = out_row == (emit_group_last ? RB'(LAST_ROWS - 1) : RB'(ROWS - 1));
  always_ff @(posedge clk) begin
    if (rst) begin
      row <= '0;
      out_row <= '0;
    end else begin
      if (load) row <= row_last ? '0 : row + 1;
      if (emit && unit_last) out_row <= out_row_last ? '0 : out_row + 1;
    end
  end
  swm_counter #(.N(WORD_GROUPS), .WIDTH(FB)) u_words (
      .clk, .rst, .step(load && row_last), .at(words_at), .last(words_last));
  swm_counter #(.N(ROW_GROUPS), .WIDTH(GW)) u_load_group (
      .clk, .rst, .step(load && row_last && words_last), .at(unused_load_group), .last(load_group_last));
  swm_counter #(.N(UNITS)) u_unit (.clk, .rst, .step(emit), .at(unit), .last(unit_last));
  swm_counter #(.N(ROW_GROUPS), .WIDTH(GW)) u_emit_group (
      .clk, .rst, .step(emit && unit_last && out_row_last), .at(unused_emit_group), .last(emit_group_last));

  localparam int PLACES = 2 * ROWS * WORD_GROUPS;
  localparam int PW = $clog2(PLACES);
  logic [PW-1:0] to, from;
  assign to = PW'(((load_half ? ROWS : 0) + 32'(row)) * WORD_GROUPS + 32'(words_at));
  assign from = PW'(((emit_half ? ROWS : 0) + 32'(out_row)) * WORD_GROUPS + (32'(unit) >> BB));

  logic [UB-1:0] unit_late;
  logic packed_now, go;
  swm_delay #(.WIDTH(UB), .N(2)) u_unit_late (.clk, .in(unit), .out(unit_late));
  swm_delay #(.N(1)) u_packed (.clk, .in(unit_late == '0), .out(packed_now));
  swm_valid #(.N(3)) u_go (.clk, .rst, .in(emit), .out(go));
  genvar l, b;
  logic [LANES*4*WP-1:0] words;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : g_lane
      logic [BANKS*4*A-1:0] read;
      logic [4*A-1:0] chosen;
      for (b = 0; b < BANKS; b = b + 1) begin : g_bank
        swm_ram #(.WIDTH(4 * A), .DEPTH(PLACES)) u_words (
            .clk, .write(load), .to, .value(in_data[(l*BANKS+b)*4*A+:4*A]), .from, .data(read[b*4*A+:4*A]));
      end
      if (BANKS == 1) begin : g_one
        always_ff @(posedge clk) chosen <= read;
      end else begin : g_choice
        always_ff @(posedge clk) chosen <= read[32'(unit_late[BB-1:0])*4*A+:4*A];
      end
      swm_inverse_unit #(.STAGE(STAGES), .W(A), .OUT(WP), .HALVE(1), .II(II)) u_unit (
          .clk, .go, .i(unit_late), .packed_word(packed_now), .x(chosen[2*A-1:0]), .y(chosen[4*A-1:2*A]),
          .words(words[l*4*WP+:4*WP]));
    end
  endgenerate
  swm_valid #(.N(LATE)) u_push (.clk, .rst, .in(emit), .out(push));
  swm_fifo #(.WIDTH(LANES * 4 * WP), .DEPTH(DEPTH), .PIPELINE(LATE)) u_out (
      .clk, .rst, .reserve(emit), .room, .push, .in_data(words), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_load, unused_emit, unused_load_group, unused_emit_group};
endmodule
