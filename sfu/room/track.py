"""A Track: one published audio or video source."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["audio", "video"]


@dataclass(slots=True, eq=False)
class Track:
    """One published source of one Participant.

    `rids` names its Encodings from lowest to highest quality; empty without simulcast. `owner` is the
    identity that publishes it, `sid` (`TR_..`) is unique in the cluster.
    """

    sid: str
    kind: Kind
    owner: str
    codec: str = ""
    source: str = ""
    rids: tuple[str, ...] = ()
    muted: bool = False
