// SPDX-License-Identifier: Apache-2.0
/// \file swm_recurrent_feed.sv
/// \brief Results of a step back to the memories that products read: whole blocks, where they lie, when they are there.
///
/// What a phase gives leaves for the states (`gives`) or for the phase behind it; `settled` and `middle` stand with the last
/// block of each. States have two halves: those of a step are written while those of the step before are read.
///
/// Latency from a value to its place: FORWARD, that of swm_forward_block (K > 1).
module swm_recurrent_feed #(
    parameter int K = 1,
    parameter int E = 1,           // values a beat
    parameter int BITS = 8,
    parameter int X = 8,           // of a part of a spectrum
    parameter int FFT_SHIFTS = 0,
    parameter int FORWARD = 0,
    parameter int QC = 1,          // banks of the memories
    parameter int SEQUENCES = 1,
    parameter int H_GROUPS = 1,    // words of a bank: states of a sequence
    parameter int M_GROUPS = 1,    // and what phase A gives to B
    parameter int D = 2,           // from a drain to its value
    parameter int LANES = E > K ? E / K : 1,
    parameter int PARTS = K > E ? K / E : 1,
    parameter int WORD = K * X,
    parameter int SQ = SEQUENCES > 1 ? $clog2(SEQUENCES) : 1,
    parameter int FB = QC / LANES > 1 ? $clog2(QC / LANES) : 1,
    parameter int HP = $clog2(2 * SEQUENCES * H_GROUPS),
    parameter int MP = M_GROUPS > 1 ? $clog2(M_GROUPS) : 1
) (
    input  logic                  clk,
    input  logic                  rst,
    input  logic [    E*BITS-1:0] value,
    input  logic                  ends,          // it is there
    input  logic                  ends_block,
    input  logic                  ends_phase,
    input  logic                  gives,
    input  logic                  out_odd,       // of the drain, D cycles before
    input  logic [        SQ-1:0] out_sequence,
    output logic [LANES*WORD-1:0] fed,
    output logic [        FB-1:0] fed_bank,      // banks behind it may be written, too
    output logic [        HP-1:0] h_to,
    output logic [        MP-1:0] m_to,
    output logic                  store_h,
    output logic                  store_m,
    output logic                  settled,
    output logic                  middle
);
  genvar u;
  logic [LANES*K*BITS-1:0] block;
  generate
    if (PARTS == 1) begin : g_at_once
      assign block = value;
    end else begin : g_parts
      logic [(K-E)*BITS-1:0] earlier;
      assign block = {value, earlier};
      always_ff @(posedge clk) if (ends) earlier <= block[K*BITS-1:E*BITS];
    end
    for (u = 0; u < LANES; u = u + 1) begin : g_fed
      if (K == 1) begin : g_value
        assign fed[u*WORD+:WORD] = block[u*BITS+:BITS];
      end else begin : g_spectrum
        swm_forward_block #(.K(K), .B(BITS), .SHIFTS(FFT_SHIFTS)) u_block (
            .clk, .x(block[u*K*BITS+:K*BITS]), .y(fed[u*WORD+:WORD]));
      end
    end
  endgenerate
  logic fed_now, fed_phase, fed_gives, fed_odd, fed_restart, fed_bank_last, unused_column_last;
  logic [SQ-1:0] fed_sequence;
  localparam int FC = H_GROUPS > M_GROUPS ? H_GROUPS : M_GROUPS;
  localparam int FW = FC > 1 ? $clog2(FC) : 1;
  logic [FW-1:0] fed_column;
  swm_valid #(.N(FORWARD)) u_fed (.clk, .rst, .in(ends && ends_block), .out(fed_now));
  swm_delay #(.WIDTH(2), .N(FORWARD)) u_fed_of (.clk, .in({ends_phase, gives}), .out({fed_phase, fed_gives}));
  swm_delay #(.WIDTH(1 + SQ), .N(D + FORWARD)) u_fed_from (
      .clk, .in({out_odd, out_sequence}), .out({fed_odd, fed_sequence}));
  assign fed_restart = rst || (fed_now && fed_phase);
  swm_counter #(.N(QC / LANES)) u_fed_bank (
      .clk, .rst(fed_restart), .step(fed_now), .at(fed_bank), .last(fed_bank_last));
  swm_counter #(.N(FC)) u_fed_column (
      .clk, .rst(fed_restart), .step(fed_now && fed_bank_last), .at(fed_column), .last(unused_column_last));
  assign h_to = (fed_odd ? '0 : HP'(SEQUENCES * H_GROUPS))
      + (SEQUENCES > 1 ? HP'(fed_sequence) * HP'(H_GROUPS) : '0) + HP'(fed_column);
  assign m_to = MP'(fed_column);
  assign store_h = fed_now && fed_gives;
  assign store_m = fed_now && !fed_gives;
  assign settled = store_h && fed_phase;
  assign middle = store_m && fed_phase;
  logic unused;
  assign unused = &{1'b0, unused_column_last};
endmodule
