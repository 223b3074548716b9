"""The native half of the load tool: one thread that is all publishers and all subscribers at once."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset
from sfu._fastpath.includes.atomics cimport store_release
from sfu._fastpath.includes.linux cimport AF_INET, htons, inet_pton, write
from sfu._fastpath.stream.srtp cimport srtp_context_new, srtp_key_bytes, srtp_salt_bytes
from sfu._fastpath.wire.extensions cimport EXT_TYPE_COUNT
from bench.load.histogram cimport Histogram, histogram_clear, histogram_merge, histogram_percentile_us
from bench.load.linux cimport htonl, ntohl
from bench.load.loop cimport (
    FIRST_ADDRESS, Loop, PUNT_COUNT, Punt, loop_free, loop_lock, loop_new, loop_open_port, loop_port_of,
    loop_release_keys, loop_run, loop_unlock,
)
from bench.load.ports cimport TX_BYTES, TxSlot, port_close, tx_commit
from bench.load.sinks cimport Sink, SinkTally, sink_mark, sink_totals
from bench.load.sources cimport (
    MID_BYTES, OPUS_CLOCK_RATE, Source, SourceStream, SourceTally, VIDEO_CLOCK_RATE, source_add_stream, source_free, source_keep_history,
    source_resume,
)
from bench.load.stamp cimport STREAM_AUDIO, STREAM_VIDEO
from bench.load.transport cimport (
    CREDENTIAL_BYTES, ICE_CHECKING, ROLE_SINK, ROLE_SOURCE, USERNAME_BYTES, Transport, next_random,
    transport_check, transport_slot,
)

import os
from collections import deque

cdef enum:
    OWN_RCVBUF_BYTES = 4 << 20


cdef class LoadEngine:
    """Owns sockets, Transports, Sources and Sinks. `run` is the thread's body; every other method may be called from
    another thread meanwhile. A Transport is named by its index. Times are CLOCK_MONOTONIC microseconds.
    """

    cdef Loop* loop
    cdef object free_slots

    def __cinit__(self, *, int limit=4096, bint shared=True, int ports=1, int sample_every=8, double loss=0.0,
                  bint nack=True, int rcvbuf_bytes=128 << 20):
        """`shared`: all clients on `ports` sockets with addresses of 127.16.0.0/12; otherwise a socket each.
        `sample_every` is a power of two. OSError: a socket could not be had.
        """
        if sample_every < 1 or sample_every & (sample_every - 1):
            raise ValueError("sample_every must be a power of two")
        if not 1 <= limit <= 1 << 20 or not 1 <= ports <= 64:
            raise ValueError("limit is 1..2^20 clients, ports is 1..64")
        self.loop = loop_new(limit)
        if self.loop == NULL:
            raise MemoryError
        self.free_slots = deque(range(limit))
        self.loop.outlet.random = int.from_bytes(os.urandom(8), "little") | 1
        self.loop.shared = shared
        self.loop.rules.sample_mask = sample_every - 1
        self.loop.rules.loss_per_65536 = <uint32_t> (loss * 65536)
        self.loop.rules.nack = nack
        if shared:
            for _ in range(ports):
                self.open_port(True, rcvbuf_bytes)
            self.loop.shared_ports = ports

    def __dealloc__(self):
        if self.loop != NULL:
            loop_free(self.loop)

    # ---- the thread

    def run(self) -> None:
        """Works until `stop`; holds no GIL."""
        with nogil:
            loop_run(self.loop)

    def stop(self) -> None:
        cdef uint64_t one = 1
        store_release(&self.loop.stopped, 1)
        write(self.loop.wake_fd, &one, sizeof(one))

    def fileno(self) -> int:
        """An eventfd that is readable when `poll` has something."""
        return self.loop.punt_fd

    def poll(self) -> list[tuple[int, bytes]]:
        """(Transport, DTLS datagram), or (Transport, b"") when its ICE has just connected."""
        cdef Punt* punt
        news = []
        loop_lock(self.loop)
        while self.loop.punt_tail != self.loop.punt_head:
            punt = &self.loop.punts[self.loop.punt_tail % PUNT_COUNT]
            news.append((punt.transport, (<char*> punt.data)[:punt.n]))
            self.loop.punt_tail += 1
        loop_unlock(self.loop)
        return news

    # ---- measuring

    def set_sending(self, bint sending) -> None:
        """Silences or wakes all publishers; they go on with a frame of the present, as after a mute."""
        cdef int i
        loop_lock(self.loop)
        self.loop.sending = sending
        self.loop.next_source_us = 0
        for i in range(self.loop.high_water):
            if sending and self.loop.sources[i].used:
                source_resume(self.loop.outlet, &self.loop.sources[i])
        loop_unlock(self.loop)

    def mark(self) -> None:
        """Starts a measurement: totals and histograms count from here."""
        cdef int i, k
        loop_lock(self.loop)
        memset(self.loop.sink_tally, 0, sizeof(SinkTally))
        memset(self.loop.source_tally, 0, sizeof(SourceTally))
        for i in range(self.loop.high_water):
            if self.loop.sinks[i].used:
                sink_mark(&self.loop.sinks[i])
            if self.loop.sources[i].used:
                for k in range(self.loop.sources[i].stream_count):
                    self.loop.sources[i].streams[k].mark = self.loop.sources[i].streams[k].index
        loop_unlock(self.loop)

    def snapshot(self) -> dict[str, int]:
        """Everything counted since the mark; see `bench.load.measurement` for the meaning of each."""
        loop_lock(self.loop)
        try:
            return {**self.sink_counts(), **self.source_counts(), **self.latencies(), "client_cpu_us": self.loop.cpu_us}
        finally:
            loop_unlock(self.loop)

    def sent_by(self, int transport) -> int:
        """Packets of this publisher since the mark, retransmissions not counted; of simulcast all Encodings."""
        cdef uint64_t sent = 0
        cdef int i
        self.check(transport)
        loop_lock(self.loop)
        for i in range(self.loop.sources[transport].stream_count):
            sent += self.loop.sources[transport].streams[i].index - self.loop.sources[transport].streams[i].mark
        loop_unlock(self.loop)
        return sent

    cdef dict sink_counts(self):
        cdef SinkTally* tally = self.loop.sink_tally
        cdef uint64_t expected = tally.gone_expected
        cdef uint64_t received = tally.gone_received
        cdef int i
        silent = watching = 0
        for i in range(self.loop.high_water):
            if self.loop.sinks[i].used:
                watching += 1
                silent += self.loop.transports[i].first_media_us == 0
                sink_totals(&self.loop.sinks[i], &expected, &received)
        return {
            "subscribers": watching, "subscribers_without_media": silent, "expected": expected, "received": received,
            "packets": tally.packets, "bytes": tally.bytes, "rtcp_received": tally.rtcp, "duplicates": tally.duplicates,
            "late": tally.late, "rtx_received": tally.rtx, "checked": tally.checked, "corrupt": tally.corrupt,
            "refused": tally.refused, "silent_lost": tally.silent_lost, "unexpected": tally.unexpected,
            "stray": tally.stray, "thrown": tally.thrown, "nacks_sent": tally.nacks,
            "starts_without_keyframe": tally.starts_without_keyframe,
            "send_failed": self.loop.outlet.tx.failed, "punts_lost": self.loop.punts_lost,
        }

    cdef dict source_counts(self):
        cdef SourceTally* tally = self.loop.source_tally
        return {
            "sent": tally.packets, "sent_bytes": tally.bytes, "frames": tally.frames, "keyframes": tally.keyframes,
            "keyframe_requests": tally.keyframe_requests, "nacks_received": tally.nacks, "rtx_sent": tally.rtx,
            "transport_cc_received": tally.transport_cc, "remb_received": tally.remb, "slips": tally.slips,
        }

    cdef dict latencies(self):
        cdef Histogram both
        cdef SinkTally* tally = self.loop.sink_tally
        histogram_clear(&both)
        histogram_merge(&both, &tally.video_us)
        histogram_merge(&both, &tally.audio_us)
        out = {}
        for name, fraction in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)):
            out[f"latency_{name}_us"] = histogram_percentile_us(&both, fraction)
            out[f"latency_video_{name}_us"] = histogram_percentile_us(&tally.video_us, fraction)
            out[f"latency_audio_{name}_us"] = histogram_percentile_us(&tally.audio_us, fraction)
        out["latency_mean_us"] = both.sum_us // max(<uint64_t> 1, both.count)
        out["latency_count"] = both.count
        return out

    # ---- clients

    def add_sink(self, *, int video_pt=-1, int rtx_pt=-1, int audio_pt=-1) -> int:
        """A subscriber; the payload types are those of its answer."""
        cdef int index = self.new_transport(ROLE_SINK)
        cdef Sink* sink = &self.loop.sinks[index]
        loop_lock(self.loop)
        memset(sink, 0, sizeof(Sink))
        sink.transport = index
        sink.ssrc = <uint32_t> next_random(self.loop.outlet)
        sink.video_pt = video_pt
        sink.rtx_pt = rtx_pt
        sink.audio_pt = audio_pt
        sink.next_rr_us = self.loop.outlet.now_us + next_random(self.loop.outlet) % 2_000_000
        sink.used = True
        loop_unlock(self.loop)
        return index

    def set_payload_types(self, int transport, *, int video_pt, int rtx_pt, int audio_pt) -> None:
        """What the far end answered."""
        self.check(transport)
        loop_lock(self.loop)
        self.loop.sinks[transport].video_pt = video_pt
        self.loop.sinks[transport].rtx_pt = rtx_pt
        self.loop.sinks[transport].audio_pt = audio_pt
        loop_unlock(self.loop)

    def add_source(self, *, int packet_bytes=1200) -> int:
        """A publisher, silent until it has streams, keys and a connected Transport."""
        cdef int index = self.new_transport(ROLE_SOURCE)
        if not 300 <= packet_bytes <= 1300:
            raise ValueError("packet_bytes must be 300..1300")
        loop_lock(self.loop)
        memset(&self.loop.sources[index], 0, sizeof(Source))
        self.loop.sources[index].transport = index
        self.loop.sources[index].packet_bytes = packet_bytes
        self.loop.sources[index].used = True
        loop_unlock(self.loop)
        return index

    def add_video(self, int transport, *, str mid, str rid, int pt, int rtx_pt, uint32_t ssrc, uint32_t rtx_ssrc, int bps,
                  double fps, int pace_us) -> None:
        """One VP8 Encoding of this publisher."""
        cdef SourceStream* stream = self.add_stream(transport, STREAM_VIDEO, mid, rid, 1000000 / fps, bps / 8 / fps)
        loop_lock(self.loop)
        stream.pt = <uint8_t> pt
        stream.rtx_pt = rtx_pt
        stream.ssrc = ssrc
        stream.rtx_ssrc = rtx_ssrc
        stream.pace_us = pace_us
        if rtx_pt >= 0:
            source_keep_history(stream)
        loop_unlock(self.loop)

    def add_audio(self, int transport, *, str mid, int pt, uint32_t ssrc) -> None:
        """Opus-like audio: a packet of 80 to 120 bytes every 20 ms."""
        cdef SourceStream* stream = self.add_stream(transport, STREAM_AUDIO, mid, "", 20000, 100)
        loop_lock(self.loop)
        stream.pt = <uint8_t> pt
        stream.ssrc = ssrc
        loop_unlock(self.loop)

    def set_extensions(self, int transport, *, dict audio, dict video) -> None:
        """ExtType number -> negotiated id, for each kind."""
        cdef int i
        self.check(transport)
        loop_lock(self.loop)
        for i in range(EXT_TYPE_COUNT):
            self.loop.sources[transport].audio_extensions.id[i] = <uint8_t> audio.get(i, 0)
            self.loop.sources[transport].video_extensions.id[i] = <uint8_t> video.get(i, 0)
        loop_unlock(self.loop)

    def set_remote(self, int transport, str ip, int port) -> None:
        """Where to send; datagrams from elsewhere are strays."""
        cdef uint32_t address = parse_ip(ip)
        self.check(transport)
        loop_lock(self.loop)
        self.loop.transports[transport].remote_ip = address
        self.loop.transports[transport].remote_port = htons(<uint16_t> port)
        loop_unlock(self.loop)

    def start_ice(self, int transport, *, str local_ufrag, str local_pwd, str remote_ufrag, str remote_pwd) -> None:
        """Starts checks as the controlling agent that nominates at once (RFC 8445)."""
        cdef Transport* t = &self.loop.transports[transport]
        cdef bytes username = f"{remote_ufrag}:{local_ufrag}".encode()
        cdef bytes remote = remote_pwd.encode()
        cdef bytes local = local_pwd.encode()
        self.check(transport)
        if len(username) > USERNAME_BYTES or max(len(remote), len(local)) > CREDENTIAL_BYTES:
            raise ValueError("ICE credentials are too long")
        loop_lock(self.loop)
        memcpy(t.username, <char*> username, len(username))
        memcpy(t.remote_pwd, <char*> remote, len(remote))
        memcpy(t.local_pwd, <char*> local, len(local))
        t.username_bytes = <int> len(username)
        t.remote_pwd_bytes = <int> len(remote)
        t.local_pwd_bytes = <int> len(local)
        t.tie_breaker = next_random(self.loop.outlet)
        t.ice = ICE_CHECKING
        t.answered = True
        transport_check(self.loop.outlet, t)
        loop_unlock(self.loop)

    def set_keys(self, int transport, *, int profile, bytes rx, bytes tx) -> None:
        """Master key || master salt of both directions. ValueError: unknown profile or wrong length."""
        cdef Transport* t = &self.loop.transports[transport]
        cdef int key_bytes = srtp_key_bytes(profile)
        self.check(transport)
        if key_bytes < 0 or not len(rx) == len(tx) == key_bytes + srtp_salt_bytes(profile):
            raise ValueError(f"no such SRTP keys for profile {profile}")
        loop_lock(self.loop)
        loop_release_keys(t)
        t.rx = srtp_context_new(self.loop.outlet.crypto, profile, <uint8_t*> <char*> rx, <uint8_t*> <char*> rx + key_bytes)
        t.tx = srtp_context_new(self.loop.outlet.crypto, profile, <uint8_t*> <char*> tx, <uint8_t*> <char*> tx + key_bytes)
        self.loop.next_source_us = 0
        loop_unlock(self.loop)

    def send(self, int transport, bytes datagram) -> None:
        """Sends a datagram that is not the engine's business: DTLS."""
        cdef TxSlot* slot
        self.check(transport)
        if len(datagram) > TX_BYTES:
            raise ValueError("datagram too large")
        loop_lock(self.loop)
        slot = transport_slot(self.loop.outlet, &self.loop.transports[transport])
        memcpy(slot.packet, <char*> datagram, len(datagram))
        slot.n = <int> len(datagram)
        tx_commit(&self.loop.outlet.tx)
        loop_unlock(self.loop)

    def remove(self, int transport) -> None:
        """The client is gone; what it received stays in the totals."""
        cdef Transport* t = &self.loop.transports[transport]
        self.check(transport)
        loop_lock(self.loop)
        if t.role == ROLE_SINK:
            sink_totals(&self.loop.sinks[transport], &self.loop.sink_tally.gone_expected, &self.loop.sink_tally.gone_received)
            self.loop.sinks[transport].used = False
        else:
            source_free(&self.loop.sources[transport])
        loop_release_keys(t)
        t.used = False
        if not self.loop.shared:
            port_close(loop_port_of(self.loop, transport))
        loop_unlock(self.loop)
        self.free_slots.append(transport)

    def local_address(self, int transport) -> tuple[str, int]:
        """The address that the far end sees."""
        self.check(transport)
        ip = ntohl(self.loop.transports[transport].local_ip)
        return ".".join(str(ip >> shift & 255) for shift in (24, 16, 8, 0)), loop_port_of(self.loop, transport).number

    def times_us(self, int transport) -> tuple[int, int]:
        """When ICE connected and when the first authentic media packet came; 0: not yet."""
        self.check(transport)
        return self.loop.transports[transport].connected_us, self.loop.transports[transport].first_media_us

    cdef int new_transport(self, int role) except -1:
        cdef int index
        cdef Transport* t
        if not self.free_slots:
            raise ValueError(f"all {self.loop.limit} clients are in use")
        index = self.free_slots.popleft()
        t = &self.loop.transports[index]
        loop_lock(self.loop)
        memset(t, 0, sizeof(Transport))
        t.role = role
        t.noun = index
        if self.loop.shared:
            t.local_ip = htonl(<uint32_t> (FIRST_ADDRESS + index))
            t.fd = self.loop.ports[index % self.loop.shared_ports].fd
        t.used = True
        self.loop.high_water = max(self.loop.high_water, index + 1)
        loop_unlock(self.loop)
        if not self.loop.shared:
            self.own_port(index)
        return index

    cdef own_port(self, int index):
        cdef int port = self.open_port(False, OWN_RCVBUF_BYTES)
        self.loop.ports[port].owner = index
        self.loop.transports[index].fd = self.loop.ports[port].fd

    cdef SourceStream* add_stream(self, int transport, int kind, str mid, str rid, double frame_us, double mean) except NULL:
        cdef bytes mid_bytes = mid.encode()
        cdef bytes rid_bytes = rid.encode()
        cdef SourceStream* stream
        self.check(transport)
        if max(len(mid_bytes), len(rid_bytes)) > MID_BYTES:
            raise ValueError("mid and rid are at most 16 bytes")
        loop_lock(self.loop)
        stream = source_add_stream(
            self.loop.outlet, &self.loop.sources[transport], kind, VIDEO_CLOCK_RATE if kind == STREAM_VIDEO else OPUS_CLOCK_RATE,
            <uint64_t> frame_us, <int> mean,
        )
        if stream != NULL:
            stream.id = <uint16_t> (transport * 4 + self.loop.sources[transport].stream_count)
            memcpy(stream.mid, <char*> mid_bytes, len(mid_bytes))
            memcpy(stream.rid, <char*> rid_bytes, len(rid_bytes))
            stream.mid_bytes = <int> len(mid_bytes)
            stream.rid_bytes = <int> len(rid_bytes)
        loop_unlock(self.loop)
        if stream == NULL:
            raise ValueError("a publisher has at most four streams")
        return stream

    cdef check(self, int transport):
        if not 0 <= transport < self.loop.limit or not self.loop.transports[transport].used:
            raise ValueError(f"no client {transport}")

    cdef int open_port(self, bint shared, int rcvbuf_bytes) except -1:
        cdef int error = 0
        cdef int index = loop_open_port(self.loop, 0, shared, rcvbuf_bytes, &error)
        if index < 0:
            raise OSError(error, os.strerror(error) if error else "no more sockets")
        return index


cdef uint32_t parse_ip(str text) except? 0:
    cdef uint32_t ip = 0
    cdef bytes ascii_text = text.encode()
    if inet_pton(AF_INET, <char*> ascii_text, &ip) != 1:
        raise ValueError(f"{text!r} is not an IPv4 address")
    return ip
