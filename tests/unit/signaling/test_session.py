"""The rules of PATCH (RFC 9725 section 4.3), without any IO."""

import pytest

from sfu.errors import RejectedError
from sfu.rtc.sdp import SdpError
from sfu.signaling.session import RestartWanted, Session, Trickled

TRICKLE = b"a=ice-ufrag:far1\r\na=ice-pwd:" + b"p" * 24 + b"\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
RESTART = TRICKLE.replace(b"far1", b"far2")


@pytest.fixture
def session() -> Session:
    return Session("secret-session-id", "publish", "lobby", "PA_1", "far1")


def test_candidates_of_the_present_ice_session_are_taken(session: Session) -> None:
    assert session.patch(session.etag, TRICKLE) == Trickled()


def test_a_fragment_without_credentials_is_trickle(session: Session) -> None:
    assert (
        session.patch(session.etag, b"m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n")
        == Trickled()
    )


def test_other_credentials_are_a_restart(session: Session) -> None:
    assert session.patch("*", RESTART) == RestartWanted("far2", "p" * 24)


def test_credentials_may_stand_in_the_m_section(session: Session) -> None:
    head, _, tail = RESTART.partition(b"m=")
    assert session.patch("*", b"m=" + tail + head) == RestartWanted("far2", "p" * 24)


def test_a_restart_makes_the_old_etag_stale(session: Session) -> None:
    before = session.etag
    session.restarted("far2")
    assert session.etag != before
    with pytest.raises(RejectedError) as rejection:
        session.patch(before, TRICKLE)
    assert rejection.value.code == 412


def test_a_restart_whose_answer_was_lost_may_be_asked_for_again(session: Session) -> None:
    session.restarted("far2")
    assert session.patch("*", RESTART) == RestartWanted("far2", "p" * 24)
    assert session.patch(session.etag, RESTART) == Trickled()


def test_a_patch_without_a_condition_is_refused(session: Session) -> None:
    with pytest.raises(RejectedError) as rejection:
        session.patch(None, TRICKLE)
    assert rejection.value.code == 428


def test_one_of_several_etags_is_enough(session: Session) -> None:
    assert session.patch(f'"other", {session.etag}', TRICKLE) == Trickled()


def test_a_restart_without_a_password_is_refused(session: Session) -> None:
    with pytest.raises(RejectedError) as rejection:
        session.patch("*", b"a=ice-ufrag:far2\r\n")
    assert rejection.value.code == 400


def test_what_is_no_sdp_names_the_line(session: Session) -> None:
    with pytest.raises(SdpError):
        session.patch("*", b"a=ice-ufrag:far2\r\nnonsense\r\n")
