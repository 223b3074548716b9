"""The join line: from an offer and a token to a Call and an answer."""

from typing import Final

from sfu import ids
from sfu._fastpath.values import CommandError
from sfu.cluster.grants import Grant, verify_token
from sfu.cluster.records import RoomRecord
from sfu.errors import RejectedError
from sfu.media.transport import IceCredentials, Transport
from sfu.node import effects
from sfu.node.calls import Call
from sfu.node.parts import Parts
from sfu.node.rooms import OpenRoom
from sfu.room.participant import Participant
from sfu.room.room import Room
from sfu.room.subscription import ActiveSpeaker, FirstPublisher, OnePublisher, Subscription, Wish
from sfu.room.track import Kind, Track
from sfu.rtc.negotiate import Terms, negotiate
from sfu.rtc.parameters import LocalTransport, MediaKind, MediaSection, NegotiatedSession
from sfu.rtc.sdp import parse
from sfu.signaling.messages import JoinAnswer, JoinRequest
from sfu.signaling.session import Session

SESSION_ID_CHARS: Final = 24
SOURCES: Final = {
    MediaKind.AUDIO: ("microphone", "screen_share_audio"),
    MediaKind.VIDEO: ("camera", "screen_share"),
}
"""What a Grant may name in canPublishSources; the first is taken for granted."""


async def join(parts: Parts, request: JoinRequest) -> JoinAnswer:
    """One offer at one door becomes one Call.

    RejectedError: 401 token, 403 grant or blocklist, 409 Room full, 429 too many joins, 503 draining or out
    of room. SdpError, NegotiationError: the offer's fault. Whatever fails leaves nothing behind.
    """
    asked_at_us = parts.now_us()
    grant = admit(parts, request)
    offer = parse(request.offer)
    room = await open_room(parts, request.room, grant)
    room.room.check_space(grant.identity)
    transport = await open_transport(parts, room)
    try:
        participant = new_participant(parts, grant)
        local = local_transport(parts, transport, participant.sid)
        negotiated = negotiate(offer, local, terms_of(parts, request, grant))
        transport.associate(*far_end_of(negotiated), parts.dtls)
        session = new_session(parts, request, participant, negotiated)
        m_lines = parts.shared.sections(negotiated.sections)
        call = Call(participant, room, grant, transport, session, m_lines, asked_at_us)
        await enter(parts, call, wish_of(request))
    except BaseException:
        parts.plane.close_transport(transport)
        raise
    parts.metrics.join_s.labels(request.intent, "answer").observe((parts.now_us() - asked_at_us) / 1e6)
    return JoinAnswer(session, negotiated.answer, parts.ice_servers(grant.identity))


def admit(parts: Parts, request: JoinRequest) -> Grant:
    """The verified Grant, if it is good for this door of this Room now."""
    if parts.draining:
        raise RejectedError(503, "Node is draining", "join again to be placed elsewhere", retry_after_s=1)
    now_s = parts.now_us() / 1e6
    grant = verify_token(request.token, parts.config.keys, now_s)
    if not ids.is_name(request.room):
        raise RejectedError(400, "Bad request", "room is not a valid name")
    parts.gate.check(grant, request.room, address=request.address, now_s=now_s)
    if not grant.may_join(request.room) or not ids.is_name(grant.identity):
        raise RejectedError(403, "Not allowed", f"the token does not let its holder join {request.room}")
    if request.intent != "subscribe" and not publishable_kinds(grant):
        raise RejectedError(403, "Not allowed", "the token does not let its holder publish")
    if request.intent != "publish" and not grant.can_subscribe:
        raise RejectedError(403, "Not allowed", "the token does not let its holder subscribe")
    return grant


def publishable_kinds(grant: Grant) -> frozenset[MediaKind]:
    """The kinds of media that the Grant lets its holder publish."""
    allowed = {kind for kind, sources in SOURCES.items() if any(map(grant.may_publish, sources))}
    return frozenset(allowed)


async def open_room(parts: Parts, name: str, grant: Grant) -> OpenRoom:
    """The open Room of that name, or a new one under the Director's or the token's limits."""
    if found := parts.rooms.get(name):
        return found
    record = await parts.ledger.find_room(name)
    if found := parts.rooms.get(name):  # somebody else was faster
        return found
    if record is None:
        record = RoomRecord(
            name=name,
            sid=ids.make_room_sid(parts.randomness),
            created_at_s=parts.now_us() / 1e6,
            empty_timeout_s=grant.empty_timeout_s or parts.config.room_empty_timeout_s,
            max_participants=grant.max_participants or parts.config.max_participants,
            max_duration_s=grant.max_duration_s,
            node=parts.node_id,
        )
        parts.ledger.room(record)
    room = Room(name, record.sid, max_participants=record.max_participants or parts.config.max_participants)
    opened = OpenRoom(room, record.empty_timeout_s, record.max_duration_s, parts.now_us())
    parts.rooms.add(opened)
    return opened


