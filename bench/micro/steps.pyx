"""Single steps of a packet's way in tight native loops; see packet.py. Each method returns nanoseconds per call."""

import os

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from sfu._fastpath.includes.linux cimport CLOCK_MONOTONIC, clock_gettime, timespec
from sfu._fastpath.stream.nack cimport NackList, nack_init, nack_on_packet
from sfu._fastpath.stream.reception cimport Reception, reception_init, reception_on_packet
from sfu._fastpath.stream.rewrite cimport Mapped, Rewrite, rewrite_map, rewrite_sent, rewrite_start
from sfu._fastpath.stream.twcc cimport TwccRecorder, twcc_build, twcc_init, twcc_on_packet
from sfu._fastpath.wire.demux cimport classify
from sfu._fastpath.wire.endian cimport store_be16, store_be32
from sfu._fastpath.wire.extensions cimport ExtCursor, ExtElement, ext_next, ext_open
from sfu._fastpath.wire.rtcp cimport RtcpBlock, RtcpCursor, rtcp_next, rtcp_open, rtcp_write_nack
from sfu._fastpath.wire.rtp cimport RtpHeader, rtp_parse, rtp_write_header
from sfu._fastpath.wire.stun cimport (
    StunMessage, stun_check_fingerprint, stun_check_integrity, stun_parse, stun_write_binding_request,
    stun_write_binding_response,
)
from sfu._fastpath.wire.vp8 cimport Vp8Descriptor, vp8_parse

cdef enum:
    PACKETS = 64                    # different ones, so that no branch is learnt by heart
    SLOT_BYTES = 256
    CALLS = 20000
    SLOW_CALLS = 500
    FIRST_SEQ = 0x10000


cdef inline uint64_t now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <uint64_t> t.tv_sec * 1000000000 + <uint64_t> t.tv_nsec


