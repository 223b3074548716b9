"""RTCP: reports, generic and payload-specific feedback (RFC 3550, 4585, 5104, REMB), before or after SRTCP.

Reduced-size compounds are fine (RFC 5506): no packet type has to come first. Each writer returns the bytes written,
a multiple of four, or 0 if `capacity` is too small.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from sfu._fastpath.wire.drops cimport DROP_RTCP_MALFORMED
from sfu._fastpath.wire.endian cimport (
    load_be16, load_be24, load_be32, load_be64, store_be16, store_be24, store_be32, store_be64,
)

cdef enum RtcpType:
    RTCP_SR = 200
    RTCP_RR
    RTCP_SDES
    RTCP_BYE
    RTCP_APP
    RTCP_RTPFB
    RTCP_PSFB
    RTCP_XR

# FMT of RTPFB and PSFB (RFC 4585 section 6, RFC 5104 section 4, transport-wide-cc-extensions, alvestrand-rmcat-remb)
cdef enum:
    RTPFB_NACK = 1
    RTPFB_TRANSPORT_CC = 15
    PSFB_PLI = 1
    PSFB_FIR = 4
    PSFB_AFB = 15                  # application layer feedback: REMB

cdef enum:
    RTCP_MAX_BYTES = 65535
    RTCP_HEADER_BYTES = 4
    RTCP_MAX_COUNT = 31
    SENDER_BYTES = 24              # SSRC and sender information of an SR
    REPORT_BYTES = 24
    FEEDBACK_BYTES = 8             # sender and media SSRC
    REMB_BYTES = 16                # without its list of SSRCs
    REMB_IDENTIFIER = 0x52454d42   # "REMB"
    SDES_CNAME = 1
    NACK_SPAN = 16                 # packets that BLP covers behind PID

cdef struct RtcpBlock:             # one RTCP packet of a compound
    const uint8_t* body            # behind the 4 byte header
    uint16_t body_bytes            # without padding
    uint8_t type
    uint8_t count                  # RC, SC or FMT

cdef struct RtcpCursor:
    const uint8_t* at
    const uint8_t* end

cdef struct SenderReport:
    uint32_t ssrc
    uint64_t ntp
    uint32_t rtp_ts
    uint32_t packets
    uint32_t octets

cdef struct ReportBlock:
    uint32_t ssrc
    uint8_t fraction_lost
    int32_t lost                   # cumulative, 24 bit signed on the wire
    uint32_t ext_seq
    uint32_t jitter
    uint32_t lsr
    uint32_t dlsr


cdef inline void rtcp_open(RtcpCursor* c, const uint8_t* p, int n) noexcept nogil:
    c.at = p
    c.end = p + n


cdef inline int rtcp_next(RtcpCursor* c, RtcpBlock* out) noexcept nogil:
    """1 and the next packet, 0 at the end, -DROP_RTCP_MALFORMED; after that it must not be called again.

    Only the last packet of a compound may be padded (RFC 3550 section 6.4.1), by whole words.
    """
    cdef Py_ssize_t left = c.end - c.at
    cdef int total, padding
    if left == 0:
        return 0
    if left < RTCP_HEADER_BYTES or left > RTCP_MAX_BYTES or c.at[0] >> 6 != 2:
        return -<int>DROP_RTCP_MALFORMED
    total = RTCP_HEADER_BYTES + 4 * load_be16(c.at + 2)
    if total > left:
        return -<int>DROP_RTCP_MALFORMED
    padding = 0
    if c.at[0] & 0x20:
        padding = c.at[total - 1]
        if total != left or padding == 0 or padding & 3 or padding > total - RTCP_HEADER_BYTES:
            return -<int>DROP_RTCP_MALFORMED
    out.type = c.at[1]
    out.count = c.at[0] & 0x1f
    out.body = c.at + RTCP_HEADER_BYTES
    out.body_bytes = <uint16_t>(total - RTCP_HEADER_BYTES - padding)
    c.at += total
    return 1


cdef inline int rtcp_read_sr(const RtcpBlock* block, SenderReport* out) noexcept nogil:
    """Sender information (RFC 3550 section 6.4.1). 0 or DROP_RTCP_MALFORMED."""
    if block.type != RTCP_SR or block.body_bytes < SENDER_BYTES:
        return DROP_RTCP_MALFORMED
    out.ssrc = load_be32(block.body)
    out.ntp = load_be64(block.body + 4)
    out.rtp_ts = load_be32(block.body + 12)
    out.packets = load_be32(block.body + 16)
    out.octets = load_be32(block.body + 20)
    return 0


cdef inline int reports_offset(const RtcpBlock* block) noexcept nogil:
    if block.type == RTCP_SR:
        return SENDER_BYTES
    return 4 if block.type == RTCP_RR else RTCP_MAX_BYTES


cdef inline int rtcp_report_count(const RtcpBlock* block) noexcept nogil:
    """Reception reports in an SR or RR: as many as announced and really there; 0 for any other type."""
    cdef int fit = (block.body_bytes - reports_offset(block)) // REPORT_BYTES
    if fit <= 0:
        return 0
    return fit if fit < block.count else block.count


cdef inline int rtcp_read_report(const RtcpBlock* block, int i, ReportBlock* out) noexcept nogil:
    """Reception report `i` of an SR or RR (RFC 3550 section 6.4.1). 0, or DROP_RTCP_MALFORMED if there is none."""
    cdef const uint8_t* p
    cdef uint32_t lost
    if i < 0 or i >= rtcp_report_count(block):
        return DROP_RTCP_MALFORMED
    p = block.body + reports_offset(block) + REPORT_BYTES * i
    lost = load_be24(p + 5)
    out.ssrc = load_be32(p)
    out.fraction_lost = p[4]
    out.lost = <int32_t>lost - (0x1000000 if lost & 0x800000 else 0)
    out.ext_seq = load_be32(p + 8)
    out.jitter = load_be32(p + 12)
    out.lsr = load_be32(p + 16)
    out.dlsr = load_be32(p + 20)
    return 0


cdef inline uint32_t rtcp_sender_ssrc(const RtcpBlock* block) noexcept nogil:
    """First SSRC of the body: who sent this SR, RR or feedback; 0 if the body is empty."""
    return load_be32(block.body) if block.body_bytes >= 4 else 0


cdef inline uint32_t rtcp_fb_media_ssrc(const RtcpBlock* block) noexcept nogil:
    """The stream that an RTPFB or PSFB is about (RFC 4585 section 6.1); 0 if the body is too short."""
    return load_be32(block.body + 4) if block.body_bytes >= FEEDBACK_BYTES else 0


cdef inline int fci_items(const RtcpBlock* block, uint8_t type, uint8_t format, int item_bytes) noexcept nogil:
    if block.type != type or block.count != format or block.body_bytes < FEEDBACK_BYTES:
        return 0
    return (block.body_bytes - FEEDBACK_BYTES) // item_bytes


cdef inline int rtcp_nack_items(const RtcpBlock* block) noexcept nogil:
    """Number of (pid, blp) pairs in a generic NACK (RFC 4585 section 6.2.1); 0 for anything else."""
    return fci_items(block, RTCP_RTPFB, RTPFB_NACK, 4)


cdef inline void rtcp_read_nack(const RtcpBlock* block, int i, uint16_t* pid, uint16_t* blp) noexcept nogil:
    """Pair `i`, which must be below rtcp_nack_items()."""
    cdef const uint8_t* p = block.body + FEEDBACK_BYTES + 4 * i
    pid[0] = load_be16(p)
    blp[0] = load_be16(p + 2)


cdef inline bint rtcp_is_pli(const RtcpBlock* block) noexcept nogil:
    """Picture loss indication, which has no FCI (RFC 4585 section 6.3.1)."""
    return block.type == RTCP_PSFB and block.count == PSFB_PLI and block.body_bytes >= FEEDBACK_BYTES


cdef inline int rtcp_fir_items(const RtcpBlock* block) noexcept nogil:
    """Number of entries in a full intra request (RFC 5104 section 4.3.1); 0 for anything else."""
    return fci_items(block, RTCP_PSFB, PSFB_FIR, 8)


cdef inline void rtcp_read_fir(const RtcpBlock* block, int i, uint32_t* ssrc, uint8_t* seq) noexcept nogil:
    """Entry `i`, which must be below rtcp_fir_items(): the stream asked for and the command's sequence number."""
    cdef const uint8_t* p = block.body + FEEDBACK_BYTES + 8 * i
    ssrc[0] = load_be32(p)
    seq[0] = p[4]


