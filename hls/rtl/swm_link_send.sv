// SPDX-License-Identifier: Apache-2.0
/// \file swm_link_send.sv
/// \brief Replies of a host link (docs/link.md): a verdict a frame comes in, its answer from the accelerator, bytes go out.
///
/// A reply is flag, status, sequence number, payload, CRC, flag, with RFC 1662's escapes between the flags. The payload of an
/// answer is the accelerator's frame up to TLAST, that of an identity IDENTITY, lowest byte first; others have none. An answer
/// that nobody wants is taken from the accelerator before its reply goes out.
module swm_link_send #(
    parameter int BEAT_BYTES = 1,
    parameter int IDENTITY_BYTES = 1,
    parameter logic [8*IDENTITY_BYTES-1:0] IDENTITY = '0
) (
    input  logic                    clk,
    input  logic                    rst,
    input  logic                    verdict_valid,
    output logic                    verdict_ready,
    input  logic                    verdict_drop,
    input  logic [             7:0] verdict_status,
    input  logic [             7:0] verdict_sequence,
    input  logic                    beat_valid,
    output logic                    beat_ready,
    input  logic [8*BEAT_BYTES-1:0] beat_data,
    input  logic                    beat_last,
    output logic                    out_valid,
    input  logic                    out_ready,
    output logic [             7:0] out_data,
    output logic                    answered,  // for one cycle: an answer has been sent
    output logic                    refused    // for one cycle: a reply that is neither an answer nor an identity
);
  localparam logic [7:0] FLAG = 8'h7E, ESCAPE = 8'h7D, IDENTIFIES = 8'h80, ANSWERS = 8'h81;
  localparam logic [2:0] IDLE = 3'd0, DROP = 3'd1, OPEN = 3'd2, HEAD = 3'd3, PAYLOAD = 3'd4, CHECK = 3'd5, CLOSE = 3'd6;
  localparam int HELD = BEAT_BYTES > IDENTITY_BYTES ? BEAT_BYTES : IDENTITY_BYTES;
  localparam int BW = $clog2(HELD + 5);

  logic [2:0] state;
  logic [7:0] status, value;
  logic [31:0] crc, crc_next;
  logic [8*HELD-1:0] held;     // bytes on their way, the next in the lowest place
  logic [BW-1:0] left;         // how many
  logic last_beat, second, framed, special, sent, done;
  assign framed = state == HEAD || state == PAYLOAD || state == CHECK;
  assign value = state == CHECK ? ~crc[7:0] : held[7:0];
  assign special = framed && (value == FLAG || value == ESCAPE);
  assign out_valid = state == OPEN || state == CLOSE || (framed && left != '0);
  assign out_data = !framed ? FLAG : !special ? value : second ? value ^ 8'h20 : ESCAPE;
  assign sent = out_valid && out_ready;
  assign done = sent && (!special || second);  // a byte is through, with its escape
  assign verdict_ready = state == IDLE;
  assign beat_ready = state == DROP || (state == PAYLOAD && left == '0 && !last_beat);
  swm_crc32 #() u_crc (.crc, .data(value), .next(crc_next));

  always_ff @(posedge clk) begin
    answered <= state == CLOSE && sent && status == ANSWERS;
    refused <= state == CLOSE && sent && status != ANSWERS && status != IDENTIFIES;
    if (rst) begin
      state <= IDLE;
    end else begin
      case (state)
        IDLE: if (verdict_valid) state <= verdict_drop ? DROP : OPEN;
        DROP: if (beat_valid && beat_last) state <= OPEN;
        OPEN: if (sent) state <= HEAD;
        HEAD: if (done && left == BW'(1)) state <= status == IDENTIFIES || status == ANSWERS ? PAYLOAD : CHECK;
        PAYLOAD: if (left == '0 && last_beat) state <= CHECK;
        CHECK: if (done && left == BW'(1)) state <= CLOSE;
        default: if (sent) state <= IDLE;
      endcase
    end
    if (rst || !special) second <= 1'b0;
    else if (sent) second <= !second;

    if (state == IDLE) begin
      status <= verdict_status;
      held <= (8 * HELD)'({verdict_sequence, verdict_status});
      left <= BW'(2);
      crc <= '1;
      last_beat <= 1'b0;
    end else if (state == PAYLOAD && left == '0) begin
      if (last_beat) begin
        left <= BW'(4);
      end else if (status == IDENTIFIES) begin
        held <= (8 * HELD)'(IDENTITY);
        left <= BW'(IDENTITY_BYTES);
        last_beat <= 1'b1;
      end else if (beat_valid) begin
        held <= (8 * HELD)'(beat_data);
        left <= BW'(BEAT_BYTES);
        last_beat <= beat_last;
      end
    end else if (done && framed) begin
      held <= held >> 8;
      crc <= state == CHECK ? crc >> 8 : crc_next;
      left <= state == HEAD && left == BW'(1) && status != IDENTIFIES && status != ANSWERS ? BW'(4) : left - 1;
    end
  end
endmodule
