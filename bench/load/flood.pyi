"""A sender of hostile datagrams: mutations of given templates, as many as wanted, at a chosen pace."""

class Flood:
    """Sends to one address from several others. `seed` makes the datagrams repeatable. ValueError, OSError."""

    def __init__(self, ip: str, port: int, templates: list[bytes], *, seed: int) -> None: ...
    @property
    def sent(self) -> int:
        """Datagrams that the kernel took."""

    @property
    def failed(self) -> int: ...
    def stop(self) -> None: ...
    def run(self, *, count: int, per_s: float) -> None:
        """Sends `count` datagrams at `per_s`, or until stopped; holds no GIL."""
