// SPDX-License-Identifier: Apache-2.0
/// \file swm_rotation.sv
/// \brief A complex integer turned by W_N^i, N = 2^STAGE >= 16, i < N/4: the rotations of the passes of large transforms.
///
/// With W_N^i = c - j s and m = c (a + b): forward re = m - (c - s) b, im = m - (c + s) a; INVERSE by the conjugate:
/// re = m - (c + s) b, im = m - (c - s) a; each round_shift by SHIFT. The caller knows that the result fits OUT bits, and asks
/// nothing of i = 0.
///
/// Three multipliers where a rotation comes each cycle; with II = 2 two, with II = 4 one (`go` marks the first cycle of a rotation,
/// at least II cycles behind the one before).
///
/// Latency 3 (operands, products, joined and rounded), II = 2 one more, II = 4 two more. `i` comes two cycles ahead of a and b.
module swm_rotation #(
    parameter int STAGE = 5,
    parameter int W = 16,
    parameter int OUT = 18,
    parameter int INVERSE = 0,
    parameter int SHIFT = 16,
    parameter int II = 1,
    parameter int IB = STAGE - 2
) (
    input  logic                  clk,
    input  logic                  go,
    input  logic        [ IB-1:0] i,
    input  logic signed [  W-1:0] a,
    input  logic signed [  W-1:0] b,
    output logic signed [OUT-1:0] re,
    output logic signed [OUT-1:0] im
);
  // cos(2 pi j / 256) of j = 0 .. 64, 16 fractional bits, entry 0 in the lowest bits (hls/swm/tables.h has the same).
  localparam logic [65*18-1:0] COSINE = {
    18'd0, 18'd1608, 18'd3216, 18'd4821, 18'd6424, 18'd8022, 18'd9616, 18'd11204, 18'd12785, 18'd14359, 18'd15924,
    18'd17479, 18'd19024, 18'd20557, 18'd22078, 18'd23586, 18'd25080, 18'd26558, 18'd28020, 18'd29466, 18'd30893,
    18'd32303, 18'd33692, 18'd35062, 18'd36410, 18'd37736, 18'd39040, 18'd40320, 18'd41576, 18'd42806, 18'd44011,
    18'd45190, 18'd46341, 18'd47464, 18'd48559, 18'd49624, 18'd50660, 18'd51665, 18'd52639, 18'd53581, 18'd54491,
    18'd55368, 18'd56212, 18'd57022, 18'd57798, 18'd58538, 18'd59244, 18'd59914, 18'd60547, 18'd61145, 18'd61705,
    18'd62228, 18'd62714, 18'd63162, 18'd63572, 18'd63944, 18'd64277, 18'd64571, 18'd64827, 18'd65043, 18'd65220,
    18'd65358, 18'd65457, 18'd65516, 18'd65536};
  localparam int QUARTER = 1 << IB;
  localparam int P = W + 19;

  logic [QUARTER*54-1:0] table_of;  // c, what multiplies b, what multiplies a
  genvar j;
  generate
    for (j = 0; j < QUARTER; j = j + 1) begin : g_entry
      localparam int AT = j << (8 - STAGE);
      localparam logic [17:0] C = COSINE[AT*18+:18];
      localparam logic [17:0] S = COSINE[(64-AT)*18+:18];
      assign table_of[j*54+:54] = INVERSE != 0 ? {C - S, C + S, C} : {C + S, C - S, C};
    end
  endgenerate
  logic [53:0] read, entry;
  logic signed [17:0] c, of_b, of_a;
  always_ff @(posedge clk) begin
    read <= table_of[32'(i)*54+:54];
    entry <= read;
  end
  assign {of_a, of_b, c} = entry;

  logic signed [P-1:0] shared;
  logic signed [P-2:0] part_a, part_b;
  logic signed [P:0] wide_re, wide_im, up_re, up_im;
  logic signed [OUT-1:0] rounded_re;
  assign wide_re = (P + 1)'(shared) - (P + 1)'(part_b);
  assign up_re = (wide_re + ((P + 1)'(1) <<< (SHIFT - 1))) >>> SHIFT;
  assign up_im = (wide_im + ((P + 1)'(1) <<< (SHIFT - 1))) >>> SHIFT;
  always_ff @(posedge clk) begin
    rounded_re <= up_re[OUT-1:0];
    im <= up_im[OUT-1:0];
  end
  logic unused;
  assign unused = &{1'b0, go, up_re[P:OUT], up_im[P:OUT]};

  logic signed [W:0] sum;
  assign sum = (W + 1)'(a) + (W + 1)'(b);
  generate
    if (II == 1) begin : g_three
      swm_multiply #(.WA(W + 1), .WB(18)) u_shared (.clk, .a(sum), .b(c), .p(shared));
      swm_multiply #(.WA(W), .WB(18)) u_b (.clk, .a(b), .b(of_b), .p(part_b));
      swm_multiply #(.WA(W), .WB(18)) u_a (.clk, .a(a), .b(of_a), .p(part_a));
      assign wide_im = (P + 1)'(shared) - (P + 1)'(part_a);
      assign re = rounded_re;
    end else begin : g_shared
      // The first multiplier makes m, then the product of b (II = 4), then that of a, which is joined last.
      localparam int LAST = II == 2 ? 1 : 2;
      logic signed [W-1:0] a_kept, b_kept;
      logic signed [17:0] of_a_kept, of_b_kept;
      logic signed [W:0] left;
      logic signed [17:0] right;
      logic signed [P-1:0] product, m_kept;
      logic second;
      always_ff @(posedge clk) begin
        if (go) begin
          a_kept <= a;
          b_kept <= b;
          of_a_kept <= of_a;
          of_b_kept <= of_b;
        end
        second <= go;
      end
      assign left = go ? sum : II == 4 && second ? (W + 1)'(b_kept) : (W + 1)'(a_kept);
      assign right = go ? c : II == 4 && second ? of_b_kept : of_a_kept;
      swm_multiply #(.WA(W + 1), .WB(18)) u_product (.clk, .a(left), .b(right), .p(product));
      if (II == 2) begin : g_two
        swm_multiply #(.WA(W), .WB(18)) u_b (.clk, .a(b), .b(of_b), .p(part_b));
        assign shared = product;
        always_ff @(posedge clk) m_kept <= product;
        swm_delay #(.WIDTH(OUT), .N(LAST)) u_re (.clk, .in(rounded_re), .out(re));
        logic unused_b;
        assign unused_b = &{1'b0, b_kept, of_b_kept};
      end else begin : g_one
        logic signed [P-1:0] m;
        assign part_b = product[P-2:0];
        assign shared = m;
        always_ff @(posedge clk) begin
          m <= product;
          m_kept <= m;
        end
        swm_delay #(.WIDTH(OUT), .N(LAST - 1)) u_re (.clk, .in(rounded_re), .out(re));
      end
      assign part_a = product[P-2:0];
      assign wide_im = (P + 1)'(m_kept) - (P + 1)'(part_a);
    end
  endgenerate
endmodule
