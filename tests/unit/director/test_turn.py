import base64
import hashlib
import hmac

from director.turn import ice_servers, turn_credentials


def test_credentials_are_those_a_turn_server_computes_itself() -> None:
    username, credential = turn_credentials("north", "ada", 1_700_000_000)
    assert username == "1700000000:ada"
    expected = hmac.new(b"north", username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(credential) == expected


def test_stun_needs_none_and_turn_servers_share_one() -> None:
    urls = ["stun:a:3478", "turn:b:3478", "turns:b:5349?transport=tcp"]
    stun, turn = ice_servers(urls, secret="north", identity="ada", now_s=100.9, ttl_s=60)
    assert (stun.urls, stun.username, stun.credential) == (["stun:a:3478"], "", "")
    assert turn.urls == urls[1:]
    assert turn.username == "160:ada"
    assert turn.credential
    assert ice_servers([], secret="", identity="ada", now_s=0, ttl_s=60) == []
