import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.api import AccessToken, TokenVerifier, VideoGrants

from sfu.cluster.grants import (
    CLOCK_SKEW_S,
    MAX_TOKEN_BYTES,
    Grant,
    bearer_token,
    mint_token,
    token_digest,
    verify_token,
)
from sfu.errors import RejectedError

KEY, SECRET = "key", "a secret of more than thirty-two bytes"
KEYS = {KEY: SECRET, "other": "another secret of more than thirty-two bytes"}
NOW_S = 1_700_000_000.0


def refusal(token: str, now_s: float = NOW_S) -> str:
    with pytest.raises(RejectedError) as caught:
        verify_token(token, KEYS, now_s)
    assert caught.value.code == 401
    return caught.value.detail


def signed(claims: dict[str, Any], *, secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.builds(
        Grant,
        identity=names,
        name=names,
        metadata=names,
        room=names,
        room_join=st.booleans(),
        room_create=st.booleans(),
        room_list=st.booleans(),
        room_admin=st.booleans(),
        node_admin=st.booleans(),
        can_publish=st.booleans(),
        can_subscribe=st.booleans(),
        can_publish_data=st.booleans(),
        can_publish_sources=st.lists(names, max_size=3).map(tuple),
        hidden=st.booleans(),
        call_id=names,
        max_participants=st.integers(0, 1000),
        max_duration_s=st.integers(0, 1000),
    )
)
def test_a_minted_grant_comes_back(grant: Grant) -> None:
    token = mint_token(grant, key=KEY, secret=SECRET, now_s=NOW_S, ttl_s=60)
    found = verify_token(token, KEYS, NOW_S)
    for name in Grant.__slots__:
        if name not in ("key", "token_id", "expires_at_s"):
            assert getattr(found, name) == getattr(grant, name), name
    assert (found.key, found.expires_at_s, found.token_id) == (KEY, NOW_S + 60, token_digest(token))


def test_tokens_of_livekit_api_are_understood() -> None:
    token = (
        AccessToken(KEY, SECRET)
        .with_identity("ada")
        .with_name("Ada")
        .with_metadata("{}")
        .with_attributes({"desk": "4"})
        .with_ttl(timedelta(seconds=60))
        .with_grants(
            VideoGrants(
                room_join=True, room="lab", can_publish=False, can_publish_sources=["microphone"], hidden=True
            )
        )
        .to_jwt()
    )
    now_s = float(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["nbf"])
    grant = verify_token(token, KEYS, now_s)
    assert (grant.identity, grant.name, grant.metadata, grant.room) == ("ada", "Ada", "{}", "lab")
    assert grant.attributes == {"desk": "4"}
    assert grant.may_join("lab")
    assert not grant.may_join("other")
    assert grant.hidden
    assert grant.may_publish("microphone")
    assert not grant.may_publish("camera")
    assert grant.expires_at_s == now_s + 60


def test_livekit_api_understands_ours() -> None:
    grant = Grant(identity="ada", room="lab", room_join=True, can_publish=False, call_id="CA_1")
    token = mint_token(grant, key=KEY, secret=SECRET, now_s=time.time())
    claims = TokenVerifier(KEY, SECRET).verify(token)
    assert claims.identity == "ada"
    assert claims.video is not None
    assert (claims.video.room, claims.video.room_join, claims.video.can_publish) == ("lab", True, False)


def test_what_is_not_said_about_publishing_is_allowed_and_everything_else_is_not() -> None:
    grant = verify_token(signed({"iss": KEY, "exp": NOW_S + 1, "sub": "ada", "video": {}}), KEYS, NOW_S)
    assert (grant.can_publish, grant.can_subscribe, grant.can_publish_data) == (True, True, True)
    for name in ("room_join", "room_create", "room_list", "room_admin", "node_admin", "hidden"):
        assert getattr(grant, name) is False


def test_a_short_secret_is_the_same_hmac_key() -> None:
    token = mint_token(Grant(identity="ada"), key="devkey", secret="secret", now_s=NOW_S)
    assert verify_token(token, {"devkey": "secret"}, NOW_S).identity == "ada"


def test_times_are_checked_with_the_given_clock() -> None:
    token = mint_token(Grant(), key=KEY, secret=SECRET, now_s=NOW_S, ttl_s=10)
    assert verify_token(token, KEYS, NOW_S + 9.9)
    assert verify_token(token, KEYS, NOW_S - CLOCK_SKEW_S)
    assert "expired" in refusal(token, NOW_S + 10)
    assert "not valid yet" in refusal(token, NOW_S - CLOCK_SKEW_S - 1)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "malformed"),
        ("a.b.c", "malformed"),
        ("é.é.é", "malformed"),
        ("x" * (MAX_TOKEN_BYTES + 1), "too long"),
        (signed({"iss": "nobody", "exp": NOW_S + 9}), "unknown key"),
        (
            signed({"iss": KEY, "exp": NOW_S + 9}, secret="wrong secret, but long enough for HMAC"),
            "signature",
        ),
        (signed({"iss": "other", "exp": NOW_S + 9}), "signature"),
        (signed({"iss": KEY}), "exp"),
        (signed({"iss": KEY, "exp": "soon"}), "malformed"),
        (signed({"iss": KEY, "exp": NOW_S + 9, "sub": 5}), "malformed"),
        (signed({"iss": KEY, "exp": NOW_S + 9, "video": {"roomJoin": "yes"}}), "malformed"),
        (signed({"iss": KEY, "exp": NOW_S + 9}, secret=SECRET * 3, algorithm="HS512"), "malformed"),
        (signed({"iss": KEY, "exp": NOW_S + 9}, secret="", algorithm="none"), "malformed"),
    ],
)
def test_bad_tokens_are_refused_with_a_reason(token: str, words: str) -> None:
    assert words in refusal(token)


@given(st.text(max_size=200))
def test_no_text_makes_the_verifier_fail_otherwise(text: str) -> None:
    refusal(text)


@given(st.data())
def test_no_single_changed_character_survives(data: st.DataObject) -> None:
    token = mint_token(Grant(identity="ada", room_admin=True), key=KEY, secret=SECRET, now_s=NOW_S)
    place = data.draw(st.integers(0, len(token) - 2))
    letter = data.draw(st.sampled_from("abcXYZ019-_."))
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        refusal(changed)


def test_who_administers_what() -> None:
    assert Grant(room_admin=True).may_administer("any")
    assert Grant(room_admin=True, room="lab").may_administer("lab")
    assert not Grant(room_admin=True, room="lab").may_administer("other")
    assert not Grant(room="lab").may_administer("lab")
    assert not Grant(room_join=True, room="", identity="ada").may_join("lab")
    assert not Grant(room_join=True, room="lab", identity="").may_join("lab")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic abc", "abc"])
def test_without_a_bearer_token_it_says_so(header: str | None) -> None:
    with pytest.raises(RejectedError, match="401"):
        bearer_token(header)


def test_the_scheme_is_case_insensitive() -> None:
    assert bearer_token("bearer  abc ") == "abc"
