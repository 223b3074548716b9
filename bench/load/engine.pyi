"""The native half of the load tool: one thread that is all publishers and all subscribers at once."""

class LoadEngine:
    """Owns sockets, Transports, Sources and Sinks. `run` is the thread's body; every other method may be called
    from another thread meanwhile. A Transport is named by its index. Times are CLOCK_MONOTONIC microseconds.

    ValueError from any method: no such client, or a value out of range.
    """

    def __init__(
        self,
        *,
        limit: int = 4096,
        shared: bool = True,
        ports: int = 1,
        sample_every: int = 8,
        loss: float = 0.0,
        nack: bool = True,
        rcvbuf_bytes: int = ...,
    ) -> None:
        """`shared`: all clients on `ports` sockets with addresses of 127.16.0.0/12; otherwise a socket each.
        `sample_every` is a power of two. OSError: a socket could not be had.
        """

    def run(self) -> None:
        """Works until `stop`; holds no GIL."""

    def stop(self) -> None: ...
    def fileno(self) -> int:
        """An eventfd that is readable when `poll` has something."""

    def poll(self) -> list[tuple[int, bytes]]:
        """(Transport, DTLS datagram), or (Transport, b"") when its ICE has just connected."""

    def set_sending(self, sending: bool) -> None:
        """Silences or wakes all publishers; they go on with a frame of the present, as after a mute."""

    def mark(self) -> None:
        """Starts a measurement: totals and histograms count from here."""

    def snapshot(self) -> dict[str, int]:
        """Everything counted since the mark (structs SinkTally and SourceTally), latency percentiles in us."""

    def sent_by(self, transport: int) -> int:
        """Packets of this publisher since the mark, without retransmissions; of simulcast all Encodings."""

    def add_sink(self, *, video_pt: int = -1, rtx_pt: int = -1, audio_pt: int = -1) -> int:
        """A subscriber; the payload types are those of its answer. Returns its Transport."""

    def set_payload_types(self, transport: int, *, video_pt: int, rtx_pt: int, audio_pt: int) -> None:
        """What the far end answered; -1: not agreed."""

    def add_source(self, *, packet_bytes: int = 1200) -> int:
        """A publisher, silent until it has streams, keys and a connected Transport. Returns its Transport."""

    def add_video(
        self,
        transport: int,
        *,
        mid: str,
        rid: str,
        pt: int,
        rtx_pt: int,
        ssrc: int,
        rtx_ssrc: int,
        bps: int,
        fps: float,
        pace_us: int,
    ) -> None:
        """One VP8 Encoding of this publisher."""

    def add_audio(self, transport: int, *, mid: str, pt: int, ssrc: int) -> None:
        """Opus-like audio: a packet of 80 to 120 bytes every 20 ms."""

    def set_extensions(self, transport: int, *, audio: dict[int, int], video: dict[int, int]) -> None:
        """ExtType number -> negotiated id, for each kind."""

    def set_remote(self, transport: int, ip: str, port: int) -> None:
        """Where to send; datagrams from elsewhere are strays."""

    def start_ice(
        self, transport: int, *, local_ufrag: str, local_pwd: str, remote_ufrag: str, remote_pwd: str
    ) -> None:
        """Starts checks as the controlling agent that nominates at once (RFC 8445)."""

    def set_keys(self, transport: int, *, profile: int, rx: bytes, tx: bytes) -> None:
        """Master key || master salt of both directions."""

    def send(self, transport: int, datagram: bytes) -> None:
        """Sends a datagram that is not the engine's business: DTLS."""

    def remove(self, transport: int) -> None:
        """The client is gone; what it received stays in the totals."""

    def local_address(self, transport: int) -> tuple[str, int]:
        """The address that the far end sees."""

    def times_us(self, transport: int) -> tuple[int, int]:
        """When ICE connected and when the first authentic media packet came; 0: not yet."""