async def open_transport(parts: Parts, room: OpenRoom) -> Transport:
    """A Transport near those already in the Room. RejectedError(503): the Worker has no place left."""
    first = next(iter(room.room.publishers or room.room.participants.values()), None)
    near = parts.calls.of(first) if first else None
    try:
        return await parts.plane.open_transport(near=near.transport if near else None)
    except CommandError as error:
        raise RejectedError(503, "Node is full", str(error), retry_after_s=5) from error


def new_participant(parts: Parts, grant: Grant) -> Participant:
    """A stay that begins now; its call_id is the Director's if it placed the Call."""
    return Participant(
        sid=ids.make_participant_sid(parts.randomness),
        identity=grant.identity,
        call_id=grant.call_id or ids.make_call_id(parts.randomness),
        name=grant.name,
        metadata=grant.metadata,
        joined_at_us=parts.now_us(),
    )


def local_transport(parts: Parts, transport: Transport, cname: str) -> LocalTransport:
    """Our end of the Transport, as the answer states it."""
    return LocalTransport(
        ice_ufrag=transport.local.ufrag,
        ice_pwd=transport.local.pwd,
        fingerprint_sha256=parts.dtls.fingerprint_sha256,
        candidates=parts.candidates(transport.link.worker.port),
        session_id=int.from_bytes(parts.randomness(8)) >> 1,
        cname=cname,
    )


def terms_of(parts: Parts, request: JoinRequest, grant: Grant) -> Terms:
    """What we are ready to agree to."""
    return Terms(
        intent=request.intent,
        new_ssrc=lambda: int.from_bytes(parts.randomness(4)),
        kinds=publishable_kinds(grant),
    )


def far_end_of(negotiated: NegotiatedSession) -> tuple[IceCredentials, tuple[tuple[str, str], ...]]:
    """The far end's ICE credentials and fingerprints."""
    return IceCredentials(negotiated.remote_ufrag, negotiated.remote_pwd), negotiated.remote_fingerprints


def new_session(
    parts: Parts, request: JoinRequest, participant: Participant, negotiated: NegotiatedSession
) -> Session:
    """The HTTP resource; its id is a secret (RFC 9725 section 5)."""
    secret = ids.random_text(SESSION_ID_CHARS, parts.randomness)
    return Session(secret, request.intent, request.room, participant.sid, negotiated.remote_ufrag)


def wish_of(request: JoinRequest) -> Wish:
    """Whom the newcomer wants to watch."""
    if request.intent == "talk":
        return ActiveSpeaker()
    return OnePublisher(request.publisher) if request.publisher else FirstPublisher()


async def enter(parts: Parts, call: Call, wish: Wish) -> None:
    """Lets the Participant into the Room with all its m-lines; undone if the packet core refuses."""
    tracks = [make_track(parts, call, section) for section in call.m_lines if section.direction.receives]
    subscriptions = [
        make_subscription(parts, call, section, wish) for section in call.m_lines if section.direction.sends
    ]
    room = call.room.room
    if parts.rooms.get(room.name) is not call.room:
        raise RejectedError(503, "Room has closed", f"{room.name} was closed meanwhile", retry_after_s=1)
    parts.calls.add(call)
    try:
        events = room.join(call.participant, tracks=tracks, subscriptions=subscriptions)
    except RejectedError:
        parts.calls.remove(call)
        raise
    try:
        await effects.apply(parts, call.room, events)
    except CommandError as error:
        await effects.apply(parts, call.room, room.leave(call.participant.sid, "failed"))
        raise RejectedError(503, "Node is full", str(error), retry_after_s=5) from error


def make_track(parts: Parts, call: Call, section: MediaSection) -> Track:
    """The Track that comes in on an m-line."""
    kind: Kind = "audio" if section.kind is MediaKind.AUDIO else "video"
    sid = ids.make_track_sid(parts.randomness)
    call.sections[sid] = section
    rids = tuple(encoding.rid for encoding in section.encodings if encoding.rid)
    source = SOURCES[section.kind][0]
    return Track(sid, kind, call.participant.identity, section.codecs[0].name, source, rids)


def make_subscription(parts: Parts, call: Call, section: MediaSection, wish: Wish) -> Subscription:
    """The Subscription that goes out on an m-line."""
    kind: Kind = "audio" if section.kind is MediaKind.AUDIO else "video"
    sid = f"SU_{ids.random_text(12, parts.randomness)}"
    call.sections[sid] = section
    return Subscription(sid, kind, wish)
