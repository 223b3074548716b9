"""A sender of hostile datagrams: mutations of given templates, as many as wanted, at a chosen pace."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from sfu._fastpath.includes.atomics cimport load_acquire, store_release
from sfu._fastpath.includes.linux cimport (
    AF_INET, MSG_DONTWAIT, htons, inet_pton, iovec, mmsghdr, monotonic_us, sendmmsg, sockaddr_in, timespec,
)
from bench.load.linux cimport htonl, nanosleep
from bench.load.ports cimport UdpPort, port_close, port_open

import os

cdef enum:
    BATCH = 64
    SOURCES = 16
    LARGEST = 1500
    FIRST_ADDRESS = 0x7F400001             # 127.64.0.1: not the range of the load client

cdef struct Template:
    int n
    uint8_t data[LARGEST]


cdef class Flood:
    """Sends to one address from SOURCES others. `seed` makes the datagrams repeatable."""

    cdef UdpPort sources[SOURCES]
    cdef sockaddr_in target
    cdef Template* templates
    cdef int template_count
    cdef uint64_t random
    cdef uint32_t stopped
    cdef uint64_t sent_datagrams
    cdef uint64_t failed_datagrams
    cdef uint8_t* memory
    cdef mmsghdr messages[BATCH]
    cdef iovec vectors[BATCH]

    def __cinit__(self, str ip, int port, list templates, *, uint64_t seed):
        cdef bytes text = ip.encode()
        cdef bytes one
        cdef int i
        for i in range(SOURCES):
            self.sources[i].fd = -1
        self.random = seed | 1
        self.target.sin_family = AF_INET
        self.target.sin_port = htons(<uint16_t> port)
        if inet_pton(AF_INET, <char*> text, &self.target.sin_addr) != 1:
            raise ValueError(f"{ip!r} is not an IPv4 address")
        if not templates or max(len(one) for one in templates) > LARGEST:
            raise ValueError(f"templates are 1 or more, each of at most {LARGEST} bytes")
        self.templates = <Template*> calloc(len(templates), sizeof(Template))
        self.memory = <uint8_t*> calloc(BATCH, LARGEST)
        if self.templates == NULL or self.memory == NULL:
            raise MemoryError
        for one in templates:
            memcpy(self.templates[self.template_count].data, <char*> one, len(one))
            self.templates[self.template_count].n = <int> len(one)
            self.template_count += 1
        for i in range(SOURCES):
            error = port_open(&self.sources[i], htonl(<uint32_t> (FIRST_ADDRESS + i)), 0, False, 1 << 16)
            if error:
                raise OSError(error, os.strerror(error))
        for i in range(BATCH):
            self.vectors[i].iov_base = self.memory + i * LARGEST
            self.messages[i].msg_hdr.msg_iov = &self.vectors[i]
            self.messages[i].msg_hdr.msg_iovlen = 1
            self.messages[i].msg_hdr.msg_name = &self.target
            self.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in)

    def __dealloc__(self):
        cdef int i
        for i in range(SOURCES):
            port_close(&self.sources[i])
        free(self.templates)
        free(self.memory)

    @property
    def sent(self) -> int:
        """Datagrams that the kernel took."""
        return self.sent_datagrams

    @property
    def failed(self) -> int:
        return self.failed_datagrams

    def stop(self) -> None:
        store_release(&self.stopped, 1)

    def run(self, *, uint64_t count, double per_s) -> None:
        """Sends `count` datagrams at `per_s`, or until stopped; holds no GIL."""
        with nogil:
            self.send_all(count, per_s)

    cdef void send_all(self, uint64_t count, double per_s) noexcept nogil:
        cdef uint64_t started_us = monotonic_us()
        cdef uint64_t made = 0
        cdef uint64_t due
        cdef timespec pause
        pause.tv_sec = 0
        pause.tv_nsec = 200_000
        while made < count and not load_acquire(&self.stopped):
            due = <uint64_t> (<double> (monotonic_us() - started_us) * per_s / 1e6)
            if due < made + BATCH and due < count:
                nanosleep(&pause, NULL)
                continue
            made += self.send_batch(<int> min(<uint64_t> BATCH, count - made))

    cdef int send_batch(self, int n) noexcept nogil:
        cdef int fd = self.sources[self.next_random() % SOURCES].fd
        cdef int first = 0
        cdef int i, sent
        for i in range(n):
            self.vectors[i].iov_len = self.mutate(self.memory + i * LARGEST)
        while first < n:
            sent = sendmmsg(fd, &self.messages[first], n - first, MSG_DONTWAIT)
            if sent > 0:
                self.sent_datagrams += sent
                first += sent
            else:
                self.failed_datagrams += 1
                first += 1
        return n

    cdef int mutate(self, uint8_t* out) noexcept nogil:
        """A template with some bytes changed, sometimes cut short or drawn out with noise."""
        cdef Template* template = &self.templates[self.next_random() % self.template_count]
        cdef int n = template.n
        cdef int changes = <int> (self.next_random() % 6)
        cdef uint64_t kind = self.next_random() % 8
        cdef int grown
        memcpy(out, template.data, n)
        if kind == 0:
            n = <int> (self.next_random() % (n + 1))
        elif kind == 1:
            grown = n + <int> (self.next_random() % 64)
            grown = min(grown, LARGEST)
            while n < grown:
                out[n] = <uint8_t> self.next_random()
                n += 1
        while changes > 0 and n > 0:
            out[self.next_random() % n] = <uint8_t> self.next_random()
            changes -= 1
        return n

    cdef uint64_t next_random(self) noexcept nogil:
        cdef uint64_t x = self.random
        x ^= x << 13
        x ^= x >> 7
        x ^= x << 17
        self.random = x
        return x >> 8