cdef inline int rtcp_read_remb(const RtcpBlock* block, uint64_t* bps) noexcept nogil:
    """The receiver's estimated maximum bit rate (draft-alvestrand-rmcat-remb-03 section 2.2).

    0, or DROP_RTCP_MALFORMED if this is no whole REMB. A rate beyond 64 bits reads as the largest there is.
    """
    cdef const uint8_t* p
    cdef uint64_t mantissa
    cdef int exponent
    if block.type != RTCP_PSFB or block.count != PSFB_AFB or block.body_bytes < REMB_BYTES:
        return DROP_RTCP_MALFORMED
    p = block.body + FEEDBACK_BYTES
    if load_be32(p) != REMB_IDENTIFIER or block.body_bytes < REMB_BYTES + 4 * p[4]:
        return DROP_RTCP_MALFORMED
    exponent = p[5] >> 2
    mantissa = load_be24(p + 5) & 0x3ffff
    bps[0] = mantissa << exponent
    if bps[0] >> exponent != mantissa:
        bps[0] = ~<uint64_t>0
    return 0


cdef inline int rtcp_bye_count(const RtcpBlock* block) noexcept nogil:
    """Number of SSRCs that leave (RFC 3550 section 6.6): as many as announced and really there."""
    cdef int fit = block.body_bytes // 4
    if block.type != RTCP_BYE:
        return 0
    return fit if fit < block.count else block.count


