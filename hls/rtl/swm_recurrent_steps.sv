// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_steps.sv
/// \brief All steps of a recurrent layer (LSTM, GRU, RNN), states on chip: products, gates, new state, its transform.
///
/// docs/arithmetic.md section 8 has every bit, hls/swm/recurrent.h the phases, units, groups and beats, swm_recurrent_walk the
/// order. MAC_ROWS rows and MAC_COLUMNS block columns side by side; OUT_VEC cells leave a cycle. Memories, one write and one read
/// port each:
///
///     inputs    MAC_COLUMNS banks, two halves: the next step's are loaded while these are read
///     states    MAC_COLUMNS banks, two halves a sequence: this step's are written while the last one's are read
///     middle    MAC_COLUMNS banks: what phase A gives to phase B
///     cells     OUT_VEC states of cells a word; gate z of a GRU that waits for its candidate
///
/// At step 0 of a sequence states read as zero, cells as their initial values: no memory needs a reset. Where states come
/// (START), h and (LSTM) c are the second and third input, and a token of theirs stands in front of step 0: a beat of them waits
/// as long as the sums whose place it takes, and is brought to the binary points of the layer (hls/swm/recurrent_start.h).
///
/// A word of the weights' file holds a cycle's, lane (row * MAC_COLUMNS + column) * K + part, as recurrent_steps.h has it; one of the
/// vectors' file the biases, those of step 0, peepholes i, o, f, initial states of the OUT_VEC cells of a beat.
///
/// From a drained beat to its place in the stream: A (4 + ceil(log2 MAC_COLUMNS), accumulator) + that of swm_recurrent_back +
/// LATE (swm_recurrent_cell); from there to the state: that of swm_forward_block (K > 1).
module swm_recurrent_steps #(
    parameter int CELL = 1,
    parameter int N = 1,
    parameter int HIDDEN = 1,
    parameter int M = 1,
    parameter int K = 1,
    parameter int STEPS = 1,
    parameter int SEQUENCES = 1,
    parameter int LAST = 0,
    parameter int START = 0,
    parameter int START_SHIFT = 0,    // of h to the outputs' binary point
    parameter int STATE_SHIFT_H = 0,  // of h (GRU) and c (LSTM) to that of the states
    parameter int STATE_SHIFT_C = 0,
    parameter int BITS = 8,
    parameter int WEIGHT = 8,
    parameter int BIAS = 20,
    parameter int STATE = 12,
    parameter int ACC = 32,
    parameter int FFT_SHIFTS = 0,
    parameter int ACC_SHIFT = 0,
    parameter int ACC_SHIFT_B = 0,
    parameter int JOIN_SHIFT = 0,
    parameter int IN_LANES = 1,     // blocks of an input beat
    parameter int OUT_VEC = 1,
    parameter int MAC_ROWS = 1,
    parameter int MAC_COLUMNS = 1,
    parameter int PRODUCTS = 3,
    parameter int GATES = 4,
    parameter int BIASES = 4,
    parameter int FIRST_BIAS = 0,
    parameter int INITIAL = 0,
    parameter int PEEPHOLE = 0,
    parameter int CLIP = 0,
    parameter int CLIP_LOW = 0,
    parameter int CLIP_HIGH = 0,
    parameter int PEEPHOLE_SHIFT = 0,
    parameter int STATE_SHIFT = 0,
    parameter int KEPT_SHIFT = 0,
    parameter int NEW_SHIFT = 0,
    parameter int UNIT_SHIFT = 0,
    parameter int OUT_SHIFT = 0,
    parameter int INNER_SHIFT = 0,
    parameter int RESET_SHIFT = 0,
    parameter int PROJECT_SHIFT = 0,
    parameter int F_SHIFT = 0,
    parameter int F_POLICY = 0,
    parameter int F_FINISH = 3,
    parameter logic [12*32-1:0] F_CURVE = '0,
    parameter F_TABLE = "",
    parameter int G_SHIFT = 0,
    parameter int G_POLICY = 0,
    parameter int G_FINISH = 3,
    parameter logic [12*32-1:0] G_CURVE = '0,
    parameter G_TABLE = "",
    parameter int H_SHIFT = 0,
    parameter int H_POLICY = 0,
    parameter int H_FINISH = 3,
    parameter logic [12*32-1:0] H_CURVE = '0,
    parameter H_TABLE = "",
    parameter int LATE = 40,
    parameter WEIGHTS = "",
    parameter VECTORS = "",
    parameter int LUTRAM = 0,
    parameter int VECTORS_LUTRAM = 0,
    parameter int DEPTH = 2,
    parameter int X = BITS + (K > 1 ? $clog2(K) - FFT_SHIFTS : 0),  // of a stored value, or of a part of a spectrum
    parameter int INPUTS = START == 0 ? 1 : CELL == 1 ? 3 : 2
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic [INPUTS-1:0]       in_valid,
    output logic [INPUTS-1:0]       in_ready,
    input  logic [IN_LANES*K*X+(INPUTS-1)*OUT_VEC*BITS-1:0] in_data,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [OUT_VEC*BITS-1:0] out_data
);
  localparam int E = OUT_VEC;
  localparam int R = MAC_ROWS;
  localparam int QC = MAC_COLUMNS;
  localparam int PROJECTED = M != HIDDEN ? 1 : 0;
  localparam int TWO = PROJECTED != 0 || CELL == 2 ? 1 : 0;
  localparam int SECOND_X = CELL == 2 ? 1 : 0;  // phase B reads x
  localparam int SPLIT = CELL == 3 ? 1 : 0;
  localparam int SUMS = GATES + SPLIT;
  localparam int HAS_STATE = CELL != 0 ? 1 : 0;

  localparam int UNITS = (HIDDEN + K - 1) / K;
  localparam int UNITS_B = (M + K - 1) / K;
  localparam int X_BLOCKS = (N + K - 1) / K;
  localparam int X_GROUPS = (X_BLOCKS + QC - 1) / QC;
  localparam int H_GROUPS = (UNITS_B + QC - 1) / QC;
  localparam int M_GROUPS = (UNITS + QC - 1) / QC;
  localparam int SIDE = R > GATES ? R / GATES : 1;  // units side by side
  localparam int SUBS = R < GATES ? GATES / R : 1;
  localparam int GROUPS = (UNITS + SIDE - 1) / SIDE;
  localparam int GROUPS_B = TWO != 0 ? (UNITS_B + R - 1) / R : 1;
  localparam int COLUMNS = X_GROUPS + H_GROUPS;
  localparam int X_GROUPS_B = SECOND_X != 0 ? X_GROUPS : 0;
  localparam int COLUMNS_B = X_GROUPS_B + M_GROUPS;
  localparam int LANES = E > K ? E / K : 1;  // blocks that leave together
  localparam int PARTS = K > E ? K / E : 1;
  localparam int LAST_A = (UNITS - (GROUPS - 1) * SIDE + LANES - 1) / LANES * PARTS;
  localparam int BEATS_A = GROUPS == 1 ? LAST_A : (SIDE + LANES - 1) / LANES * PARTS;
  localparam int TOTAL_A = (GROUPS - 1) * BEATS_A + LAST_A;
  localparam int LAST_B = (UNITS_B - (GROUPS_B - 1) * R + LANES - 1) / LANES * PARTS;
  localparam int BEATS_B = GROUPS_B == 1 ? LAST_B : (R + LANES - 1) / LANES * PARTS;
  localparam int OUT_BEATS = (M + E - 1) / E;
  localparam int HELD_A = (SIDE + LANES - 1) / LANES * LANES;
  localparam int HELD_B = TWO != 0 ? (R + LANES - 1) / LANES * LANES : 0;
  localparam int HELD = HELD_A > HELD_B ? HELD_A : HELD_B;  // units on their way out
  localparam int SETS = BIASES * (1 + FIRST_BIAS) + 3 * PEEPHOLE + INITIAL;

  localparam int T = $clog2(QC);
  localparam int A = 5 + T;
  localparam int ROUNDED = BITS + 4;
  localparam int Y = K > 1 ? ROUNDED + 1 + FFT_SHIFTS : ACC;
  localparam int NUMBERS = K > 1 ? K / 2 * PRODUCTS : 1;
  localparam int UNIT = NUMBERS * ACC;  // bits of a sum of a unit
  localparam int BACK = K == 1 ? 0 : K == 2 ? 4 : 5 + 4 * ($clog2(K) - 2);
  localparam int FORWARD = K == 1 ? 0 : K == 2 ? 1 : 1 + 4 * ($clog2(K) - 2);
  localparam int P = A + BACK;       // from a drain to the values of its cells
  localparam int D = P + LATE;       // and to their results
  localparam int WORD = K * X;

  localparam int CW = $clog2((COLUMNS > COLUMNS_B ? COLUMNS : COLUMNS_B) + 1);
  localparam int LC = X_GROUPS > 1 ? $clog2(X_GROUPS) : 1;
  localparam int BANKS = QC / IN_LANES;
  localparam int BANK = BANKS > 1 ? $clog2(BANKS) : 1;
  localparam int SUB = SUBS > 1 ? $clog2(SUBS) : 1;
  localparam int SQ = SEQUENCES > 1 ? $clog2(SEQUENCES) : 1;
  localparam int PT = PARTS > 1 ? $clog2(PARTS) : 1;
  localparam int DEEP = GROUPS * SUBS * COLUMNS + (TWO != 0 ? GROUPS_B * COLUMNS_B : 0);
  localparam int ADDRESS = $clog2(DEEP);

  logic load, load_half, middle, settled, active, half, second, odd, known, starts, joins, sums, completes;
  logic room, drain, writes, takes, wants, start_valid, out_second, out_start, out_end, out_odd, out_first;
  logic [BANK-1:0] load_bank;
  logic [LC-1:0] load_column;
  logic [CW-1:0] column;
  logic [SUB-1:0] sub;
  logic [ADDRESS-1:0] address;
  logic [SQ-1:0] sequence_at, out_sequence;
  logic [PT-1:0] out_part;
  swm_recurrent_walk #(
      .STEPS(STEPS), .SEQUENCES(SEQUENCES), .LAST(LAST), .START(START), .LOAD_BANKS(BANKS), .LOADS((X_BLOCKS + IN_LANES - 1) / IN_LANES),
      .GROUPS(GROUPS), .SUBS(SUBS), .X_COLUMNS(X_GROUPS), .COLUMNS(COLUMNS), .BEATS(BEATS_A), .LAST_BEATS(LAST_A), .TWO(TWO),
      .GROUPS_B(GROUPS_B), .X_COLUMNS_B(X_GROUPS_B), .COLUMNS_B(COLUMNS_B), .BEATS_B(BEATS_B), .LAST_BEATS_B(LAST_B),
      .PARTS(PARTS), .CW(CW)
  ) u_walk (
      .clk, .rst, .in_valid(in_valid[0]), .in_ready(in_ready[0]), .start_valid, .takes, .wants, .load, .load_bank, .load_column, .load_half, .middle, .settled, .active, .half,
      .second, .column, .sub, .address, .sequence_at, .odd, .known, .starts, .joins, .sums, .completes, .room, .drain,
      .writes, .out_second, .out_part, .out_start, .out_end, .out_sequence, .out_odd, .out_first);

  // What a cycle multiplies: columns of x, then those of h (in phase B of m); weights.
  localparam int XP = $clog2(2 * X_GROUPS);
  localparam int HP = $clog2(2 * SEQUENCES * H_GROUPS);
  localparam int MP = M_GROUPS > 1 ? $clog2(M_GROUPS) : 1;
  logic of_x, was_of_x, was_second, was_known;
  logic [CW-1:0] behind;
  logic [XP-1:0] x_to, x_from;
  logic [HP-1:0] h_to, h_from;
  logic [MP-1:0] m_to, m_from;
  assign of_x = column < (second ? CW'(X_GROUPS_B) : CW'(X_GROUPS));
  assign behind = column - (second ? CW'(X_GROUPS_B) : CW'(X_GROUPS));
  assign x_to = (load_half ? XP'(X_GROUPS) : '0) + XP'(load_column);
  assign x_from = (half ? XP'(X_GROUPS) : '0) + XP'(column);
  // Where the states of a sequence begin; no wider than it is, for else ECP5 has a DSP block of the product.
  assign h_from = (odd ? HP'(SEQUENCES * H_GROUPS) : '0)
      + (SEQUENCES > 1 ? HP'(sequence_at) * HP'(H_GROUPS) : '0) + HP'(behind);
  assign m_from = MP'(behind);
  swm_delay #(.WIDTH(3), .N(2)) u_source (.clk, .in({of_x, second, known}), .out({was_of_x, was_second, was_known}));
  logic [QC*WORD-1:0] values;
  logic [R*QC*K*WEIGHT-1:0] w;
  logic [LANES*WORD-1:0] fed;  // results of blocks, as they are stored
  logic store_h, store_m;
  localparam int FB = QC / LANES > 1 ? $clog2(QC / LANES) : 1;
  logic [FB-1:0] fed_bank;
  genvar c, r, u, s, e;
  generate
    for (c = 0; c < QC; c = c + 1) begin : g_bank
      localparam int B = c / IN_LANES;
      localparam int S = c / LANES;
      logic load_here, store_here;
      logic [WORD-1:0] x, h, m;
      assign load_here = load && (B == BANKS - 1 || load_bank <= BANK'(B));
      assign store_here = S == QC / LANES - 1 || fed_bank <= FB'(S);
      swm_ram #(.WIDTH(WORD), .DEPTH(2 * X_GROUPS)) u_x (
          .clk, .write(load_here), .to(x_to), .value(in_data[(c%IN_LANES)*WORD+:WORD]), .from(x_from), .data(x));
      swm_ram #(.WIDTH(WORD), .DEPTH(2 * SEQUENCES * H_GROUPS)) u_h (
          .clk, .write(store_h && store_here), .to(h_to), .value(fed[(c%LANES)*WORD+:WORD]), .from(h_from), .data(h));
      if (TWO != 0) begin : g_middle
        swm_ram #(.WIDTH(WORD), .DEPTH(M_GROUPS)) u_m (
            .clk, .write(store_m && store_here), .to(m_to), .value(fed[(c%LANES)*WORD+:WORD]), .from(m_from), .data(m));
      end else begin : g_none
        assign m = '0;
      end
      assign values[c*WORD+:WORD] = was_of_x ? x : was_second ? m : was_known ? h : '0;
    end
  endgenerate
  swm_rom #(.WIDTH(R * QC * K * WEIGHT), .DEPTH(DEEP), .FILE(WEIGHTS), .LUTRAM(LUTRAM)) u_weights (
      .clk, .address, .data(w));

  // Products and sums.
  logic add, start, join_now, keep, hold, hold_second;
  logic [SUB-1:0] add_sub, keep_sub;
  swm_valid #(.N(A - 1)) u_add (.clk, .rst, .in(active), .out(add));
  swm_delay #(.WIDTH(2 + SUB), .N(A - 1)) u_start (.clk, .in({starts, joins, sub}), .out({start, join_now, add_sub}));
  swm_valid #(.N(A)) u_keep (.clk, .rst, .in(active && sums && !second), .out(keep));
  swm_valid #(.N(A)) u_hold (.clk, .rst, .in(active && completes), .out(hold));
  swm_delay #(.WIDTH(1 + SUB), .N(A)) u_hold_second (.clk, .in({second, sub}), .out({hold_second, keep_sub}));
  logic [R*UNIT-1:0] acc, cut;
  generate
    for (r = 0; r < R; r = r + 1) begin : g_row
      logic cut_here;
      assign cut_here = SPLIT != 0 && (R >= GATES ? r % GATES == 2 : 32'(add_sub) * R + r == 2);
      swm_recurrent_products #(
          .K(K), .X(X), .W(WEIGHT), .COLUMNS(QC), .PRODUCTS(PRODUCTS), .ACC(ACC), .JOIN_SHIFT(JOIN_SHIFT), .SPLIT(SPLIT)
      ) u_products (
          .clk, .add, .start, .join_now, .cut_here, .x(values), .w(w[r*QC*K*WEIGHT+:QC*K*WEIGHT]),
          .sums(acc[r*UNIT+:UNIT]), .cut(cut[r*UNIT+:UNIT]));
    end
  endgenerate

  // Sums on their way out: a block stays until its last part has left.
  logic leave, leave_block, leave_second;
  swm_valid #(.N(A)) u_leave (.clk, .rst, .in(drain), .out(leave));
  swm_delay #(.WIDTH(2), .N(A)) u_leave_block (
      .clk, .in({out_part == PT'(PARTS - 1), out_second}), .out({leave_block, leave_second}));
  logic [LANES*SUMS*UNIT-1:0] leaving;
  swm_recurrent_group #(
      .ROWS(R), .GATES(GATES), .SUMS(SUMS), .TWO(TWO), .UNIT(UNIT), .HELD(HELD), .LANES(LANES)
  ) u_group (
      .clk, .acc, .cut, .keep, .turn(keep_sub), .hold, .second(hold_second), .shift(leave && leave_block), .leaving);
  logic [LANES*SUMS*K*Y-1:0] back;
  generate
    for (u = 0; u < LANES; u = u + 1) begin : g_back
      for (s = 0; s < SUMS; s = s + 1) begin : g_sum
        swm_recurrent_back #(
            .K(K), .ACC(ACC), .PRODUCTS(PRODUCTS), .SHIFT(ACC_SHIFT), .SHIFT_B(s == 0 && TWO != 0 ? ACC_SHIFT_B : ACC_SHIFT),
            .ROUNDED(ROUNDED), .FFT_SHIFTS(FFT_SHIFTS)
        ) u_back (
            .clk, .second(leave_second), .sums(leaving[(u*SUMS+s)*UNIT+:UNIT]), .y(back[(u*SUMS+s)*K*Y+:K*Y]));
      end
    end
  endgenerate

  // Cells: the beat of a phase two cycles ahead of its values, then the values.
  localparam int BW = TOTAL_A > 1 ? $clog2(TOTAL_A) : 1;
  localparam int CP = SEQUENCES * TOTAL_A > 1 ? $clog2(SEQUENCES * TOTAL_A) : 1;
  logic ahead, ahead_start, ahead_second, ahead_first, cell_second, cell_first, done_second;
  logic [PT-1:0] ahead_part, cell_part;
  logic [SQ-1:0] ahead_sequence;
  logic [BW-1:0] beat, next_beat, vector_beat, update_to;
  logic [CP-1:0] cell_from, cell_to;
  swm_valid #(.N(P - 2)) u_ahead (.clk, .rst, .in(drain), .out(ahead));
  swm_delay #(.WIDTH(3 + PT + SQ), .N(P - 2)) u_ahead_of (
      .clk, .in({out_start, out_second, out_first, out_part, out_sequence}),
      .out({ahead_start, ahead_second, ahead_first, ahead_part, ahead_sequence}));
  assign beat = ahead_start ? '0 : next_beat;
  always_ff @(posedge clk) if (ahead) next_beat <= beat + 1;
  assign vector_beat = PROJECTED != 0 && ahead_second ? '0 : beat;
  assign cell_from = (SEQUENCES > 1 ? CP'(ahead_sequence) * CP'(TOTAL_A) : '0) + CP'(vector_beat);
  swm_delay #(.WIDTH(2 + PT), .N(2)) u_cell_of (
      .clk, .in({ahead_second, ahead_first, ahead_part}), .out({cell_second, cell_first, cell_part}));
  swm_delay #(.WIDTH(CP + BW), .N(2 + LATE)) u_cell_to (.clk, .in({cell_from, vector_beat}), .out({cell_to, update_to}));
  logic [SETS*E*BIAS-1:0] vectors;
  swm_rom #(.WIDTH(SETS * E * BIAS), .DEPTH(TOTAL_A), .FILE(VECTORS), .LUTRAM(VECTORS_LUTRAM)) u_vectors (
      .clk, .address(vector_beat), .data(vectors));

  logic ends, ends_beat, ends_phase, ends_block, ends_writes;
  logic [E*STATE-1:0] states, next_states, stepped_states;
  logic [E*BITS-1:0] updates, next_updates, results, stepped, value;
  swm_valid #(.N(D)) u_ends (.clk, .rst, .in(drain), .out(ends));
  swm_valid #(.N(D)) u_ends_writes (.clk, .rst, .in(drain && writes), .out(ends_writes));
  swm_delay #(.WIDTH(3), .N(D)) u_ends_of (
      .clk, .in({out_second, out_part == PT'(PARTS - 1), out_end}), .out({done_second, ends_block, ends_phase}));
  assign ends_beat = ends && (PROJECTED != 0 ? !done_second : TWO == 0 || done_second);
  generate
    if (HAS_STATE != 0) begin : g_cells
      swm_ram #(.WIDTH(E * STATE), .DEPTH(SEQUENCES * TOTAL_A)) u_cells (
          .clk, .write(ends_beat), .to(cell_to), .value(next_states), .from(cell_from), .data(states));
    end else begin : g_no_cells
      assign states = '0;
      logic unused;
      assign unused = &{1'b0, next_states, cell_to, cell_from, ends_beat};
    end
    if (CELL == 2) begin : g_updates
      swm_ram #(.WIDTH(E * BITS), .DEPTH(TOTAL_A)) u_updates (
          .clk, .write(ends && !done_second), .to(update_to), .value(next_updates), .from(vector_beat), .data(updates));
    end else begin : g_no_updates
      assign updates = '0;
      logic unused;
      assign unused = &{1'b0, next_updates, update_to};
    end
    for (e = 0; e < E; e = e + 1) begin : g_cell
      logic [SUMS*Y-1:0] of_cell;
      logic [BIASES*BIAS-1:0] biases;
      logic [3*WEIGHT-1:0] peepholes;
      logic signed [STATE-1:0] state;
      logic signed [BITS-1:0] result;
      for (s = 0; s < SUMS; s = s + 1) begin : g_sum
        if (PARTS == 1) begin : g_whole
          assign of_cell[s*Y+:Y] = back[((e/K*SUMS+s)*K+e%K)*Y+:Y];
        end else begin : g_part
          assign of_cell[s*Y+:Y] = back[(s*K+32'(cell_part)*E+e)*Y+:Y];
        end
      end
      for (s = 0; s < BIASES; s = s + 1) begin : g_bias
        if (FIRST_BIAS != 0) begin : g_two
          assign biases[s*BIAS+:BIAS] = cell_first ? vectors[((BIASES+s)*E+e)*BIAS+:BIAS] : vectors[(s*E+e)*BIAS+:BIAS];
        end else begin : g_one
          assign biases[s*BIAS+:BIAS] = vectors[(s*E+e)*BIAS+:BIAS];
        end
      end
      for (s = 0; s < 3; s = s + 1) begin : g_peephole
        if (PEEPHOLE != 0) begin : g_seen
          assign peepholes[s*WEIGHT+:WEIGHT] = vectors[((BIASES*(1+FIRST_BIAS)+s)*E+e)*BIAS+:WEIGHT];
        end else begin : g_unseen
          assign peepholes[s*WEIGHT+:WEIGHT] = '0;
        end
      end
      if (INITIAL != 0) begin : g_initial
        assign state = cell_first ? vectors[((SETS-1)*E+e)*BIAS+:STATE] : states[e*STATE+:STATE];
      end else begin : g_zero
        assign state = cell_first ? '0 : states[e*STATE+:STATE];
      end
      swm_recurrent_cell #(
          .CELL(CELL), .BITS(BITS), .STATE(STATE), .WEIGHT(WEIGHT), .SUM(Y), .BIAS(BIAS), .SUMS(SUMS), .BIASES(BIASES),
          .PROJECTED(PROJECTED), .PEEPHOLE(PEEPHOLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH),
          .PEEPHOLE_SHIFT(PEEPHOLE_SHIFT), .STATE_SHIFT(STATE_SHIFT), .KEPT_SHIFT(KEPT_SHIFT), .NEW_SHIFT(NEW_SHIFT),
          .UNIT_SHIFT(UNIT_SHIFT), .OUT_SHIFT(OUT_SHIFT), .INNER_SHIFT(INNER_SHIFT), .RESET_SHIFT(RESET_SHIFT),
          .PROJECT_SHIFT(PROJECT_SHIFT), .F_SHIFT(F_SHIFT), .F_POLICY(F_POLICY), .F_FINISH(F_FINISH), .F_CURVE(F_CURVE),
          .F_TABLE(F_TABLE), .G_SHIFT(G_SHIFT), .G_POLICY(G_POLICY), .G_FINISH(G_FINISH), .G_CURVE(G_CURVE),
          .G_TABLE(G_TABLE), .H_SHIFT(H_SHIFT), .H_POLICY(H_POLICY), .H_FINISH(H_FINISH), .H_CURVE(H_CURVE),
          .H_TABLE(H_TABLE), .LATE(LATE)
      ) u_cell (
          .clk, .second(cell_second), .sums(of_cell), .biases, .peepholes, .state, .update(updates[e*BITS+:BITS]), .result,
          .next_state(stepped_states[e*STATE+:STATE]), .next_update(next_updates[e*BITS+:BITS]));
      assign stepped[e*BITS+:BITS] = result;
    end
  endgenerate

  // States that come, in the place of those that a step gave.
  generate
    if (START != 0) begin : g_start
      swm_recurrent_start #(
          .E(E), .BITS(BITS), .STATE(STATE), .COME(INPUTS - 1), .H_SHIFT(START_SHIFT),
          .STATE_SHIFT(CELL == 1 ? STATE_SHIFT_C : STATE_SHIFT_H), .D(D)
      ) u_begin (
          .clk, .rst, .in_valid(in_valid[INPUTS-1:1]), .in_ready(in_ready[INPUTS-1:1]),
          .in_data(in_data[IN_LANES*K*X+:(INPUTS-1)*E*BITS]), .takes, .wants, .drain, .there(start_valid), .stepped,
          .stepped_states, .results, .next_states);
    end else begin : g_no_start
      assign start_valid = 1'b1;
      assign results = stepped;
      assign next_states = stepped_states;
      logic unused;
      assign unused = &{1'b0, takes, wants};
    end
  endgenerate

  // None behind the last value of a phase.
  localparam int TAIL_A = HIDDEN - (HIDDEN - 1) / E * E;
  localparam int TAIL_B = M - (OUT_BEATS - 1) * E;
  logic gives;
  assign gives = TWO == 0 || done_second;
  generate
    for (e = 0; e < E; e = e + 1) begin : g_value
      assign value[e*BITS+:BITS] = ends_phase && e >= (gives ? TAIL_B : TAIL_A) ? '0 : results[e*BITS+:BITS];
    end
  endgenerate

  swm_recurrent_feed #(
      .K(K), .E(E), .BITS(BITS), .X(X), .FFT_SHIFTS(FFT_SHIFTS), .FORWARD(FORWARD), .QC(QC), .SEQUENCES(SEQUENCES),
      .H_GROUPS(H_GROUPS), .M_GROUPS(M_GROUPS), .D(D)
  ) u_feed (
      .clk, .rst, .value, .ends, .ends_block, .ends_phase, .gives, .out_odd, .out_sequence, .fed, .fed_bank, .h_to, .m_to,
      .store_h, .store_m, .settled, .middle);

  swm_fifo #(.WIDTH(E * BITS), .DEPTH(DEPTH), .PIPELINE(D)) u_out (
      .clk, .rst, .reserve(drain && writes), .room, .push(ends_writes), .in_data(value), .out_valid, .out_ready, .out_data);
  logic unused;
  assign unused = &{1'b0, known, add_sub, keep_sub, keep, vectors, m_from, m_to, store_m, cell_part,
                    ends_phase, cell_second, leave_second, hold_second, was_second, behind};
endmodule
