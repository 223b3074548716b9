"""The documentation pages, rendered from the OpenAPI document: no scripts, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, Final

from sfu.problems import MEANINGS

_STYLE: Final = Path(__file__).with_name("docs.css").read_text(encoding="utf-8")


TOKEN_NOTES: Final = (
    ("Authorization", "Bearer, a JWT signed with HS256 by the secret of an API key"),
    ("iss · sub", "the API key · the identity"),
    ("nbf · exp", "Unix seconds; `exp` is needed"),
    ("name · metadata", "shown to others in the Room"),
    ("video.room · video.roomJoin", "the Room that the holder may join"),
    (
        "video.canPublish · canSubscribe · canPublishSources",
        "what it may do there; allowed unless said otherwise",
    ),
    (
        "video.roomCreate · roomList · roomAdmin · nodeAdmin",
        "the calls above; roomAdmin with a `room` is for that Room",
    ),
)
"""Claims, as `livekit-api` mints them."""

SIGNALLING_NOTES: Final = (
    (
        "POST /whip/{room}",
        "publish (RFC 9725): application/sdp in, 201 with the answer, Location and ETag out",
    ),
    ("POST /whep/{room}", "watch the first publisher, or ?participant=identity"),
    ("POST /talk/{room}", "publish a microphone and hear the others in one offer"),
    ("PATCH Location", "trickle ICE or ICE restart: application/trickle-ice-sdpfrag"),
    ("DELETE Location", "leave"),
)
"""The doors of a Node."""


def docs_page(document: dict[str, Any]) -> str:
    """Every call with its parameters, body and answers, then every schema."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        f"<h1>{escape(document['info']['title'])}</h1>",
        f"<p>{escape(document['info']['description'])} "
        '<a href="/openapi.json">OpenAPI 3.1</a> · <a href="/docs/problems">Problems</a></p>',
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'])}</h2>")
        parts += [_operation(*row) for row in operations if tag["name"] in row[2]["tags"]]
    parts += [_notes("Tokens", TOKEN_NOTES), _notes("Signalling at a Node", SIGNALLING_NOTES)]
    parts.append("<h2>Schemas</h2>")
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return _page("Headwater API", "".join(parts))


def problems_page() -> str:
    """What each problem title means; problem types link to its anchors."""
    rows = "".join(
        f'<tr id="{_anchor(title)}"><th>{escape(title)}</th><td>{escape(text)}</td></tr>'
        for title, text in sorted(MEANINGS.items())
    )
    return _page("Headwater problems", f"<h1>Problems</h1><table>{rows}</table>")


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = [
        _row(parameter["name"], _type_of(parameter["schema"]), "path")
        for parameter in operation.get("parameters", [])
    ]
    if "requestBody" in operation:
        rows.append(_row("body", _type_of(_content(operation["requestBody"])), "application/json"))
    rows += [
        _row(status, _type_of(_content(response)), escape(response["description"]))
        for status, response in operation["responses"].items()
    ]
    needs = f"<p>{escape(operation['description'])}</p>" if "description" in operation else ""
    return (
        f"<details><summary><span class=method>{method.upper()}</span><span class=path>{escape(path)}</span>"
        f"<span class=what>{escape(operation['summary'])}</span></summary>"
        f"<div>{needs}<table>{''.join(rows)}</table></div></details>"
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        _row(field, _type_of(value), "" if field in required else f"default {_default(value)}")
        for field, value in schema.get("properties", {}).items()
    ]
    text = f"<p>{escape(schema['description'])}</p>" if "description" in schema else ""
    return f'<h3 id="{escape(name)}">{escape(name)}</h3>{text}<table>{"".join(rows)}</table>'


def _notes(title: str, rows: tuple[tuple[str, str], ...]) -> str:
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<h2>{escape(title)}</h2><table>{body}</table>"


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    for media in holder.get("content", {}).values():
        found: dict[str, Any] = media["schema"]
        return found
    return {}


def _type_of(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type_of(part) for part in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type_of(schema.get('items', {}))}"
    limits = ", ".join(
        f"{word} {schema[key]}"
        for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "length up to"))
        if key in schema
    )
    return escape(str(schema.get("type", ""))) + (f" ({limits})" if limits else "")


def _default(schema: dict[str, Any]) -> str:
    return f"<code>{escape(str(schema.get('default')))}</code>"


def _row(name: str, type_: str, note: str) -> str:
    return f"<tr><th><code>{escape(name)}</code></th><td>{type_}</td><td>{note}</td></tr>"


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