cdef class Steps:
    """RTP packets with three header extensions (mid, abs-send-time, transport-wide seq), a check and a NACK."""

    cdef uint8_t[PACKETS][SLOT_BYTES] rtp
    cdef int[PACKETS] rtp_bytes
    cdef uint8_t[SLOT_BYTES] check, feedback, answer
    cdef int check_bytes, feedback_bytes
    cdef readonly long checksum     # keeps the compiler from leaving work out

    def __cinit__(self) -> None:
        cdef int i
        cdef uint16_t[3] seqs = [5, 7, 100]
        for i in range(PACKETS):
            self.make_rtp(i, os.urandom(64))
        name = b"nodeAAAAAAAxyz12:peer"
        self.check_bytes = stun_write_binding_request(
            self.check, SLOT_BYTES, <const uint8_t*> b"transaction1", name, <int> len(name),
            <const uint8_t*> b"pppppppppppppppppppppppp", 24, 1, 1, True, True)
        self.feedback_bytes = rtcp_write_nack(self.feedback, SLOT_BYTES, 1, 2, seqs, 3)

    cdef void make_rtp(self, int i, const uint8_t* noise) noexcept:
        cdef uint8_t* p = self.rtp[i]
        rtp_write_header(p, 96, noise[0] & 1, <uint16_t> i, <uint32_t> (3000 * i), 1, True, False)
        store_be32(p + 12, 0xbede0003)
        store_be32(p + 16, 0x30000000 | <uint32_t> noise[1] << 16 | 0x4200)
        store_be32(p + 20, <uint32_t> noise[2] << 16 | 0x51)
        store_be16(p + 24, <uint16_t> i)
        store_be16(p + 26, 0)
        memcpy(p + 28, noise, 64)
        p[28] = 0x90 if noise[3] & 1 else 0x80
        p[29] = 0xe0
        p[30] = 0x80
        self.rtp_bytes[i] = 28 + 64

    def demux_ns(self) -> float:
        cdef int i
        cdef long total = 0
        cdef uint64_t begin
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                total += classify(self.rtp[i % PACKETS], self.rtp_bytes[i % PACKETS])
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def rtp_ns(self) -> float:
        cdef int i
        cdef long total = 0
        cdef uint64_t begin
        cdef RtpHeader h
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                total += rtp_parse(self.rtp[i % PACKETS], self.rtp_bytes[i % PACKETS], &h) + h.seq
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def extensions_ns(self) -> float:
        cdef int i
        cdef long total = 0
        cdef uint64_t begin
        cdef RtpHeader h
        cdef ExtCursor cursor
        cdef ExtElement element
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                rtp_parse(self.rtp[i % PACKETS], self.rtp_bytes[i % PACKETS], &h)
                ext_open(&cursor, self.rtp[i % PACKETS], &h)
                while ext_next(&cursor, &element):
                    total += element.id + element.data[0]
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def vp8_ns(self) -> float:
        cdef int i
        cdef long total = 0
        cdef uint64_t begin
        cdef Vp8Descriptor d
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                total += vp8_parse(self.rtp[i % PACKETS] + 28, 64, &d) + d.picture_id
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def rtcp_ns(self) -> float:
        cdef int i
        cdef long total = 0
        cdef uint64_t begin
        cdef RtcpCursor cursor
        cdef RtcpBlock block
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                store_be16(self.feedback + 12, <uint16_t> i)
                rtcp_open(&cursor, self.feedback, self.feedback_bytes)
                while rtcp_next(&cursor, &block) > 0:
                    total += block.type
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def stun_parse_ns(self) -> float:
        cdef long total = 0
        cdef uint64_t begin
        cdef StunMessage m
        with nogil:
            begin = now_ns()
            for _ in range(CALLS):
                total += stun_parse(self.check, self.check_bytes, &m) + m.username_bytes
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def stun_answer_ns(self) -> float:
        """Parse, verify and answer one connectivity check."""
        cdef long total = 0
        cdef uint64_t begin
        cdef StunMessage m
        cdef const uint8_t* pwd = <const uint8_t*> b"pppppppppppppppppppppppp"
        with nogil:
            begin = now_ns()
            for _ in range(SLOW_CALLS):
                stun_parse(self.check, self.check_bytes, &m)
                total += stun_check_fingerprint(self.check, self.check_bytes, &m)
                total += stun_check_integrity(self.check, self.check_bytes, &m, pwd, 24)
                total += stun_write_binding_response(self.answer, SLOT_BYTES, m.transaction, 4, self.check, 9, pwd, 24)
        if total < 2 * SLOW_CALLS:
            raise AssertionError("the check was refused")
        return <double> (now_ns() - begin) / SLOW_CALLS

    def rewrite_ns(self) -> float:
        cdef Rewrite r
        cdef Mapped m
        cdef uint64_t i, begin
        cdef long total = 0
        memset(&r, 0, sizeof(r))
        rewrite_start(&r, FIRST_SEQ, 77, 1000)
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                if rewrite_map(&r, FIRST_SEQ + i, &m):
                    rewrite_sent(&r, FIRST_SEQ + i, &m, <uint32_t> i + m.ts_offset, i % 6 == 5, i)
                    total += <long> m.out_seq
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def accounting_ns(self) -> float:
        """What each received packet costs in nack, reception and transport-wide records, nothing missing."""
        cdef NackList nacks
        cdef Reception reception
        cdef TwccRecorder recorder
        cdef uint64_t i, begin
        cdef long total = 0
        nack_init(&nacks)
        reception_init(&reception, 90000)
        twcc_init(&recorder)
        with nogil:
            begin = now_ns()
            for i in range(CALLS):
                total += nack_on_packet(&nacks, FIRST_SEQ + i, i * 1000)
                reception_on_packet(&reception, FIRST_SEQ + i, <uint32_t> (i * 90), i * 1000)
                twcc_on_packet(&recorder, <uint16_t> i, i * 1000)
        self.checksum += total
        return <double> (now_ns() - begin) / CALLS

    def feedback_ns(self) -> float:
        """One transport-wide feedback message about 100 packets."""
        cdef TwccRecorder recorder
        cdef uint8_t[1200] out
        cdef uint64_t begin
        cdef uint64_t took = 0
        cdef int i, k
        twcc_init(&recorder)
        with nogil:
            for i in range(SLOW_CALLS):
                for k in range(100):
                    twcc_on_packet(&recorder, <uint16_t> (100 * i + k), <uint64_t> (100 * i + k) * 700)
                begin = now_ns()
                twcc_build(&recorder, 1, 2, out, 1200)
                took += now_ns() - begin
        return <double> took / SLOW_CALLS
