"""Configuration of every process: flags over `HEADWATER_<FLAG>` over `--config file.toml` over defaults.

One flat frozen Struct: field `media_port` is the flag `--media-port`, the variable `HEADWATER_MEDIA_PORT`
and the TOML key `media_port`. It is validated once, here; whatever is wrong becomes one ConfigError line.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from sfu.errors import HeadwaterError

DEV_KEY: Final = "devkey"
DEV_SECRET: Final = "secret"  # noqa: S105 - public on purpose, refused outside loopback
ENV_PREFIX: Final = "HEADWATER_"

_NOT_CONFIGURATION: Final = re.compile(
    r"HEADWATER_(CONFIG|BUILD|EXTENSIONS|PROBES|(TEST|BENCH|CI|E2E)_.*"
    r"|(.*_)?SERVICE_(HOST|PORT.*)|(.*_)?PORT(_\d+_(TCP|UDP)(_.*)?)?)"
)
"""Variables of builds, tests and Kubernetes service links (`HEADWATER_NODE_SERVICE_HOST`)."""

NonNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class ConfigError(HeadwaterError):
    """What is wrong with the configuration, in one line."""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Counts and rates of 0 do not limit."""

    listen: Annotated[str, Meta(description="HTTP address and port", examples=["host:port"])] = (
        "127.0.0.1:7880"
    )
    advertise: Annotated[str, Meta(description="host or base URL under which clients reach this process")] = (
        ""
    )
    node_id: Annotated[str, Meta(description="name of this Node (default: made up)")] = ""
    region: Annotated[str, Meta(description="region of this Node")] = ""
    media_ip: Annotated[tuple[str, ...], Meta(description="addresses of media, as ICE candidates")] = ()
    media_port: Annotated[int, Meta(ge=0, le=65535, description="first UDP port; one per Worker")] = 7882
    workers: Annotated[int, Meta(ge=0, le=64, description="native threads (0: one per core)")] = 0
    crypto: Annotated[Literal["auto", "ipsec-mb", "openssl"], Meta(description="SRTP back end")] = "auto"
    hold_above: Annotated[
        int, Meta(ge=0, le=100, description="busy percent of a Worker from which frames leave as one GSO run")
    ] = 60
    keys: Annotated[dict[str, str], Meta(description="API keys", examples=["key:secret,..."])] = {}
    ice_servers: Annotated[tuple[str, ...], Meta(description="stun:, turn: and turns: URLs for clients")] = ()
    turn_secret: Annotated[str, Meta(description="shared secret of the TURN servers")] = ""
    turn_ttl_s: Annotated[int, Meta(ge=60, description="life of TURN credentials")] = 3600
    token_ttl_s: Annotated[int, Meta(ge=10, description="life of the tokens of a join")] = 600
    room_empty_timeout_s: Annotated[Count, Meta(description="empty Rooms end after this")] = 300
    max_rooms: Annotated[Count, Meta(description="Rooms at once")] = 10_000
    max_participants: Annotated[Count, Meta(description="Participants per Room, at most")] = 10_000
    max_duration_s: Annotated[Count, Meta(description="length of a Call, at most")] = 86_400
    max_publish_bps: Annotated[Count, Meta(description="bit rate asked of a publisher, at most")] = 8_000_000
    join_rate_address: Annotated[NonNegative, Meta(description="joins per second and address")] = 20.0
    join_burst_address: Annotated[NonNegative, Meta(description="joins at once per address")] = 60.0
    join_rate_identity: Annotated[NonNegative, Meta(description="joins per second and identity")] = 1.0
    join_burst_identity: Annotated[NonNegative, Meta(description="joins at once per identity")] = 10.0
    join_rate_key: Annotated[NonNegative, Meta(description="joins per second and API key")] = 200.0
    join_burst_key: Annotated[NonNegative, Meta(description="joins at once per API key")] = 400.0
    request_rate_address: Annotated[NonNegative, Meta(description="requests per second and address")] = 50.0
    request_burst_address: Annotated[NonNegative, Meta(description="requests at once per address")] = 200.0
    limit_loopback: Annotated[bool, Meta(description="apply rate limits to loopback clients too")] = True
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="networks whose X-Forwarded-For is believed")
    ] = ()
    drain_deadline_s: Annotated[NonNegative, Meta(description="how long SIGTERM waits for Calls")] = 25.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least severe log line")
    ] = "info"

    @property
    def listen_host(self) -> str:
        """The host of `listen`, without the brackets of IPv6."""
        return split_address(self.listen)[0]

    @property
    def listen_port(self) -> int:
        """The port of `listen`; 0 lets the system choose."""
        return split_address(self.listen)[1]

    @property
    def base_url(self) -> str:
        """Where clients reach this process; empty when only they can tell (a wildcard `listen`)."""
        if "://" in self.advertise:
            return self.advertise.rstrip("/")
        if re.fullmatch(r"(\[.*\]|[^:]+):\d+", self.advertise):
            return f"http://{self.advertise}"
        if not self.advertise and self.listen_host in ("0.0.0.0", "::"):
            return ""
        return f"http://{_bracketed(self.advertise or self.listen_host)}:{self.listen_port}"

    @property
    def on_loopback(self) -> bool:
        """True when nobody outside this machine can reach `listen`."""
        return is_loopback(self.listen_host)

    @property
    def has_dev_key(self) -> bool:
        """True when the publicly known development key is accepted."""
        return self.keys.get(DEV_KEY) == DEV_SECRET


@dataclass(frozen=True, slots=True)
class Flag:
    """One field of Config as a command line sees it."""

    field: str
    description: str
    metavar: str
    default: str

    @property
    def name(self) -> str:
        """`--media-port`"""
        return "--" + self.field.replace("_", "-")


