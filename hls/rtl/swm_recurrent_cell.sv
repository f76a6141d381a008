// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_cell.sv
/// \brief The arithmetic of one cell of an RNN, LSTM or GRU (docs/arithmetic.md section 8): gates, state, output.
///
/// CELL is as in hls/swm/recurrent.h: 0 RNN, 1 LSTM, 2 GRU that resets before the product, 3 GRU that resets after it. Sums and
/// biases come in the order of the gates; `second` marks what phase B gave (the candidate of cell 2, a projection). Gates f, g, h
/// have activations as swm_finish takes them. Binary points: hls/swm/recurrent_cell.h.
///
/// Latency LATE, whatever leaves, counted by swm/layers/rtl/recurrent.py: with F, G, H that of the gates,
///     RNN F    LSTM max(F, G) + 9 + H (o sees its cell: + max(0, F + 5 - H))
///     GRU before the product max(F + 4, G + 8), after it F + G + 12
module swm_recurrent_cell #(
    parameter int CELL = 1,
    parameter int BITS = 8,        // of a gate and of the output
    parameter int STATE = 12,      // of a cell's state
    parameter int WEIGHT = 8,      // of a peephole
    parameter int SUM = 20,        // of a sum
    parameter int BIAS = 20,
    parameter int SUMS = 4,
    parameter int BIASES = 4,
    parameter int PROJECTED = 0,
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
    parameter int LATE = 40
) (
    input  logic                          clk,
    input  logic                          second,
    input  logic        [   SUMS*SUM-1:0] sums,
    input  logic        [BIASES*BIAS-1:0] biases,
    input  logic        [   3*WEIGHT-1:0] peepholes,  // i, o, f
    input  logic signed [      STATE-1:0] state,
    input  logic signed [       BITS-1:0] update,     // z of phase A, for phase B
    output logic signed [       BITS-1:0] result,
    output logic signed [      STATE-1:0] next_state,
    output logic signed [       BITS-1:0] next_update
);
  localparam int B = BITS;
  localparam int C = STATE;
  localparam int V = (SUM > BIAS ? SUM : BIAS) + 1;
  localparam int EXTRA = PEEPHOLE != 0 ? 5 : CLIP != 0 ? 2 : 0;
  localparam int F = F_FINISH + EXTRA;
  localparam int G = G_FINISH + (CLIP != 0 ? 2 : 0);
  logic signed [B-1:0] given;  // all but a projection
  generate
    if (CELL == 0) begin : g_rnn
      swm_recurrent_gate #(
          .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
          .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
      ) u_f (.clk, .sum(sums[0+:SUM]), .bias(biases[0+:BIAS]), .state, .weight('0), .y(given));
      assign next_state = state;
      assign next_update = update;
      logic unused;
      assign unused = &{1'b0, peepholes};
    end else if (CELL == 1) begin : g_lstm
      // Gates i and f, candidate; the new cell; gate o, which may see it.
      localparam int GATES = F > G ? F : G;
      localparam int CELL_AT = GATES + 5;
      localparam int OUT_AT = CELL_AT + (PEEPHOLE != 0 && F > H_FINISH ? F : H_FINISH);
      localparam int KEPT = B + C + KEPT_SHIFT;
      localparam int FRESH = 2 * B + NEW_SHIFT;
      localparam int WIDE = (KEPT > FRESH ? KEPT : FRESH) + 1;
      logic signed [B-1:0] i, f, g, o, h;
      logic [B-1:0] i_late, f_late, g_late, o_late, h_late;
      logic [C-1:0] c_late, c_kept;
      logic signed [C-1:0] c;
      logic signed [B+C-1:0] kept;
      logic signed [2*B-1:0] fresh, gated;
      logic signed [WIDE-1:0] wide;
      swm_recurrent_gate #(
          .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
          .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .PEEPHOLE(PEEPHOLE), .PEEPHOLE_SHIFT(PEEPHOLE_SHIFT),
          .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
      ) u_i (
          .clk, .sum(sums[0+:SUM]), .bias(biases[0+:BIAS]), .state, .weight(peepholes[0+:WEIGHT]), .y(i));
      swm_recurrent_gate #(
          .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
          .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .PEEPHOLE(PEEPHOLE), .PEEPHOLE_SHIFT(PEEPHOLE_SHIFT),
          .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
      ) u_f (
          .clk, .sum(sums[2*SUM+:SUM]), .bias(biases[2*BIAS+:BIAS]), .state, .weight(peepholes[2*WEIGHT+:WEIGHT]), .y(f));
      swm_recurrent_gate #(
          .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(G_SHIFT), .POLICY(G_POLICY),
          .FINISH(G_FINISH), .CURVE(G_CURVE), .TABLE(G_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
      ) u_g (.clk, .sum(sums[3*SUM+:SUM]), .bias(biases[3*BIAS+:BIAS]), .state, .weight('0), .y(g));
      swm_delay #(.WIDTH(2 * B), .N(GATES - F)) u_if (.clk, .in({f, i}), .out({f_late, i_late}));
      swm_delay #(.WIDTH(B), .N(GATES - G)) u_g_late (.clk, .in(g), .out(g_late));
      swm_delay #(.WIDTH(C), .N(GATES)) u_c_late (.clk, .in(state), .out(c_late));
      swm_multiply #(.WA(B), .WB(C)) u_kept (.clk, .a(f_late), .b(c_late), .p(kept));
      swm_multiply #(.WA(B), .WB(B)) u_fresh (.clk, .a(i_late), .b(g_late), .p(fresh));
      always_ff @(posedge clk) wide <= (WIDE'(kept) <<< KEPT_SHIFT) + (WIDE'(fresh) <<< NEW_SHIFT);
      swm_round #(.IN(WIDE), .SHIFT(STATE_SHIFT), .OUT(C)) u_c (.clk, .v(wide), .y(c));
      if (PEEPHOLE != 0) begin : g_seen
        logic [SUM-1:0] sum_late;
        logic [BIAS-1:0] bias_late;
        logic [WEIGHT-1:0] weight_late;
        swm_delay #(.WIDTH(SUM + BIAS + WEIGHT), .N(CELL_AT)) u_late (
            .clk, .in({sums[SUM+:SUM], biases[BIAS+:BIAS], peepholes[WEIGHT+:WEIGHT]}),
            .out({sum_late, bias_late, weight_late}));
        swm_recurrent_gate #(
            .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
            .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .PEEPHOLE(1), .PEEPHOLE_SHIFT(PEEPHOLE_SHIFT),
            .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
        ) u_o (.clk, .sum(sum_late), .bias(bias_late), .state(c), .weight(weight_late), .y(o));
        swm_delay #(.WIDTH(B), .N(OUT_AT - CELL_AT - F)) u_o_late (.clk, .in(o), .out(o_late));
      end else begin : g_unseen
        swm_recurrent_gate #(
            .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
            .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
        ) u_o (.clk, .sum(sums[SUM+:SUM]), .bias(biases[BIAS+:BIAS]), .state, .weight('0), .y(o));
        swm_delay #(.WIDTH(B), .N(OUT_AT - F)) u_o_late (.clk, .in(o), .out(o_late));
        logic unused;
        assign unused = &{1'b0, peepholes};
      end
      swm_finish #(
          .SUM(C), .BIAS(1), .OUT(B), .OUT_SHIFT(H_SHIFT), .POLICY(H_POLICY), .FINISH(H_FINISH), .CURVE(H_CURVE), .TABLE(H_TABLE)
      ) u_h (.clk, .sum(c), .bias(1'b0), .y(h));
      swm_delay #(.WIDTH(B), .N(OUT_AT - CELL_AT - H_FINISH)) u_h_late (.clk, .in(h), .out(h_late));
      swm_multiply #(.WA(B), .WB(B)) u_gated (.clk, .a(o_late), .b(h_late), .p(gated));
      swm_round #(.IN(2 * B), .SHIFT(OUT_SHIFT), .OUT(B)) u_given (.clk, .v(gated), .y(given));
      swm_delay #(.WIDTH(C), .N(LATE - CELL_AT)) u_c_kept (.clk, .in(c), .out(c_kept));
      assign next_state = c_kept;
      assign next_update = update;
    end else begin : g_gru
      localparam int CANDIDATE = CELL == 2 ? G : F + 4 + G;
      localparam int OLD = C + KEPT_SHIFT;
      localparam int NEW = B + NEW_SHIFT;
      localparam int GAP = (OLD > NEW ? OLD : NEW) + 1;
      localparam int WIDE = GAP + B + 1;
      logic signed [B-1:0] z, r, n, blended;
      logic [B-1:0] z_late, r_late;
      logic [C-1:0] s_late;
      logic signed [C-1:0] s;
      logic signed [GAP-1:0] difference;
      logic signed [GAP+B-1:0] product;
      logic signed [WIDE-1:0] moved, sum;
      logic [WIDE-1:0] moved_late;
      logic signed [B-1:0] z_operand;
      swm_recurrent_gate #(
          .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
          .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
      ) u_z (.clk, .sum(sums[0+:SUM]), .bias(biases[0+:BIAS]), .state, .weight('0), .y(z));
      swm_recurrent_gate #(
          .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(F_SHIFT), .POLICY(F_POLICY),
          .FINISH(F_FINISH), .CURVE(F_CURVE), .TABLE(F_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
      ) u_r (.clk, .sum(sums[SUM+:SUM]), .bias(biases[BIAS+:BIAS]), .state, .weight('0), .y(r));
      logic signed [B+C-1:0] reset;
      assign r_late = r;
      if (CELL == 2) begin : g_before
        logic [C-1:0] s_at_r;
        logic signed [B-1:0] middle;
        logic [B-1:0] middle_late, blended_late;
        logic was_second;
        swm_delay #(.WIDTH(C), .N(F)) u_s_at_r (.clk, .in(state), .out(s_at_r));
        swm_multiply #(.WA(B), .WB(C)) u_reset (.clk, .a(r_late), .b(s_at_r), .p(reset));
        swm_round #(.IN(B + C), .SHIFT(RESET_SHIFT), .OUT(B)) u_middle (.clk, .v(reset), .y(middle));
        swm_delay #(.WIDTH(B), .N(LATE - F - 4)) u_middle_late (.clk, .in(middle), .out(middle_late));
        swm_delay #(.WIDTH(B), .N(LATE - F)) u_update (.clk, .in(z), .out(next_update));
        swm_delay #(.WIDTH(B), .N(G)) u_z_late (.clk, .in(update), .out(z_late));
        swm_recurrent_gate #(
            .SUM(SUM), .BIAS(BIAS), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(G_SHIFT), .POLICY(G_POLICY),
            .FINISH(G_FINISH), .CURVE(G_CURVE), .TABLE(G_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
        ) u_n (.clk, .sum(sums[0+:SUM]), .bias(biases[2*BIAS+:BIAS]), .state, .weight('0), .y(n));
        swm_delay #(.WIDTH(B), .N(LATE - CANDIDATE - 8)) u_given (.clk, .in(blended), .out(blended_late));
        swm_delay #(.N(LATE)) u_second (.clk, .in(second), .out(was_second));
        assign given = was_second ? blended_late : middle_late;
      end else begin : g_after
        // round_shift(v2) times r joins v3.
        logic signed [V-1:0] v2, v3;
        logic [V-1:0] v3_late;
        logic signed [C-1:0] inner;
        logic [C-1:0] inner_late;
        logic signed [V+1:0] joined;
        always_ff @(posedge clk) begin
          v2 <= V'($signed(sums[2*SUM+:SUM])) + V'($signed(biases[2*BIAS+:BIAS]));
          v3 <= V'($signed(sums[3*SUM+:SUM])) + V'($signed(biases[3*BIAS+:BIAS]));
        end
        swm_round #(.IN(V), .SHIFT(INNER_SHIFT), .OUT(C)) u_inner (.clk, .v(v2), .y(inner));
        swm_delay #(.WIDTH(C), .N(F - 3)) u_inner_late (.clk, .in(inner), .out(inner_late));
        swm_delay #(.WIDTH(V), .N(F + 3)) u_v3 (.clk, .in(v3), .out(v3_late));
        swm_multiply #(.WA(B), .WB(C)) u_reset (.clk, .a(r_late), .b(inner_late), .p(reset));
        swm_round #(.IN(B + C), .SHIFT(RESET_SHIFT), .OUT(V + 2)) u_joined (.clk, .v(reset), .y(joined));
        swm_recurrent_gate #(
            .SUM(V + 2), .BIAS(V), .STATE(C), .WEIGHT(WEIGHT), .SEEN(V), .BITS(B), .OUT_SHIFT(G_SHIFT), .POLICY(G_POLICY),
            .FINISH(G_FINISH), .CURVE(G_CURVE), .TABLE(G_TABLE), .CLIP(CLIP), .CLIP_LOW(CLIP_LOW), .CLIP_HIGH(CLIP_HIGH)
        ) u_n (.clk, .sum(joined), .bias(v3_late), .state, .weight('0), .y(n));
        swm_delay #(.WIDTH(B), .N(CANDIDATE - F)) u_z_late (.clk, .in(z), .out(z_late));
        assign given = blended;
        assign next_update = update;
      end
      // s' = n + z (s - n)
      swm_delay #(.WIDTH(C), .N(CANDIDATE)) u_s_late (.clk, .in(state), .out(s_late));
      always_ff @(posedge clk) begin
        difference <= (GAP'($signed(s_late)) <<< KEPT_SHIFT) - (GAP'(n) <<< NEW_SHIFT);
        moved <= WIDE'(n) <<< (NEW_SHIFT + UNIT_SHIFT);
        z_operand <= z_late;
        sum <= $signed(moved_late) + WIDE'(product);
      end
      swm_multiply #(.WA(GAP), .WB(B)) u_product (.clk, .a(difference), .b(z_operand), .p(product));
      swm_delay #(.WIDTH(WIDE), .N(2)) u_moved (.clk, .in(moved), .out(moved_late));
      swm_round #(.IN(WIDE), .SHIFT(STATE_SHIFT), .OUT(C)) u_s (.clk, .v(sum), .y(s));
      swm_round #(.IN(C), .SHIFT(OUT_SHIFT), .OUT(B)) u_blended (.clk, .v(s), .y(blended));
      swm_delay #(.WIDTH(C), .N(LATE - CANDIDATE - 6)) u_s_next (.clk, .in(s), .out(next_state));
      logic unused;
      assign unused = &{1'b0, peepholes};
    end
    if (PROJECTED != 0) begin : g_projected
      logic signed [B-1:0] narrow;
      logic [B-1:0] narrow_late;
      logic was_second;
      swm_round #(.IN(SUM), .SHIFT(PROJECT_SHIFT), .OUT(B)) u_narrow (.clk, .v(sums[0+:SUM]), .y(narrow));
      swm_delay #(.WIDTH(B), .N(LATE - 2)) u_narrow_late (.clk, .in(narrow), .out(narrow_late));
      swm_delay #(.N(LATE)) u_second (.clk, .in(second), .out(was_second));
      assign result = was_second ? narrow_late : given;
    end else begin : g_as_given
      assign result = given;
      logic unused;
      assign unused = &{1'b0, second};
    end
  endgenerate
endmodule
