// SPDX-License-Identifier: Apache-2.0
/// \file swm_matmul.sv
/// \brief Products of two streams: for each head, Y[p, c] = activation(sum over k of A[p, k] B[k, c]).
///
/// A (in the lower port) passes row after row, and B lies on chip, in two halves of a memory: while the rows of a frame meet one,
/// the next frame of B fills the other. Heads lie inside the rows (row p of every head, then row p + 1) or outside, for A and for B
/// apart; the order is addresses. SHARED heads of A in a row meet one head of B, of which there are HEADS / SHARED. A line of B is what comes as one token: a column of it (ALONG_INNER: K of attention) or a row (V).
///
/// Four loops. Rows of A are the tokens of swm_product_walk, with its loads, products and drains; the first row of a frame is
/// loaded when B of that frame is whole. B is stored a beat a cycle while its half is free (swm_matmul_store). Multipliers, sums
/// and the end of the layer are those of swm_row_sums, N words of a row in groups of COLUMNS, M columns of B in groups of ROWS.
///
/// Places of B behind its last row are not written: they count as zero.
///
/// Latency from a drain to its beat: that of swm_row_sums.
module swm_matmul #(
    parameter int M = 8,
    parameter int N = 8,
    parameter int HEADS = 1,
    parameter int SHARED = 1,
    parameter int POSITIONS = 1,     // rows of A, of each head
    parameter int HEADS_INSIDE = 1,
    parameter int STORED_INSIDE = 1,
    parameter int ALONG_INNER = 1,
    parameter int IN_BITS = 8,
    parameter int STORED_BITS = 8,
    parameter int OUT_BITS = 8,
    parameter int OUT_SHIFT = 0,
    parameter int POLICY = 0,        // of the activation, with FINISH, CURVE and TABLE: see swm_finish
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = "",
    parameter int IN_VEC = 1,
    parameter int OUT_VEC = 1,
    parameter int ROWS = 1,
    parameter int COLUMNS = 1,
    parameter int DEPTH = 2
) (
    input  logic                                    clk,
    input  logic                                    rst,
    input  logic [                             1:0] in_valid,
    output logic [                             1:0] in_ready,
    input  logic [IN_VEC*(IN_BITS+STORED_BITS)-1:0] in_data,
    output logic                                    out_valid,
    input  logic                                    out_ready,
    output logic [            OUT_VEC*OUT_BITS-1:0] out_data
);
  localparam int ROW_GROUPS = (M + ROWS - 1) / ROWS;
  localparam int COLUMN_GROUPS = (N + COLUMNS - 1) / COLUMNS;
  localparam int TAIL_COLUMNS = N - (COLUMN_GROUPS - 1) * COLUMNS;
  localparam int GROUP = ROW_GROUPS * COLUMN_GROUPS;  // words of a bank for one head
  localparam int BANKS = COLUMNS / IN_VEC;
  localparam int LOADS = (N + IN_VEC - 1) / IN_VEC;
  localparam int BEATS = (ROWS + OUT_VEC - 1) / OUT_VEC;
  localparam int LAST_BEATS = (M - (ROW_GROUPS - 1) * ROWS + OUT_VEC - 1) / OUT_VEC;
  localparam int STEP = COLUMN_GROUPS / BEATS;
  localparam int LINE_LANES = ALONG_INNER != 0 ? ROWS : COLUMNS;
  localparam int BEAT_LANES = (ALONG_INNER != 0 ? COLUMNS : ROWS) / IN_VEC;
  localparam int LINE = ALONG_INNER != 0 ? N : M;
  localparam int PLACE = $clog2(2 * COLUMN_GROUPS);
  localparam int ADDRESS = GROUP > 1 ? $clog2(GROUP) : 1;
  localparam int BANK = BANKS > 1 ? $clog2(BANKS) : 1;
  localparam int STORED_HEADS = HEADS / SHARED;
  localparam int AW = $clog2(2 * STORED_HEADS * GROUP);
  localparam int LW = LINE_LANES > 1 ? $clog2(LINE_LANES) : 1;
  localparam int BW = BEAT_LANES > 1 ? $clog2(BEAT_LANES) : 1;
  localparam int SW = SHARED > 1 ? $clog2(SHARED) : 1;
  localparam int HW = HEADS > 1 ? $clog2(HEADS) : 1;
  localparam int RW = POSITIONS > 1 ? $clog2(POSITIONS) : 1;
  localparam int FRAME = HEADS * POSITIONS * LOADS;
  localparam int FW = FRAME > 1 ? $clog2(FRAME) : 1;
  localparam int WORD = IN_VEC * STORED_BITS;

  // Rows of A.
  logic load, active, starts, sums, completes, drain, room, may_load, walk_ready;
  logic [BANK-1:0] load_bank;
  logic [PLACE-1:0] load_to, from;
  logic [ADDRESS-1:0] address;
  logic unused_word, unused_unit, unused_first;
  assign in_ready[0] = walk_ready && may_load;
  swm_product_walk #(
      .LOAD_BANKS(BANKS), .LOADS(LOADS), .ROW_GROUPS(ROW_GROUPS), .COLUMNS(COLUMN_GROUPS), .BEATS(BEATS),
      .LAST_BEATS(LAST_BEATS), .DRAIN_STEP(STEP > 1 ? STEP : 1)
  ) u_walk (
      .clk, .rst, .in_valid(in_valid[0] && may_load), .in_ready(walk_ready), .load, .load_unit(unused_unit), .load_bank,
      .load_to, .active, .from, .address, .word_group(unused_word), .starts, .sums, .completes, .room, .drain,
      .drain_first(unused_first));

  // Frames: the one whose rows are loaded, the one that is multiplied.
  logic load_half, half, load_last, row_ends, frame_ends, head_ends, head_last, share_last, row_last;
  logic [1:0] whole;
  logic [FW-1:0] unused_load;
  logic [HW-1:0] unused_head;
  logic [SW-1:0] unused_share;
  logic [RW-1:0] unused_row;
  logic [AW-1:0] head_address;
  assign may_load = whole[load_half];
  assign row_ends = active && address == ADDRESS'(GROUP - 1);
  assign frame_ends = row_ends && head_last && row_last;
  swm_counter #(.N(FRAME)) u_load (.clk, .rst, .step(load), .at(unused_load), .last(load_last));
  assign head_ends = row_ends && (HEADS_INSIDE != 0 || row_last);
  swm_counter #(.N(HEADS)) u_head (.clk, .rst, .step(head_ends), .at(unused_head), .last(head_last));
  swm_counter #(.N(SHARED)) u_share (.clk, .rst, .step(head_ends), .at(unused_share), .last(share_last));
  swm_counter #(.N(POSITIONS)) u_row (
      .clk, .rst, .step(row_ends && (HEADS_INSIDE == 0 || head_last)), .at(unused_row), .last(row_last));
  always_ff @(posedge clk) begin
    if (rst) begin
      load_half <= 1'b0;
      half <= 1'b0;
      head_address <= '0;
    end else begin
      if (load && load_last) load_half <= !load_half;
      if (frame_ends) half <= !half;
      if (head_ends && share_last) head_address <= head_last ? '0 : head_address + AW'(GROUP);
    end
  end

  // B comes; it is written a cycle later.
  logic store;
  logic [AW-1:0] store_to, to, at;
  logic [LW-1:0] line_lane;
  logic [BW-1:0] beat_lane;
  logic [WORD-1:0] stored;
  swm_matmul_store #(
      .HEADS(STORED_HEADS), .LINES(ALONG_INNER != 0 ? M : N), .LINE_BEATS((LINE + IN_VEC - 1) / IN_VEC), .STORED_INSIDE(STORED_INSIDE),
      .LINE_LANES(LINE_LANES), .BEAT_LANES(BEAT_LANES), .LINE_STEP(ALONG_INNER != 0 ? COLUMN_GROUPS : 1),
      .BEAT_STEP(ALONG_INNER != 0 ? 1 : COLUMN_GROUPS), .GROUP(GROUP)
  ) u_store (
      .clk, .rst, .offered(in_valid[1]), .free(in_ready[1]), .store, .to(store_to), .line_lane, .beat_lane, .whole,
      .release_half(frame_ends), .half);
  always_ff @(posedge clk) begin
    to <= store_to;
    stored <= in_data[IN_VEC*IN_BITS+:WORD];
  end
  assign at = (half ? AW'(STORED_HEADS * GROUP) : '0) + head_address + AW'(address);

  genvar b, r, c;
  logic [COLUMNS*IN_BITS-1:0] x;
  logic [ROWS*COLUMNS*STORED_BITS-1:0] kept, w;
  logic short;  // the last words of a row, which need not fill their group
  swm_delay #(.N(2)) u_short (.clk, .in(sums), .out(short));
  generate
    for (b = 0; b < BANKS; b = b + 1) begin : g_bank
      logic fills;
      assign fills = load && (b == BANKS - 1 || load_bank <= BANK'(b));
      swm_ram #(.WIDTH(IN_VEC * IN_BITS), .DEPTH(2 * COLUMN_GROUPS)) u_x (
          .clk, .write(fills), .to(load_to), .value(in_data[0+:IN_VEC*IN_BITS]), .from,
          .data(x[b*IN_VEC*IN_BITS+:IN_VEC*IN_BITS]));
    end
    for (r = 0; r < LINE_LANES; r = r + 1) begin : g_line
      for (b = 0; b < BEAT_LANES; b = b + 1) begin : g_beat
        localparam int PLACED = ALONG_INNER != 0 ? r * BEAT_LANES + b : b * COLUMNS + r;
        logic here;
        always_ff @(posedge clk) here <= store && !rst && line_lane == LW'(r) && beat_lane == BW'(b);
        swm_ram #(.WIDTH(WORD), .DEPTH(2 * STORED_HEADS * GROUP)) u_stored (
            .clk, .write(here), .to, .value(stored), .from(at), .data(kept[PLACED*WORD+:WORD]));
      end
    end
    for (r = 0; r < ROWS; r = r + 1) begin : g_row
      for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
        // Lanes of a word run along the inner words, or along the rows.
        localparam int LANE = ALONG_INNER != 0 ? r * COLUMNS + c : ((r / IN_VEC) * COLUMNS + c) * IN_VEC + r % IN_VEC;
        assign w[(r*COLUMNS+c)*STORED_BITS+:STORED_BITS] =
            short && c >= TAIL_COLUMNS ? '0 : kept[LANE*STORED_BITS+:STORED_BITS];
      end
    end
  endgenerate
  swm_row_sums #(
      .M(M), .ROWS(ROWS), .COLUMNS(COLUMNS), .IN_BITS(IN_BITS), .WEIGHT_BITS(STORED_BITS), .ACC(STORED_BITS + IN_BITS + $clog2(N)),
      .BIAS_BITS(0), .OUT_BITS(OUT_BITS), .OUT_SHIFT(OUT_SHIFT), .POLICY(POLICY), .FINISH(FINISH), .CURVE(CURVE), .TABLE(TABLE),
      .OUT_VEC(OUT_VEC), .DEPTH(DEPTH)
  ) u_rows (
      .clk, .rst, .active, .starts, .completes, .x, .w, .room, .drain, .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, unused_word, unused_unit, unused_first, unused_load, unused_head, unused_share, unused_row};
endmodule
