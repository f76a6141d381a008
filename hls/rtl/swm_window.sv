// SPDX-License-Identifier: Apache-2.0
/// \file swm_window.sv
/// \brief The line buffer: a grid of positions comes in, and for each output position what its kernel sees goes out.
///
/// Positions come row by row, POSITION_BEATS beats of WORDS words each: channels, or parts of a spectrum. Output position
/// (y, x) sees, at tap (i, j) of the kernel, input position (y stride - pad + i dilation, x stride - pad + j dilation);
/// where that lies outside the grid every word is FILL. TAP_ROWS x TAP_COLUMNS taps leave side by side, words of a beat
/// [tap row][tap column][word]. Beats of an output position, the last counter innermost: runs of RUN_BEATS beats of a
/// position, groups of kernel rows, groups of kernel columns, beats of a run.
///
/// Two loops over a ring of KEPT input rows:
///
///     loads     a beat a cycle while there is a free row; rows that no output sees (from USED on) are dropped
///     windows   a beat a cycle, OUT_ROWS x OUT_COLUMNS positions a frame; a row of outputs begins when all input rows
///               that it sees are complete, and in the cycle behind it those that no later one sees are free
///
/// The loop of hls/swm/window.h does the same at fixed iterations of one counter, which says beforehand how many frames come;
/// here a frame needs no successor to end. USED and KEPT are those of hls/swm/window_walk.h.
///
/// The ring: columns in TAP_COLUMNS banks, rows in banks of their own where several leave side by side. Every bank is
/// written once and read once a cycle, whole beats each.
///
/// Latency 4 (address, memory 2, taps chosen).
module swm_window #(
    parameter int GRID_ROWS = 4,
    parameter int GRID_COLUMNS = 4,
    parameter int KERNEL_ROWS = 3,
    parameter int KERNEL_COLUMNS = 3,
    parameter int STRIDE_ROWS = 1,
    parameter int STRIDE_COLUMNS = 1,
    parameter int DILATION_ROWS = 1,
    parameter int DILATION_COLUMNS = 1,
    parameter int PAD_ROWS = 0,      // before the grid
    parameter int PAD_COLUMNS = 0,
    parameter int OUT_ROWS = 2,
    parameter int OUT_COLUMNS = 2,
    parameter int TAP_ROWS = 1,
    parameter int TAP_COLUMNS = 1,
    parameter int POSITION_BEATS = 1,
    parameter int RUN_BEATS = 1,
    parameter int WORDS = 1,
    parameter int BITS = 8,
    parameter int FILL = 0,
    parameter int USED = 4,
    parameter int KEPT = 4,
    parameter int DEPTH = 2
) (
    input  logic                                       clk,
    input  logic                                       rst,
    input  logic                                       in_valid,
    output logic                                       in_ready,
    input  logic [                     WORDS*BITS-1:0] in_data,
    output logic                                       out_valid,
    input  logic                                       out_ready,
    output logic [TAP_ROWS*TAP_COLUMNS*WORDS*BITS-1:0] out_data
);
  localparam int W = WORDS * BITS;
  localparam int ROW_BANKS = TAP_ROWS > 1 ? KEPT : 1;
  localparam int BANKS = ROW_BANKS * TAP_COLUMNS;
  localparam int TAPS = TAP_ROWS * TAP_COLUMNS;
  localparam int BANK_COLUMNS = (GRID_COLUMNS + TAP_COLUMNS - 1) / TAP_COLUMNS;
  localparam int LINE = BANK_COLUMNS * POSITION_BEATS;  // words of a row in a bank
  localparam int UNIT = ROW_BANKS > 1 ? 1 : LINE;       // of a slot
  localparam int DEEP = (KEPT / ROW_BANKS) * LINE;      // words of a bank
  localparam int AW = DEEP > 1 ? $clog2(DEEP) : 1;
  localparam int SW = KEPT * UNIT > 1 ? $clog2(KEPT * UNIT) : 1;
  localparam int BW = BANKS > 1 ? $clog2(BANKS) : 1;
  localparam int CW = TAP_COLUMNS > 1 ? $clog2(TAP_COLUMNS) : 1;
  localparam int ROW_SPAN = (KERNEL_ROWS - 1) * DILATION_ROWS + 1;
  localparam int COLUMN_SPAN = (KERNEL_COLUMNS - 1) * DILATION_COLUMNS + 1;
  // Places along an axis, one step beyond the last tap of the last output among them.
  localparam int RW = $clog2(GRID_ROWS + OUT_ROWS * STRIDE_ROWS + 2 * ROW_SPAN + PAD_ROWS) + 1;
  localparam int LW = $clog2(GRID_COLUMNS + OUT_COLUMNS * STRIDE_COLUMNS + 2 * COLUMN_SPAN + PAD_COLUMNS) + 1;
  localparam int HW = $clog2(USED + KEPT + 1);  // counts rows
  localparam int ALWAYS = PAD_ROWS == 0 && PAD_COLUMNS == 0 && (OUT_ROWS - 1) * STRIDE_ROWS + ROW_SPAN <= GRID_ROWS
      && (OUT_COLUMNS - 1) * STRIDE_COLUMNS + COLUMN_SPAN <= GRID_COLUMNS ? 1 : 0;  // no tap lies outside

  // Rows of the frame whose windows leave, and of those behind it: how many are complete (HAVE), how many no window sees
  // any more, how many the row of outputs needs.
  logic [HW-1:0] have, low, need;
  logic complete, next_frame;
  always_ff @(posedge clk) begin
    if (rst) have <= '0;
    else have <= have + HW'(complete) - (next_frame ? HW'(USED) : '0);
  end

  // Loads.
  localparam int IRW = GRID_ROWS > 1 ? $clog2(GRID_ROWS) : 1;
  localparam int ICW = GRID_COLUMNS > 1 ? $clog2(GRID_COLUMNS) : 1;
  localparam int PW = POSITION_BEATS > 1 ? $clog2(POSITION_BEATS) : 1;
  logic load, stored, beat_last, bank_last, column_last, restart, unused_row_last;
  logic [PW-1:0] beat;
  logic [CW-1:0] bank;
  logic [ICW-1:0] unused_column;
  logic [IRW-1:0] row;
  logic [SW-1:0] slot;
  logic [AW-1:0] place;  // of the position's first beat in the line
  assign stored = USED == GRID_ROWS || 32'(row) < USED;
  assign in_ready = !stored || have - low != HW'(KEPT);
  assign load = in_valid && in_ready;
  assign restart = rst || (load && beat_last && column_last);
  assign complete = load && beat_last && column_last && stored;
  swm_counter #(.N(POSITION_BEATS)) u_load_beat (.clk, .rst, .step(load), .at(beat), .last(beat_last));
  swm_counter #(.N(TAP_COLUMNS)) u_load_bank (.clk, .rst(restart), .step(load && beat_last), .at(bank), .last(bank_last));
  swm_counter #(.N(GRID_COLUMNS)) u_load_column (
      .clk, .rst, .step(load && beat_last), .at(unused_column), .last(column_last));
  swm_counter #(.N(GRID_ROWS)) u_load_row (
      .clk, .rst, .step(load && beat_last && column_last), .at(row), .last(unused_row_last));
  always_ff @(posedge clk) begin
    if (restart) place <= '0;
    else if (load && beat_last && bank_last) place <= place + AW'(POSITION_BEATS);
    if (rst) slot <= '0;
    else if (complete) slot <= slot == SW'((KEPT - 1) * UNIT) ? '0 : slot + SW'(UNIT);
  end

  // A beat on its way into the ring.
  logic [AW-1:0] to;
  logic [W-1:0] value;
  logic [BANKS-1:0] writes;
  always_ff @(posedge clk) begin
    to <= (ROW_BANKS > 1 ? '0 : AW'(slot)) + place + AW'(beat);
    value <= in_data;
  end

  // Windows.
  localparam int ROW_GROUPS = KERNEL_ROWS / TAP_ROWS;
  localparam int COLUMN_GROUPS = KERNEL_COLUMNS / TAP_COLUMNS;
  localparam int RUNS = POSITION_BEATS / RUN_BEATS;
  localparam int UB = RUN_BEATS > 1 ? $clog2(RUN_BEATS) : 1;
  localparam int UC = COLUMN_GROUPS > 1 ? $clog2(COLUMN_GROUPS) : 1;
  localparam int UR = ROW_GROUPS > 1 ? $clog2(ROW_GROUPS) : 1;
  localparam int UN = RUNS > 1 ? $clog2(RUNS) : 1;
  localparam int OC = OUT_COLUMNS > 1 ? $clog2(OUT_COLUMNS) : 1;
  localparam int OR = OUT_ROWS > 1 ? $clog2(OUT_ROWS) : 1;
  logic active, room, run_beat_last, columns_last, rows_last, run_last, out_column_last, out_row_last;
  logic next_column, next_row, next_run, next_output, next_line;
  logic [UB-1:0] run_beat;
  logic [UC-1:0] unused_columns;
  logic [UR-1:0] unused_rows;
  logic [UN-1:0] unused_run;
  logic [OC-1:0] unused_out_column;
  logic [OR-1:0] unused_out_row;
  assign active = room && have >= need;
  assign next_column = active && run_beat_last;
  assign next_row = next_column && columns_last;
  assign next_run = next_row && rows_last;
  assign next_output = next_run && run_last;
  assign next_line = next_output && out_column_last;
  assign next_frame = next_line && out_row_last;
  swm_counter #(.N(RUN_BEATS)) u_run_beat (.clk, .rst, .step(active), .at(run_beat), .last(run_beat_last));
  swm_counter #(.N(COLUMN_GROUPS)) u_columns (.clk, .rst, .step(next_column), .at(unused_columns), .last(columns_last));
  swm_counter #(.N(ROW_GROUPS)) u_rows (.clk, .rst, .step(next_row), .at(unused_rows), .last(rows_last));
  swm_counter #(.N(RUNS)) u_run (.clk, .rst, .step(next_run), .at(unused_run), .last(run_last));
  swm_counter #(.N(OUT_COLUMNS)) u_out_column (
      .clk, .rst, .step(next_output), .at(unused_out_column), .last(out_column_last));
  swm_counter #(.N(OUT_ROWS)) u_out_row (.clk, .rst, .step(next_line), .at(unused_out_row), .last(out_row_last));

  // First taps: of a frame (its slot), of a row of outputs, of an output position, of the group that leaves.
  localparam int FIRST_SLOT = (KEPT - PAD_ROWS % KEPT) % KEPT * UNIT;
  localparam int FIRST_BANK = (TAP_COLUMNS - PAD_COLUMNS % TAP_COLUMNS) % TAP_COLUMNS;
  localparam int FIRST_PLACE = -((PAD_COLUMNS + TAP_COLUMNS - 1) / TAP_COLUMNS) * POSITION_BEATS;
  logic signed [RW-1:0] top_at, top_by, top_next, row_at, row_by;
  logic [SW-1:0] frame_slot, frame_by, frame_next, top_slot, top_slot_by, top_slot_next, row_slot, row_slot_by;
  logic signed [LW-1:0] left_at, left_by, left_next, column_at, column_by;
  logic [CW-1:0] left_bank, left_bank_by, left_bank_next, column_bank, column_bank_by;
  logic [AW-1:0] left_place, left_place_by, left_place_next, column_place, column_place_by, run_base;
  logic [RW-1:0] unused_frame_at;
  logic [2:0] unused_place;
  swm_window_tap #(.BY(USED), .SLOTS(KEPT), .UNIT(UNIT), .AT_BITS(RW), .SLOT_BITS(SW)) u_frame (
      .at('0), .slot(frame_slot), .place('0), .to_at(unused_frame_at), .to_slot(frame_by), .to_place(unused_place[0]));
  swm_window_tap #(.BY(STRIDE_ROWS), .SLOTS(KEPT), .UNIT(UNIT), .AT_BITS(RW), .SLOT_BITS(SW)) u_top (
      .at(top_at), .slot(top_slot), .place('0), .to_at(top_by), .to_slot(top_slot_by), .to_place(unused_place[1]));
  swm_window_tap #(
      .BY(TAP_ROWS * DILATION_ROWS), .SLOTS(KEPT), .UNIT(UNIT), .AT_BITS(RW), .SLOT_BITS(SW)
  ) u_row (.at(row_at), .slot(row_slot), .place('0), .to_at(row_by), .to_slot(row_slot_by), .to_place(unused_place[2]));
  swm_window_tap #(
      .BY(STRIDE_COLUMNS), .SLOTS(TAP_COLUMNS), .STEP(POSITION_BEATS), .AT_BITS(LW), .SLOT_BITS(CW), .PLACE_BITS(AW)
  ) u_left (
      .at(left_at), .slot(left_bank), .place(left_place), .to_at(left_by), .to_slot(left_bank_by), .to_place(left_place_by));
  swm_window_tap #(
      .BY(TAP_COLUMNS * DILATION_COLUMNS), .SLOTS(TAP_COLUMNS), .STEP(POSITION_BEATS), .AT_BITS(LW), .SLOT_BITS(CW),
      .PLACE_BITS(AW)
  ) u_column (
      .at(column_at), .slot(column_bank), .place(column_place), .to_at(column_by), .to_slot(column_bank_by),
      .to_place(column_place_by));

  assign frame_next = rst ? SW'(FIRST_SLOT) : next_frame ? frame_by : frame_slot;
  assign top_next = rst || next_frame ? RW'(-PAD_ROWS) : next_line ? top_by : top_at;
  assign top_slot_next = rst || next_frame ? frame_next : next_line ? top_slot_by : top_slot;
  assign left_next = rst || next_line ? LW'(-PAD_COLUMNS) : next_output ? left_by : left_at;
  assign left_bank_next = rst || next_line ? CW'(FIRST_BANK) : next_output ? left_bank_by : left_bank;
  assign left_place_next = rst || next_line ? AW'(FIRST_PLACE) : next_output ? left_place_by : left_place;

  logic signed [RW:0] reach;
  assign reach = (RW + 1)'(top_next) + (RW + 1)'(ROW_SPAN);
  always_ff @(posedge clk) begin
    frame_slot <= frame_next;
    top_at <= top_next;
    top_slot <= top_slot_next;
    left_at <= left_next;
    left_bank <= left_bank_next;
    left_place <= left_place_next;
    if (rst || next_run) row_at <= top_next;
    else if (next_row) row_at <= row_by;
    if (rst || next_run) row_slot <= top_slot_next;
    else if (next_row) row_slot <= row_slot_by;
    if (rst || next_row) begin
      column_at <= left_next;
      column_bank <= left_bank_next;
      column_place <= left_place_next;
    end else if (next_column) begin
      column_at <= column_by;
      column_bank <= column_bank_by;
      column_place <= column_place_by;
    end
    if (rst || next_output) run_base <= '0;
    else if (next_run) run_base <= run_base + AW'(RUN_BEATS);
    low <= top_next < 0 ? '0 : top_next > RW'(USED) ? HW'(USED) : HW'(top_next);
    // A frame begins with its first row, though its first windows may see padding alone.
    need <= reach < 1 ? HW'(1) : reach > (RW + 1)'(USED) ? HW'(USED) : HW'(reach);
  end

  // The taps of the cycle.
  genvar r, c, s;
  logic [TAPS-1:0] there_now, there;
  logic [TAPS*BW-1:0] from_now, from;  // bank of each tap
  logic [TAP_COLUMNS*CW-1:0] tap_bank;
  logic [TAP_COLUMNS*AW-1:0] tap_place;
  logic [TAP_COLUMNS-1:0] in_columns;
  generate
    for (c = 0; c < TAP_COLUMNS; c = c + 1) begin : g_tap_column
      logic signed [LW-1:0] at;
      swm_window_tap #(
          .BY(c * DILATION_COLUMNS), .SLOTS(TAP_COLUMNS), .STEP(POSITION_BEATS), .AT_BITS(LW), .SLOT_BITS(CW), .PLACE_BITS(AW)
      ) u_tap (
          .at(column_at), .slot(column_bank), .place(column_place), .to_at(at), .to_slot(tap_bank[c*CW+:CW]),
          .to_place(tap_place[c*AW+:AW]));
      assign in_columns[c] = at >= 0 && at < LW'(GRID_COLUMNS);
    end
    for (r = 0; r < TAP_ROWS; r = r + 1) begin : g_tap_row
      logic signed [RW-1:0] at;
      logic [SW-1:0] tap_slot;
      logic unused_to;
      swm_window_tap #(.BY(r * DILATION_ROWS), .SLOTS(KEPT), .UNIT(UNIT), .AT_BITS(RW), .SLOT_BITS(SW)) u_tap (
          .at(row_at), .slot(row_slot), .place('0), .to_at(at), .to_slot(tap_slot), .to_place(unused_to));
      for (c = 0; c < TAP_COLUMNS; c = c + 1) begin : g_tap
        localparam int T = r * TAP_COLUMNS + c;
        assign there_now[T] = at >= 0 && at < RW'(GRID_ROWS) && in_columns[c];
        assign from_now[T*BW+:BW] = (ROW_BANKS > 1 ? BW'(tap_slot) * BW'(TAP_COLUMNS) : '0)
            + (TAP_COLUMNS > 1 ? BW'(tap_bank[c*CW+:CW]) : '0);
      end
      logic unused;
      assign unused = &{1'b0, unused_to, tap_slot};
    end
  endgenerate
  swm_delay #(.WIDTH(TAPS), .N(3)) u_there (.clk, .in(there_now), .out(there));
  swm_delay #(.WIDTH(TAPS * BW), .N(3)) u_from (.clk, .in(from_now), .out(from));

  // The ring.
  logic [BANKS*W-1:0] seen;
  generate
    for (c = 0; c < TAP_COLUMNS; c = c + 1) begin : g_bank
      logic [AW-1:0] place_here, address;
      if (TAP_COLUMNS == 1) begin : g_one
        assign place_here = tap_place;
      end else begin : g_some
        // The place of the tap that lies in this bank, if there is one.
        for (s = 0; s < TAP_COLUMNS; s = s + 1) begin : g_from
          logic [AW-1:0] found;
          if (s == 0) begin : g_first
            assign found = tap_bank[CW-1:0] == CW'(c) ? tap_place[AW-1:0] : '0;
          end else begin : g_next
            assign found = g_from[s-1].found | (tap_bank[s*CW+:CW] == CW'(c) ? tap_place[s*AW+:AW] : '0);
          end
        end
        assign place_here = g_from[TAP_COLUMNS-1].found;
      end
      always_ff @(posedge clk) address <= (ROW_BANKS > 1 ? '0 : AW'(row_slot)) + place_here + run_base + AW'(run_beat);
      for (r = 0; r < ROW_BANKS; r = r + 1) begin : g_row
        localparam int B = r * TAP_COLUMNS + c;
        logic write;
        always_ff @(posedge clk)
          write <= load && stored && (ROW_BANKS == 1 || slot == SW'(r)) && (TAP_COLUMNS == 1 || bank == CW'(c));
        assign writes[B] = write;
        swm_ram #(.WIDTH(W), .DEPTH(DEEP)) u_ring (
            .clk, .write(writes[B]), .to(to), .value(value), .from(address), .data(seen[B*W+:W]));
      end
    end
  endgenerate

  logic push;
  logic [TAPS*W-1:0] window;
  generate
    for (r = 0; r < TAPS; r = r + 1) begin : g_value
      logic [W-1:0] tap;
      if (BANKS == 1) begin : g_only
        assign tap = seen;
      end else begin : g_chosen
        assign tap = seen[32'(from[r*BW+:BW])*W+:W];
      end
      always_ff @(posedge clk) window[r*W+:W] <= ALWAYS != 0 || there[r] ? tap : {WORDS{BITS'(FILL)}};
    end
  endgenerate
  swm_valid #(.N(4)) u_push (.clk, .rst, .in(active), .out(push));
  swm_fifo #(.WIDTH(TAPS * W), .DEPTH(DEPTH), .PIPELINE(4)) u_out (
      .clk, .rst, .reserve(active), .room, .push, .in_data(window), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{
      1'b0, unused_row_last, unused_column, unused_columns, unused_rows, unused_run, unused_out_column, unused_out_row,
      unused_frame_at, unused_place, bank, bank_last, from, there, tap_bank};
endmodule
