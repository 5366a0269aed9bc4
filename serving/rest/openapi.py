"""The description of the REST port in the form OpenAPI 3.1, made of the routes that it has."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from aiohttp import web

from ..protocol.described import DESCRIPTION
from . import requests

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | bool | float"

PATH = "/openapi.json"
_VERSION = "3.1.0"
# Of a path: how a version of a model is named, or not.
_TARGETS = ("", "/versions/{version}", "/labels/{label}")
_PARAMETERS: Mapping[str, Json] = {
    "version": {"type": "integer", "minimum": 0},
    "label": {"type": "string", "pattern": "^[^/:?]+$"},
}
_PARAMETER = re.compile(r"\{(\w+)\}")
# What is answered beside 200.
_REFUSALS = {
    "400": "The request is wrong.",
    "403": "It is asked by a name that this server does not answer to.",
    "404": "There is no such model, version or page.",
    "408": "The request's body does not come on.",
    "413": "The request is too large.",
    "429": "Too much is asked at once; try again.",
    "501": "The model's operation is not implemented.",
    "503": "The server starts or stops; try again.",
    "504": "It takes too long.",
}
_BODIES: Mapping[str, Json] = {
    "predict": {
        "type": "object",
        "description": "By rows (instances) or by columns (inputs).",
        "properties": {
            "signature_name": {"type": "string"},
            "instances": {"type": "array", "minItems": 1},
            "inputs": {},
        },
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    },
    "examples": {
        "type": "object",
        "properties": {
            "signature_name": {"type": "string"},
            "context": {"type": "object"},
            "examples": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
        "required": ["examples"],
    },
}


def document(names: Iterable[str], routes: Iterable[web.AbstractRoute], version: str) -> Json:
    """The description.

    Args:
      names: of the models that are served.
      routes: of the port beside those of models.
      version: of this server.
    """
    model: Json = {"type": "string", "enum": sorted(names)}
    parameters = {**_PARAMETERS, "model": model}
    paths: dict[str, Json] = {"/v1/models": {"get": _operation("/v1/models", parameters)}}
    for target in _TARGETS:
        path = f"/v1/models/{{model}}{target}"
        for what in ("", "/metadata", f"/{DESCRIPTION}"):
            paths[path + what] = {"get": _operation(path + what, parameters)}
        for verb in requests.VERBS:
            body = _BODIES["predict" if verb == "predict" else "examples"]
            paths[f"{path}:{verb}"] = {"post": _operation(f"{path}:{verb}", parameters, body)}
    for route in routes:
        resource = route.resource
        if resource is not None and route.method in ("GET", "POST"):
            path = resource.canonical
            methods = {**_mapping(paths.get(path)), route.method.lower(): _operation(path, {})}
            paths[path] = methods
    return {
        "openapi": _VERSION,
        "info": {"title": "digitline serve", "version": version},
        "paths": paths,
    }


def _mapping(value: "Json | None") -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _operation(path: str, parameters: Mapping[str, Json], body: "Json | None" = None) -> Json:
    error: Json = {"type": "object", "properties": {"error": {"type": "string"}}}
    refused: Json = {"application/json": {"schema": error}}
    operation: dict[str, Json] = {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": parameters.get(name, {"type": "string", "minLength": 1}),
            }
            for name in _PARAMETER.findall(path)
        ],
        "responses": {
            "200": {"description": "The answer."},
            **{code: {"description": text, "content": refused} for code, text in _REFUSALS.items()},
        },
    }
    if body is not None:
        content: Json = {"application/json": {"schema": body}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
