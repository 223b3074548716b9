"""OpenAPI 3.1 of the API, made from its Routes and Structs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from director.messages import NAME_PATTERN
from director.routing import JSON_TYPES, Route
from sfu.problems import MEDIA_TYPE, ProblemDocument

_REF: Final = "#/components/schemas/{name}"
_NAMES: Final = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": NAME_PATTERN}
_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "room": _NAMES,
    "identity": _NAMES,
    "node": _NAMES,
    "call_id": _NAMES,
    "kind": {"type": "string", "enum": ["identity", "address", "token"]},
    "value": {"type": "string", "minLength": 1, "maxLength": 256},
}


def openapi(routes: Sequence[Route], *, version: str) -> dict[str, Any]:
    """The document, as plain data."""
    structs = _structs(routes)
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.terms.path, {})[route.terms.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater Director",
            "version": version,
            "description": "Rooms, Participants, Nodes and Calls. Errors are problem documents (RFC 9457).",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _structs(routes: Sequence[Route]) -> list[type[msgspec.Struct]]:
    found: dict[type[msgspec.Struct], None] = {ProblemDocument: None}
    for route in routes:
        for struct in (route.terms.body, *route.terms.answers.values()):
            if struct is not None:
                found[struct] = None
    return list(found)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.terms.summary,
        "tags": [route.tag],
        "responses": _responses(route),
    }
    parameters = re.findall(r"{(\w+)}", route.terms.path)
    if parameters:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]} for name in parameters
        ]
    if route.terms.body is not None:
        operation["requestBody"] = {
            "required": not route.terms.body_optional,
            "content": {JSON_TYPES[0]: {"schema": _schema_of(route.terms.body)}},
        }
    operation["security"] = [{"bearer": []}]
    operation["description"] = f"Needs {route.terms.need.words}."
    return operation


def _responses(route: Route) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, struct in route.terms.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if struct is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": _schema_of(struct)}}
    for status in sorted(_problem_statuses(route)):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": _schema_of(ProblemDocument)}},
        }
    return responses


def _problem_statuses(route: Route) -> set[int]:
    statuses = {400, 401, 403, 429, *route.terms.problems}
    if route.terms.body is not None:
        statuses |= {408, 413, 415}
    return statuses


def _schema_of(struct: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=struct.__name__)}