NODE_ONLY: Final = frozenset(
    {"node_id", "media_ip", "media_port", "workers", "crypto", "hold_above", "max_publish_bps"}
)
DIRECTOR_ONLY: Final = frozenset({"token_ttl_s", "max_rooms"})


def flags(command: Literal["up", "node", "director"]) -> Iterator[Flag]:
    """The flags of one command."""
    hidden = {"up": frozenset[str](), "node": DIRECTOR_ONLY, "director": NODE_ONLY}[command]
    hints = get_type_hints(Config, include_extras=True)
    for field in msgspec.structs.fields(Config):
        if field.name in hidden:
            continue
        meta = hints[field.name].__metadata__[-1]
        default = field.default if field.default is not msgspec.NODEFAULT else ""
        metavar = meta.examples[0] if meta.examples else field.name.rsplit("_", 1)[-1].upper()
        yield Flag(field.name, meta.description, metavar, str(default) if default != () else "")


def configuration_table() -> str:
    """Every setting as a Markdown table: `docs/configuration.md` holds it, and a test keeps it true."""
    commands: tuple[Literal["node", "director"], ...] = ("node", "director")
    takers = {command: {flag.field for flag in flags(command)} for command in commands}
    lines = ["| flag | default | meaning | for |", "|---|---|---|---|"]
    for flag in flags("up"):
        default = f"`{flag.default}`" if flag.default not in ("", "{}") else ""
        users = ", ".join(command for command in commands if flag.field in takers[command])
        lines.append(f"| `{flag.name}` | {default} | {flag.description} | {users} |")
    return "\n".join(lines) + "\n"


def load_config(
    arguments: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    config_path: str | None = None,
    dev_keys: bool = False,
) -> Config:
    """Merge all sources and check them; raises ConfigError.

    `arguments` holds the flags that were given, by field. With `dev_keys` a process without keys gets the
    development key, and loopback clients are not limited unless that is asked for.
    """
    layers: dict[str, Any] = {"keys": {DEV_KEY: DEV_SECRET}, "limit_loopback": False} if dev_keys else {}
    path = config_path or environ.get(ENV_PREFIX + "CONFIG")
    if path:
        layers |= _read_file(Path(path))
    layers |= _read_environment(environ)
    layers |= arguments
    config = _convert(layers)
    _check(config)
    return config


def split_address(text: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or `:port` into both; raises ConfigError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"listen: {text!r} is not host:port")
    return host.strip("[]") or "0.0.0.0", int(port)


def is_loopback(host: str) -> bool:
    """True for `localhost`, 127.0.0.0/8 and ::1 (also mapped into IPv6)."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in environ.items():
        if not name.startswith(ENV_PREFIX):
            continue
        field = name.removeprefix(ENV_PREFIX).lower()
        if field in Config.__struct_fields__:
            found[field] = value
        elif not _NOT_CONFIGURATION.fullmatch(name):
            raise ConfigError(f"{name}: no such setting")
    return found


def _convert(layers: Mapping[str, Any]) -> Config:
    shaped = {name: _shape(name, value) for name, value in layers.items()}
    try:
        return msgspec.convert(shaped, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_one_line(error, shaped)) from None


def _shape(name: str, value: Any) -> Any:
    """Text of a flag or a variable into what the field holds; other values as they are."""
    if not isinstance(value, str):
        return value
    if name == "keys":
        return _parse_keys(value)
    hint = get_type_hints(Config).get(name)
    if get_origin(hint) is tuple and get_args(hint):
        return [part.strip() for part in value.split(",") if part.strip()]
    if hint is bool:
        return {"yes": True, "on": True, "no": False, "off": False}.get(value.lower(), value)
    return value


def _parse_keys(text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, colon, secret = pair.partition(":")
        if not colon or not key.strip() or not secret.strip():
            raise ConfigError("keys: expected key:secret,key:secret")
        keys[key.strip()] = secret.strip()
    return keys


def _one_line(error: msgspec.ValidationError, shaped: Mapping[str, Any]) -> str:
    text = " ".join(str(error).split())
    unknown = re.search(r"unknown field `(\w+)`", text)
    if unknown:
        return f"{unknown[1]}: no such setting"
    where = re.search(r" - at `\$\.(\w+)", text)
    if where is None:
        return text
    value = "" if where[1] in ("keys", "turn_secret") else f" (got {shaped.get(where[1])!r})"
    return f"{where[1]}: {text[: where.start()]}{value}"


def _check(config: Config) -> None:
    split_address(config.listen)
    if not config.keys:
        raise ConfigError("keys: none given; set HEADWATER_KEYS=key:secret")
    if DEV_KEY in config.keys and not config.on_loopback:
        raise ConfigError(f"keys: the development key is refused when listening on {config.listen}")
    for text in config.media_ip:
        _check_address("media_ip", text, ipaddress.ip_address)
    for text in config.trusted_proxies:
        _check_address("trusted_proxies", text, ipaddress.ip_network)
    for url in config.ice_servers:
        if not re.fullmatch(r"(stuns?|turns?):[^\s/?]+(\?transport=(udp|tcp))?", url):
            raise ConfigError(f"ice_servers: {url!r} is not a stun: or turn: URL (RFC 7064, RFC 7065)")
        if url.startswith("turn") and not config.turn_secret:
            raise ConfigError("turn_secret: needed for turn: URLs")
    if config.media_port and config.media_port + max(config.workers, 1) - 1 > 65535:
        raise ConfigError(f"media_port: no room for {config.workers} ports from {config.media_port} on")


def _check_address(field: str, text: str, parse: Any) -> None:
    try:
        parse(text)
    except ValueError:
        raise ConfigError(f"{field}: {text!r} is not an address") from None
