"""One Worker: `run_once` is a packet's whole way, `Worker` is how Python starts it and speaks to it."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset
from sfu._fastpath.commands cimport *
from sfu._fastpath.control cimport apply_command
from sfu._fastpath.core cimport (
    MAX_WORKERS, NOTICE_TRANSPORT, NoticeSlot, NoticeValue, PuntSlot, RelaySlot,
)
from sfu._fastpath.encode cimport (
    encode_ice, encode_map, encode_srtp, encode_subscription, encode_track,
)
from sfu._fastpath.forwarder cimport (
    CoreConfig, core_free, core_new, flush, ingest, ingest_relayed, next_deadline_us, poll_timers,
)
from sfu._fastpath.includes.atomics cimport (
    exchange, full_fence, load_acquire, load_seq, load_seq64, store_release, store_seq,
)
from sfu._fastpath.includes.linux cimport *
from sfu._fastpath.ring cimport Ring, ring_commit, ring_free, ring_front, ring_new, ring_release, ring_reserve
from sfu._fastpath.snapshot cimport SnapshotRows, free_snapshot, read_snapshot
from sfu._fastpath.stream.srtp cimport (
    SRTP_BACKEND_IPSEC_MB, SRTP_BACKEND_OPENSSL, srtp_best_backend,
)
from sfu._fastpath.udp cimport recv_batch, send_batch, udp_close, udp_open, udp_port

import os
import secrets
import threading

from sfu._fastpath.values import (
    Punt, Reply as ReplyValue, TrackNotice, TransportNotice, TransportState,
)

cdef enum:
    READABLE_V4 = 1
    READABLE_V6 = 2
    MAX_COMMANDS_PER_TURN = 32
    IDLE_US = 200000
    LOAD_WINDOW_US = 100000
    RELEASE_PERCENT = 40           # of that share: below it holding ends (holding about halves the load)
    RELAY_SLOTS = 1024

STATUS_TEXT = {
    STATUS_NO_SUCH_HANDLE: "no such handle",
    STATUS_TABLE_FULL: "table full",
    STATUS_BAD_KEYS: "unknown SRTP profile",
    STATUS_NO_MEMORY: "out of memory",
    STATUS_NO_ADDRESS: "no validated remote address yet",
    STATUS_NO_SUCH_WORKER: "no such Worker",
    STATUS_SSRC_TAKEN: "SSRC taken on this Transport",
}


cdef void worker_main(WorkerState* w) noexcept nogil:
    while not load_acquire(&w.stopping):
        run_once(w)


cdef void run_once(WorkerState* w) noexcept nogil:
    """Wait, receive, forward, run timers, send, take Commands."""
    cdef uint64_t started_us
    cdef uint32_t readable = wait(w)
    started_us = monotonic_us()
    if readable & READABLE_V4:
        receive(w, w.udp.fd_v4, started_us)
    if readable & READABLE_V6:
        receive(w, w.udp.fd_v6, started_us)
    ingest_relayed(w.core, started_us)
    poll_timers(w.core, started_us)
    flush(w.core, started_us)
    take_commands(w, started_us)
    wake_peers(w)
    raise_event(w)
    weigh_load(w, started_us, monotonic_us())


cdef uint32_t wait(WorkerState* w) noexcept nogil:
    """Sleeps until a datagram, a wake-up or the next deadline; says which sockets are readable.

    Whoever fills a ring of ours while `sleeping` wakes us.
    """
    cdef epoll_event events[4]
    cdef timespec timeout
    cdef uint64_t counter
    cdef uint64_t now_us = monotonic_us()
    cdef uint64_t deadline_us = next_deadline_us(w.core)
    cdef uint64_t wait_us = deadline_us - now_us if deadline_us > now_us else 0
    cdef uint32_t readable = 0
    cdef int i, n
    if w.core.tables.transport_count == 0 and w.core.tables.track_count == 0:
        wait_us = IDLE_US
    store_seq(&w.sleeping, 1)
    full_fence()
    if rings_waiting(w):
        wait_us = 0
    timeout.tv_sec = <long> (wait_us // 1000000)
    timeout.tv_nsec = <long> (wait_us % 1000000) * 1000
    n = epoll_pwait2(w.epoll_fd, events, 4, &timeout, NULL)
    store_seq(&w.sleeping, 0)
    for i in range(n):
        if events[i].data.fd == w.wake_fd:
            read(w.wake_fd, &counter, sizeof(counter))
        elif events[i].data.fd == w.udp.fd_v4:
            readable |= READABLE_V4
        else:
            readable |= READABLE_V6
    return readable


cdef bint rings_waiting(WorkerState* w) noexcept nogil:
    cdef int i
    if ring_front(w.commands) != NULL:
        return True
    for i in range(MAX_WORKERS):
        if w.core.peers_in[i] != NULL and ring_front(w.core.peers_in[i]) != NULL:
            return True
    return False


cdef void receive(WorkerState* w, int fd, uint64_t now_us) noexcept nogil:
    cdef int n = recv_batch(w.udp, fd)
    if n > 0:
        ingest(w.core, w.udp.datagrams, n, now_us)


cdef void take_commands(WorkerState* w, uint64_t now_us) noexcept nogil:
    """At most so many a turn; credits (COMMAND_CREDITS) guarantee a free Reply slot for each."""
    cdef Command* command
    cdef Reply* reply
    cdef int taken = 0
    command = <Command*> ring_front(w.commands)
    while command != NULL and taken < MAX_COMMANDS_PER_TURN:
        reply = <Reply*> ring_reserve(w.replies)
        apply_command(w.core, command, reply, now_us)
        ring_commit(w.replies)
        ring_release(w.commands)
        w.core.raised = True
        taken += 1
        command = <Command*> ring_front(w.commands)


cdef void wake_peers(WorkerState* w) noexcept nogil:
    cdef int i
    for i in range(MAX_WORKERS):
        if w.core.relayed_to[i]:
            w.core.relayed_to[i] = False
            wake(w.peers[i])


cdef void wake(WorkerState* w) noexcept nogil:
    """After a ring of `w` was filled by another thread."""
    cdef uint64_t one = 1
    full_fence()
    if load_seq(&w.sleeping):
        write(w.wake_fd, &one, sizeof(one))


cdef void raise_event(WorkerState* w) noexcept nogil:
    cdef uint64_t one = 1
    if w.core.raised:
        w.core.raised = False
        write(w.event_fd, &one, sizeof(one))


cdef void weigh_load(WorkerState* w, uint64_t started_us, uint64_t now_us) noexcept nogil:
    """Turns holding on under load (frames leave as one GSO run) and off when there is time to spare (least delay)."""
    cdef uint64_t elapsed_us = now_us - w.load_window_us
    cdef uint64_t percent
    w.core.counters.loops += 1
    w.core.counters.busy_us += now_us - started_us
    w.busy_in_window_us += now_us - started_us
    if elapsed_us < LOAD_WINDOW_US:
        return
    percent = w.busy_in_window_us * 100 // elapsed_us
    if percent >= w.hold_above_percent and w.core.hold_us:
        w.core.counters.holds += not w.core.holding
        w.core.holding = True
    elif percent * 100 < w.hold_above_percent * RELEASE_PERCENT:
        w.core.holding = False
    w.load_window_us = now_us
    w.busy_in_window_us = 0


cdef class Worker:
    """See worker.pyi for the contract."""

    def __cinit__(self, config):
        memset(&self.w, 0, sizeof(WorkerState))
        self.w.epoll_fd = self.w.wake_fd = self.w.event_fd = -1
        self.config = config
        self.index = config.index
        self.linked = []
        self.next_token = 1
        self.w.commands = ring_new(COMMAND_CREDITS, sizeof(Command))
        self.w.replies = ring_new(COMMAND_CREDITS, sizeof(Reply))
        if self.w.commands == NULL or self.w.replies == NULL:
            raise MemoryError
        self.w.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.w.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
        self.w.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.w.wake_fd < 0 or self.w.event_fd < 0 or self.w.epoll_fd < 0:
            raise OSError(errno, os.strerror(errno))
        self.event_fd = self.w.event_fd
        self.w.hold_above_percent = config.hold_above_percent
        self.w.core = self.make_core()

    cdef Core* make_core(self) except NULL:
        cdef CoreConfig made
        cdef Core* core
        config = self.config
        hint = config.node_hint.encode("ascii")
        if len(hint) != 4:
            raise ValueError("node_hint is 4 characters")
        if not 0 <= config.index < MAX_WORKERS:
            raise ValueError(f"at most {MAX_WORKERS} Workers")
        made.worker_index = config.index
        memcpy(made.node_hint, <const char*> hint, 4)
        made.max_transports, made.max_tracks = config.max_transports, config.max_tracks
        made.max_subscriptions = config.max_subscriptions
        made.hold_us, made.consent_us, made.max_publish_bps = config.hold_us, config.consent_us, config.max_publish_bps
        made.backend = SRTP_BACKEND_OPENSSL if config.crypto == "openssl" else srtp_best_backend()
        made.seed = int.from_bytes(secrets.token_bytes(8), "little")
        core = core_new(&made, send_batch, NULL)
        if core == NULL:
            raise MemoryError("packet core: out of memory or no crypto back end")
        self.crypto = "ipsec-mb" if made.backend == SRTP_BACKEND_IPSEC_MB else "openssl"
        return core

    def __dealloc__(self):
        cdef int i
        udp_close(self.w.udp)
        if self.w.core != NULL:
            for i in range(MAX_WORKERS):
                ring_free(self.w.core.peers_out[i])
            core_free(self.w.core)
        ring_free(self.w.commands)
        self._free_replies()
        if self.w.epoll_fd >= 0:
            close(self.w.epoll_fd)
        if self.w.wake_fd >= 0:
            close(self.w.wake_fd)
        if self.w.event_fd >= 0:
            close(self.w.event_fd)

    cdef void _free_replies(self) noexcept:
        cdef Reply* reply
        if self.w.replies == NULL:
            return
        reply = <Reply*> ring_front(self.w.replies)
        while reply != NULL:
            free_snapshot(<SnapshotRows*> reply.rows)
            ring_release(self.w.replies)
            reply = <Reply*> ring_front(self.w.replies)
        ring_free(self.w.replies)

    @staticmethod
    def connect(workers):
        cdef Worker a, b
        for a in workers:
            for b in workers:
                if a is not b:
                    link(a, b)

    def start(self):
        cdef epoll_event event
        if self.w.udp != NULL:
            raise RuntimeError("a Worker starts once")
        v4 = self.config.bind_address.encode()
        v6 = self.config.bind_address_v6.encode()
        self.w.udp = udp_open(v4, v6, self.config.port)
        if self.w.udp == NULL:
            raise OSError(errno, f"cannot bind UDP {self.config.bind_address}:{self.config.port}: {os.strerror(errno)}")
        self.w.udp.core = self.w.core
        self.w.core.batch.sink = self.w.udp
        self.port = udp_port(self.w.udp)
        event.events = EPOLLIN
        for fd in (self.w.udp.fd_v4, self.w.udp.fd_v6, self.w.wake_fd):
            event.data.fd = fd
            if fd >= 0 and epoll_ctl(self.w.epoll_fd, EPOLL_CTL_ADD, fd, &event):
                raise OSError(errno, os.strerror(errno))
        self.thread = threading.Thread(target=self._main, name=f"worker-{self.index}", daemon=True)
        self.thread.start()

    def _main(self):
        cdef int nice = self.config.nice
        with nogil:
            setpriority(PRIO_PROCESS, 0, nice)
            worker_main(&self.w)

    def stop(self):
        if self.thread is None:
            return
        store_release(&self.w.stopping, 1)
        wake_always(&self.w)
        self.thread.join()
        self.thread = None

    def poll(self):
        cdef uint64_t counter
        read(self.w.event_fd, &counter, sizeof(counter))
        found = []
        self._poll_replies(found)
        self._poll_notices(found)
        self._poll_punts(found)
        return found

    def _poll_replies(self, list found):
        cdef Reply* reply = <Reply*> ring_front(self.w.replies)
        while reply != NULL:
            rows = read_snapshot(<SnapshotRows*> reply.rows) if reply.rows != NULL else None
            error = STATUS_TEXT[reply.status] if reply.status else ""
            found.append(ReplyValue(reply.token, reply.value, error, rows))
            free_snapshot(<SnapshotRows*> reply.rows)
            ring_release(self.w.replies)
            self.in_flight -= 1
            reply = <Reply*> ring_front(self.w.replies)

    def _poll_notices(self, list found):
        cdef NoticeSlot* slot = <NoticeSlot*> ring_front(self.w.core.notices)
        cdef NoticeValue* value
        cdef uint64_t state
        cdef bint of_transport
        while slot != NULL:
            of_transport = slot.kind == NOTICE_TRANSPORT
            value = &(self.w.core.transport_notices if of_transport else self.w.core.track_notices)[slot.index]
            ring_release(self.w.core.notices)
            exchange(&value.queued, 0)
            state = load_seq64(&value.state)
            if of_transport:
                found.append(TransportNotice(state >> 32, TransportState(state & 0xffffffff)))
            else:
                found.append(TrackNotice(state >> 32, state & 0xffffffff))
            slot = <NoticeSlot*> ring_front(self.w.core.notices)

    def _poll_punts(self, list found):
        cdef PuntSlot* slot = <PuntSlot*> ring_front(self.w.core.punts)
        while slot != NULL:
            found.append(Punt(slot.transport, PyBytes_FromStringAndSize(<char*> slot.data, slot.bytes)))
            ring_release(self.w.core.punts)
            slot = <PuntSlot*> ring_front(self.w.core.punts)

    cdef int send(self, void* command) except -1:
        """Copies a Command into the ring; returns its token."""
        cdef Command* slot
        if self.in_flight >= COMMAND_CREDITS:
            raise BlockingIOError("no Command credit left: poll first")
        slot = <Command*> ring_reserve(self.w.commands)
        if slot == NULL:
            raise BlockingIOError("the Worker's Command ring is full")
        self.next_token = self.next_token % 0x7fffffff + 1
        (<Command*> command).token = self.next_token
        memcpy(slot, command, sizeof(Command))
        ring_commit(self.w.commands)
        self.in_flight += 1
        wake(&self.w)
        return <int> self.next_token

    def open_transport(self):
        cdef Command command
        command.op = OP_OPEN_TRANSPORT
        return self.send(&command)

    def set_ice(self, uint32_t transport, *, local_ufrag, local_pwd, remote_ufrag, remote_pwd):
        cdef Command command
        command.op, command.handle = OP_SET_ICE, transport
        encode_ice(&command.body.ice, local_ufrag, local_pwd)
        return self.send(&command)

    def set_srtp(self, uint32_t transport, *, int profile, bytes rx, bytes tx):
        cdef Command command
        command.op, command.handle = OP_SET_SRTP, transport
        encode_srtp(&command.body.srtp, profile, rx, tx)
        return self.send(&command)

    def send_dtls(self, uint32_t transport, bytes datagram):
        cdef Command command
        if len(datagram) > sizeof(command.body.datagram.data):
            raise ValueError(f"a datagram of {len(datagram)} bytes does not fit")
        command.op, command.handle = OP_SEND_DTLS, transport
        command.body.datagram.bytes = <uint32_t> len(datagram)
        memcpy(command.body.datagram.data, <const char*> datagram, len(datagram))
        return self.send(&command)

    def close_transport(self, uint32_t transport):
        return self._flagged(OP_CLOSE_TRANSPORT, transport, 0)

    def add_track(self, uint32_t transport, spec):
        cdef Command command
        command.op, command.handle = OP_ADD_TRACK, transport
        encode_track(&command.body.track, spec)
        return self.send(&command)

    def mirror_track(self, spec, *, uint32_t source_worker, uint32_t source_track):
        cdef Command command
        if source_worker >= MAX_WORKERS or self.w.core.peers_in[source_worker] == NULL:
            raise ValueError(f"Worker {self.index} is not connected to Worker {source_worker}")
        command.op, command.handle = OP_MIRROR_TRACK, 0
        encode_track(&command.body.track, spec)
        command.body.track.source_worker = source_worker
        command.body.track.source_track = source_track
        return self.send(&command)

    def export_track(self, uint32_t track, *, uint32_t to_worker, uint32_t mirror):
        cdef Command command
        if to_worker >= MAX_WORKERS or self.w.core.peers_out[to_worker] == NULL:
            raise ValueError(f"Worker {self.index} is not connected to Worker {to_worker}")
        command.op, command.handle = OP_EXPORT_TRACK, track
        command.body.export_to.worker, command.body.export_to.mirror = to_worker, mirror
        return self.send(&command)

    def remove_track(self, uint32_t track):
        return self._flagged(OP_REMOVE_TRACK, track, 0)

    def subscribe(self, uint32_t transport, spec):
        cdef Command command
        command.op, command.handle = OP_SUBSCRIBE, transport
        encode_subscription(&command.body.subscribe, spec)
        return self.send(&command)

    def bind(self, uint32_t subscription, uint32_t track, payload_types):
        cdef Command command
        command.op, command.handle = OP_BIND, subscription
        encode_map(&command.body.bind, track, payload_types)
        return self.send(&command)

    def select(self, uint32_t subscription, *, int encoding=-1, int temporal=-1):
        cdef Command command
        command.op, command.handle = OP_SELECT, subscription
        command.body.select.encoding = max(-1, min(encoding, 127))
        command.body.select.temporal = max(-1, min(temporal, 7))
        return self.send(&command)

    def pause(self, uint32_t subscription, *, bint paused):
        return self._flagged(OP_PAUSE, subscription, paused)

    def mute(self, uint32_t track, *, bint muted):
        return self._flagged(OP_MUTE, track, muted)

    def unsubscribe(self, uint32_t subscription):
        return self._flagged(OP_UNSUBSCRIBE, subscription, 0)

    def request_keyframe(self, uint32_t track):
        return self._flagged(OP_REQUEST_KEYFRAME, track, 0)

    def snapshot(self, scope):
        return self._flagged(OP_SNAPSHOT, 0, int(scope))

    def _flagged(self, uint32_t op, uint32_t handle, uint32_t flag):
        cdef Command command
        command.op, command.handle = op, handle
        command.body.flag = flag
        return self.send(&command)


cdef void wake_always(WorkerState* w) noexcept nogil:
    cdef uint64_t one = 1
    write(w.wake_fd, &one, sizeof(one))


cdef object link(Worker a, Worker b):
    """One ring from `a` to `b`. Each keeps the other alive, so rings and eventfds outlive both threads."""
    cdef Ring* ring
    if a.w.core.peers_out[b.index] != NULL:
        return
    ring = ring_new(RELAY_SLOTS, sizeof(RelaySlot))
    if ring == NULL:
        raise MemoryError
    a.w.core.peers_out[b.index] = ring
    b.w.core.peers_in[a.index] = ring
    a.w.peers[b.index] = &b.w
    a.linked.append(b)