cdef inline uint32_t rtcp_bye_ssrc(const RtcpBlock* block, int i) noexcept nogil:
    """SSRC `i`, which must be below rtcp_bye_count()."""
    return load_be32(block.body + 4 * i)


cdef inline int write_head(uint8_t* p, int count, int type, int total_bytes) noexcept nogil:
    p[0] = <uint8_t>(0x80 | count)
    p[1] = <uint8_t>type
    store_be16(p + 2, <uint16_t>(total_bytes // 4 - 1))
    return total_bytes


cdef inline int rtcp_write_sr(uint8_t* p, int capacity, const SenderReport* report) noexcept nogil:
    """A sender report without reception reports (RFC 3550 section 6.4.1)."""
    if capacity < RTCP_HEADER_BYTES + SENDER_BYTES:
        return 0
    store_be32(p + 4, report.ssrc)
    store_be64(p + 8, report.ntp)
    store_be32(p + 16, report.rtp_ts)
    store_be32(p + 20, report.packets)
    store_be32(p + 24, report.octets)
    return write_head(p, 0, RTCP_SR, RTCP_HEADER_BYTES + SENDER_BYTES)


cdef inline int rtcp_write_rr(uint8_t* p, int capacity, uint32_t sender_ssrc, const ReportBlock* blocks,
                              int n) noexcept nogil:
    """A receiver report of 0 to 31 blocks (RFC 3550 section 6.4.2); `lost` is clamped to its 24 bits."""
    cdef int total = RTCP_HEADER_BYTES + 4 + REPORT_BYTES * n
    cdef int i, lost
    cdef uint8_t* q
    if n < 0 or n > RTCP_MAX_COUNT or capacity < total:
        return 0
    store_be32(p + 4, sender_ssrc)
    for i in range(n):
        q = p + 8 + REPORT_BYTES * i
        lost = blocks[i].lost
        lost = 0x7fffff if lost > 0x7fffff else -0x800000 if lost < -0x800000 else lost
        store_be32(q, blocks[i].ssrc)
        q[4] = blocks[i].fraction_lost
        store_be24(q + 5, <uint32_t>lost & 0xffffff)
        store_be32(q + 8, blocks[i].ext_seq)
        store_be32(q + 12, blocks[i].jitter)
        store_be32(q + 16, blocks[i].lsr)
        store_be32(q + 20, blocks[i].dlsr)
    return write_head(p, n, RTCP_RR, total)


cdef inline int rtcp_write_sdes_cname(uint8_t* p, int capacity, uint32_t ssrc, const uint8_t* cname,
                                      int n) noexcept nogil:
    """One SDES chunk with a CNAME of 0 to 255 bytes, ended by one to four zero bytes (RFC 3550 section 6.5)."""
    cdef int used = RTCP_HEADER_BYTES + 4 + 2 + n
    cdef int total = (used + 4) & ~3
    if n < 0 or n > 255 or capacity < total:
        return 0
    store_be32(p + 4, ssrc)
    p[8] = SDES_CNAME
    p[9] = <uint8_t>n
    if n:
        memcpy(p + 10, cname, n)
    memset(p + used, 0, total - used)
    return write_head(p, 1, RTCP_SDES, total)


cdef inline void write_feedback(uint8_t* p, uint32_t sender_ssrc, uint32_t media_ssrc) noexcept nogil:
    store_be32(p + 4, sender_ssrc)
    store_be32(p + 8, media_ssrc)


cdef inline int rtcp_write_nack(uint8_t* p, int capacity, uint32_t sender_ssrc, uint32_t media_ssrc,
                                const uint16_t* seqs, int n) noexcept nogil:
    """A generic NACK of `n` >= 1 sequence numbers in serial order (RFC 4585 section 6.2.1)."""
    cdef int used = RTCP_HEADER_BYTES + FEEDBACK_BYTES
    cdef int i = 0
    cdef uint16_t pid, blp, ahead
    if n < 1:
        return 0
    while i < n:
        if used + 4 > capacity or used + 4 > 4 * 0x10000:
            return 0
        pid = seqs[i]
        blp = 0
        i += 1
        while i < n:
            ahead = <uint16_t>(seqs[i] - pid)
            if ahead > NACK_SPAN:
                break
            if ahead:
                blp |= <uint16_t>(1 << (ahead - 1))
            i += 1
        store_be16(p + used, pid)
        store_be16(p + used + 2, blp)
        used += 4
    write_feedback(p, sender_ssrc, media_ssrc)
    return write_head(p, RTPFB_NACK, RTCP_RTPFB, used)


cdef inline int rtcp_write_pli(uint8_t* p, int capacity, uint32_t sender_ssrc, uint32_t media_ssrc) noexcept nogil:
    """Picture loss indication (RFC 4585 section 6.3.1)."""
    if capacity < RTCP_HEADER_BYTES + FEEDBACK_BYTES:
        return 0
    write_feedback(p, sender_ssrc, media_ssrc)
    return write_head(p, PSFB_PLI, RTCP_PSFB, RTCP_HEADER_BYTES + FEEDBACK_BYTES)


cdef inline int rtcp_write_fir(uint8_t* p, int capacity, uint32_t sender_ssrc, uint32_t media_ssrc,
                               uint8_t seq_nr) noexcept nogil:
    """Full intra request for one stream; the common media SSRC is 0 (RFC 5104 section 4.3.1.2)."""
    cdef int total = RTCP_HEADER_BYTES + FEEDBACK_BYTES + 8
    if capacity < total:
        return 0
    write_feedback(p, sender_ssrc, 0)
    store_be32(p + 12, media_ssrc)
    store_be32(p + 16, <uint32_t>seq_nr << 24)
    return write_head(p, PSFB_FIR, RTCP_PSFB, total)


cdef inline int rtcp_write_remb(uint8_t* p, int capacity, uint32_t sender_ssrc, uint64_t bps, const uint32_t* ssrcs,
                                int n) noexcept nogil:
    """Receiver estimated maximum bit rate for `n` streams (draft-alvestrand-rmcat-remb-03); rounds `bps` down."""
    cdef int total = RTCP_HEADER_BYTES + REMB_BYTES + 4 * n
    cdef int exponent = 0
    cdef int i
    if n < 0 or n > 255 or capacity < total:
        return 0
    while bps >> exponent > 0x3ffff:
        exponent += 1
    write_feedback(p, sender_ssrc, 0)
    store_be32(p + 12, REMB_IDENTIFIER)
    p[16] = <uint8_t>n
    store_be24(p + 17, (<uint32_t>exponent << 18) | <uint32_t>(bps >> exponent))
    for i in range(n):
        store_be32(p + 20 + 4 * i, ssrcs[i])
    return write_head(p, PSFB_AFB, RTCP_PSFB, total)


cdef inline int rtcp_write_bye(uint8_t* p, int capacity, uint32_t ssrc) noexcept nogil:
    """One source leaves, without a reason (RFC 3550 section 6.6)."""
    if capacity < RTCP_HEADER_BYTES + 4:
        return 0
    store_be32(p + 4, ssrc)
    return write_head(p, 1, RTCP_BYE, RTCP_HEADER_BYTES + 4)
