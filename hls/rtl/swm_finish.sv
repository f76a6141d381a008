// SPDX-License-Identifier: Apache-2.0
/// \file swm_finish.sv
/// \brief The end of a layer for one value: bias, activation, one rounding, saturation (docs/arithmetic.md section 5).
///
/// v = sum + bias, exact; y = saturate(activation(v), OUT). POLICY is one of hls/swm/finish.h:
///
///   0, 1  identity, relu   round_shift(v, OUT_SHIFT), of max(v, 0)                         latency 3: v, rounded, saturated
///   2     clip             the same, between two words
///   3, 4  ramp, leaky      a multiplication by a constant (swm_ramp)                       latency 8
///   5     curve            a table of equal segments (swm_curve)                           latency 11
///   6     steps            a ramp to the number of a step, times the width of a step      latency 12
///
/// FINISH is that latency, for the modules around. CURVE holds the integers of policies 2 to 6 (swm/layers/curves.py says what
/// they mean), 32 bits each, LOW in the lowest; TABLE is the file of the segments.
module swm_finish #(
    parameter int SUM = 16,       // bits of the sum
    parameter int BIAS = 16,      // and of the bias
    parameter int OUT = 8,
    parameter int OUT_SHIFT = 0,  // binary point of v minus that of y
    parameter int POLICY = 0,
    parameter int FINISH = 3,
    parameter logic [12*32-1:0] CURVE = '0,
    parameter TABLE = ""
) (
    input  logic                   clk,
    input  logic signed [ SUM-1:0] sum,
    input  logic signed [BIAS-1:0] bias,
    output logic signed [ OUT-1:0] y
);
  localparam int V = (SUM > BIAS ? SUM : BIAS) + 1;
  localparam int LOW = $signed(CURVE[0+:32]), HIGH = $signed(CURVE[32+:32]);
  localparam int INPUT_SHIFT = $signed(CURVE[64+:32]), INPUT_BITS = $signed(CURVE[96+:32]), LAST_SHIFT = $signed(CURVE[128+:32]);
  logic signed [V-1:0] v;
  always_ff @(posedge clk) v <= V'(sum) + V'(bias);
  generate
    if (POLICY <= 2) begin : g_plain
      swm_round #(
          .IN(V), .SHIFT(OUT_SHIFT), .OUT(OUT), .RELU(POLICY == 1 ? 1 : 0), .BOUNDED(POLICY == 2 ? 1 : 0), .LOW(LOW),
          .HIGH(HIGH)
      ) u_round (.clk, .v, .y);
    end else begin : g_narrowed
      logic signed [INPUT_BITS-1:0] z;
      swm_round #(.IN(V), .SHIFT(INPUT_SHIFT), .OUT(INPUT_BITS)) u_narrow (.clk, .v, .y(z));
      if (POLICY == 5) begin : g_curve
        swm_curve #(
            .IN(INPUT_BITS), .OUT(OUT), .OUT_SHIFT(LAST_SHIFT), .FIRST($signed(CURVE[160+:32])), .STEP_BITS($signed(CURVE[192+:32])),
            .ENTRIES($signed(CURVE[224+:32])), .START_BITS($signed(CURVE[256+:32])), .RISE_BITS($signed(CURVE[288+:32])),
            .RECTIFIED(LOW), .BASE_SHIFT($signed(CURVE[320+:32])), .LUTRAM($signed(CURVE[352+:32])), .TABLE(TABLE)
        ) u_curve (.clk, .z, .y);
      end else if (POLICY == 6) begin : g_steps
        localparam int CODE = $signed(CURVE[288+:32]), WIDTH = $signed(CURVE[320+:32]);
        localparam int WIDTH_BITS = $signed(CURVE[256+:32]), WIDTH_SHIFT = $signed(CURVE[352+:32]);
        logic signed [CODE-1:0] code;
        logic signed [CODE+WIDTH_BITS-1:0] level;
        swm_ramp #(
            .IN(INPUT_BITS), .OUT(CODE), .OUT_SHIFT(LAST_SHIFT), .SLOPE($signed(CURVE[160+:32])),
            .SLOPE_BITS($signed(CURVE[192+:32])), .OFFSET_SHIFT($signed(CURVE[224+:32])), .LOW(LOW), .HIGH(HIGH)
        ) u_code (.clk, .z, .y(code));
        swm_multiply #(.WA(CODE), .WB(WIDTH_BITS)) u_level (.clk, .a(code), .b(WIDTH_BITS'(WIDTH)), .p(level));
        swm_round #(.IN(CODE + WIDTH_BITS), .SHIFT(WIDTH_SHIFT), .OUT(OUT)) u_round (.clk, .v(level), .y);
      end else begin : g_ramp
        logic signed [OUT-1:0] below;
        swm_ramp #(
            .IN(INPUT_BITS), .OUT(OUT), .OUT_SHIFT(LAST_SHIFT), .SLOPE($signed(CURVE[160+:32])), .SLOPE_BITS($signed(CURVE[192+:32])),
            .OFFSET($signed(CURVE[224+:32])), .OFFSET_BITS($signed(CURVE[256+:32])), .OFFSET_SHIFT($signed(CURVE[288+:32])), .LOW(LOW), .HIGH(HIGH)
        ) u_ramp (.clk, .z, .y(below));
        if (POLICY == 3) begin : g_always
          assign y = below;
        end else begin : g_leaky
          logic signed [OUT-1:0] passed, above;
          logic negative;
          swm_round #(.IN(V), .SHIFT(OUT_SHIFT), .OUT(OUT)) u_round (.clk, .v, .y(passed));
          swm_delay #(.WIDTH(OUT), .N(FINISH - 3)) u_above (.clk, .in(passed), .out(above));
          swm_delay #(.N(FINISH - 1)) u_sign (.clk, .in(v[V-1]), .out(negative));
          assign y = negative ? below : above;
        end
      end
    end
  endgenerate
endmodule
