"""The reference loop: the least a forwarder must do for a packet, without any of what makes it an SFU."""

class ReferenceForwarder:
    """One publisher, many destinations, fixed before `run`. Keys are master key || master salt."""

    def __init__(self, *, profile: int, publisher_key: bytes, limit: int) -> None: ...
    @property
    def number(self) -> int:
        """UDP port on 127.0.0.1."""

    @property
    def forwarded(self) -> int: ...
    @property
    def failed(self) -> int: ...
    def add_destination(self, ip: str, port: int, key: bytes) -> None: ...
    def stop(self) -> None: ...
    def run(self) -> None:
        """Forwards until stopped; holds no GIL."""
