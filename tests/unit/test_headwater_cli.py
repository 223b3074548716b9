import socket
from pathlib import Path

import pytest

import headwater_cli
from sfu.config import Config


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and standard error."""
    try:
        status = headwater_cli.main(arguments)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--nope"], "--nope"),
        (["up", "--media-port", "many"], "media_port"),
        (["up", "--listen", "0.0.0.0:7880"], "development key"),
        (["up", "--config", "/nowhere/headwater.toml"], "/nowhere/headwater.toml"),
        (["up", "--media-p", "1"], "--media-p"),
        (["node"], "keys"),
        (["director", "--media-port", "1"], "--media-port"),
        (["sideways"], "sideways"),
        ([], "command"),
        (["bench", "sideways"], "usage"),
    ],
)
def test_bad_configuration_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    status, text = run(capsys, *arguments)
    assert status == 2
    assert text.count("\n") == 1
    assert words in text


def test_an_address_that_is_taken_is_bad_configuration_too(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        status, text = run(capsys, "up", "--listen", listen)
    assert status == 2
    assert text.count("\n") == 1
    assert listen in text


def test_the_environment_is_checked_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWATER_WORKERS", "lots")
    status, text = run(capsys, "up")
    assert (status, text.count("\n")) == (2, 1)
    assert "workers" in text


def test_every_command_explains_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("up", "node", "director"):
        with pytest.raises(SystemExit) as done:
            headwater_cli.main([command, "--help"])
        assert done.value.code == 0
        text = capsys.readouterr().out
        assert "--listen" in text
        assert "--config" in text


def test_a_port_of_zero_is_told_in_urls() -> None:
    config, listener = headwater_cli.listen(Config(listen="127.0.0.1:0", keys={"key": "secret"}))
    with listener:
        assert config.listen_port == listener.getsockname()[1] != 0
        assert config.base_url == f"http://127.0.0.1:{config.listen_port}"


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        headwater_cli.main(["--version"])
    assert capsys.readouterr().out.startswith("headwater ")


def test_a_file_serves_for_all_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "headwater.toml"
    file.write_text('turn_ttl_s = 60\nmedia_port = 0\nlisten = "nonsense"\n[keys]\nkey = "secret"\n')
    status, text = run(capsys, "node", "--config", str(file))
    assert (status, text) == (2, "headwater: listen: 'nonsense' is not host:port\n")
