from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sfu.config import (
    Config,
    ConfigError,
    configuration_table,
    flags,
    is_loopback,
    load_config,
    split_address,
)

KEYS = {"HEADWATER_KEYS": "key:secret"}


def load(
    arguments: Mapping[str, str] | None = None, environ: Mapping[str, str] = KEYS, **more: Any
) -> Config:
    return load_config(arguments or {}, environ, **more)


def fault(arguments: Mapping[str, str] | None = None, environ: Mapping[str, str] = KEYS, **more: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(arguments, environ, **more)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_flags_beat_the_environment_beats_the_file_beats_defaults(tmp_path: Path) -> None:
    file = tmp_path / "headwater.toml"
    file.write_text('region = "file"\nmedia_port = 5000\nworkers = 3\n[keys]\nfile = "secret"\n')
    config = load(
        {"region": "flag"},
        {"HEADWATER_REGION": "env", "HEADWATER_MEDIA_PORT": "6000"},
        config_path=str(file),
    )
    assert (config.region, config.media_port, config.workers) == ("flag", 6000, 3)
    assert config.keys == {"file": "secret"}
    assert config.listen == Config().listen


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "headwater.toml"
    file.write_text('trusted_proxies = ["10.0.0.0/8"]\njoin_rate_key = 5\nlimit_loopback = false\n')
    config = load(environ={**KEYS, "HEADWATER_CONFIG": str(file)})
    assert config.trusted_proxies == ("10.0.0.0/8",)
    assert config.join_rate_key == 5.0
    assert config.limit_loopback is False


def test_text_becomes_lists_numbers_keys_and_truths() -> None:
    config = load(
        {
            "media_ip": "192.0.2.1, 2001:db8::1",
            "keys": "a:b,c:d:e",
            "limit_loopback": "no",
            "drain_deadline_s": "0.5",
        }
    )
    assert config.media_ip == ("192.0.2.1", "2001:db8::1")
    assert config.keys == {"a": "b", "c": "d:e"}
    assert config.limit_loopback is False
    assert config.drain_deadline_s == 0.5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"media_port": "70000"}, "media_port"),
        ({"media_port": "many"}, "media_port"),
        ({"workers": "-1"}, "workers"),
        ({"crypto": "rot13"}, "crypto"),
        ({"listen": "localhost"}, "listen"),
        ({"listen": "localhost:http"}, "listen"),
        ({"keys": "lonely"}, "keys"),
        ({"keys": ""}, "keys"),
        ({"media_ip": "example.org"}, "media_ip"),
        ({"trusted_proxies": "10.0.0.0/99"}, "trusted_proxies"),
        ({"ice_servers": "http://example.org"}, "ice_servers"),
        ({"ice_servers": "turn:example.org"}, "turn_secret"),
        ({"limit_loopback": "perhaps"}, "limit_loopback"),
        ({"media_port": "65535", "workers": "2"}, "media_port"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(arguments: dict[str, str], words: str) -> None:
    assert fault(arguments).startswith(words)


def test_unknown_settings_are_refused_wherever_they_stand(tmp_path: Path) -> None:
    assert fault(environ={**KEYS, "HEADWATER_MEDIA_PROT": "1"}) == "HEADWATER_MEDIA_PROT: no such setting"
    file = tmp_path / "headwater.toml"
    file.write_text("media_prot = 1\n")
    assert fault(config_path=str(file)) == "media_prot: no such setting"
    file.write_text("= nonsense")
    assert str(file) in fault(config_path=str(file))
    assert "No such file" in fault(config_path=str(tmp_path / "absent.toml"))


def test_service_links_and_build_variables_are_not_settings() -> None:
    load(
        environ={
            **KEYS,
            "HEADWATER_BUILD": "asan",
            "HEADWATER_SERVICE_HOST": "10.0.0.1",
            "HEADWATER_NODE_PORT_7880_TCP": "tcp://10.0.0.1:7880",
            "PATH": "/bin",
        }
    )


def test_the_development_key_stays_on_loopback() -> None:
    config = load(environ={}, dev_keys=True)
    assert config.has_dev_key
    assert config.limit_loopback is False
    assert "development key" in fault({"listen": "0.0.0.0:7880"}, {}, dev_keys=True)
    assert "development key" in fault({"listen": "192.0.2.1:7880", "keys": "devkey:other"})
    assert not load({"listen": "0.0.0.0:7880"}, KEYS, dev_keys=True).has_dev_key
    assert "none given" in fault(environ={})


def test_secrets_are_not_repeated_in_faults(tmp_path: Path) -> None:
    file = tmp_path / "headwater.toml"
    file.write_text('[keys]\na = ["very secret"]\n')
    assert "very secret" not in fault(environ={}, config_path=str(file))
    assert "very secret" not in fault({"keys": "very secret"})


@pytest.mark.parametrize(
    ("listen", "advertise", "url"),
    [
        ("127.0.0.1:7880", "", "http://127.0.0.1:7880"),
        ("0.0.0.0:7880", "", ""),
        ("[::]:7880", "", ""),
        ("0.0.0.0:7880", "sfu.example.org", "http://sfu.example.org:7880"),
        ("0.0.0.0:7880", "sfu.example.org:443", "http://sfu.example.org:443"),
        ("0.0.0.0:7880", "https://sfu.example.org/", "https://sfu.example.org"),
        ("[::1]:7880", "", "http://[::1]:7880"),
        ("0.0.0.0:7880", "2001:db8::1", "http://[2001:db8::1]:7880"),
    ],
)
def test_clients_are_told_an_address_that_works(listen: str, advertise: str, url: str) -> None:
    assert load({"listen": listen, "advertise": advertise}).base_url == url


@pytest.mark.parametrize(
    ("host", "truth"),
    [
        ("localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, truth: bool) -> None:
    assert is_loopback(host) == truth


def test_addresses_are_taken_apart() -> None:
    assert split_address("[::1]:80") == ("::1", 80)
    assert split_address(":80") == ("0.0.0.0", 80)


def test_the_documentation_lists_every_setting() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    before, _, _ = page.read_text().partition("| flag ")
    assert page.read_text() == before + configuration_table(), (
        f"put configuration_table() at the end of {page.name}"
    )


def test_every_setting_is_a_flag_with_words() -> None:
    assert [flag.field for flag in flags("up")] == list(Config.__struct_fields__)
    assert all(flag.description and flag.name.startswith("--") for flag in flags("up"))
    assert "media_port" not in {flag.field for flag in flags("director")}
    assert "token_ttl_s" not in {flag.field for flag in flags("node")}
