"""REST requests at random: good ones, of which something is changed."""

import base64
import copy
import gzip
import json

MODELS = ("m", "tf1", "tf2", "counter", "lite")

_DIGIT = [[[0], [255]] * 14] * 28
_EXAMPLE = {"x": 2.0}
# Model, verb and body.
_GOOD = (
    ("m", "predict", {"instances": [_DIGIT]}),
    ("m", "predict", {"inputs": {"images": [_DIGIT]}, "signature_name": "serving_default"}),
    ("m", "classify", {"signature_name": "classify", "examples": [_EXAMPLE, {"y": "a"}]}),
    ("tf1", "predict", {"instances": [1.0, 2.0, 5.0]}),
    ("tf1", "predict", {"instances": [{"x": [1.0]}, {"x": [2.0]}]}),
    ("tf1", "regress", {"signature_name": "regress_x_to_y", "examples": [_EXAMPLE]}),
    ("tf1", "classify", {"signature_name": "classify_x_to_y", "context": {"x": 1.0},
                         "examples": [{}, {"x": [5.0]}]}),
    ("tf2", "predict", {"signature_name": "scaled", "inputs": {"x": [2.0], "by": [3.0]}}),
    ("counter", "predict", {"signature_name": "incr_counter_by", "inputs": {"delta": 1.0}}),
    ("counter", "predict", {"signature_name": "get_counter", "inputs": {}}),
    ("lite", "predict", {"instances": [1.0, 2.0]}),
)  # fmt: skip
_B64 = {"b64": base64.b64encode(b"\x00\xff" * 9).decode()}
_WORDS = (
    "",
    "x",
    "\x00",
    "\ud800",
    "é" * 300,
    "NaN",
    "1" * 400,
    "serving_default",
    "images",
    "b64",
)
_ODD = (
    None, True, False, 0, -1, 1, 255, 256, -129, 2**31, 2**53 + 1, 2**63, 2**64, -(2**64),
    10**400, 0.1, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), *_WORDS, [], {},
    [[]], [{}], [None], [1, [2]], [[1], 2], {"b64": 5}, {"b64": "!"}, {"b64": ""}, _B64, [_B64] * 3,
    {"": 1}, [0] * 300, [[0]] * 300, {"x": {"y": 1}}, {"instances": 1},
)  # fmt: skip
_KEYS = (
    "instances",
    "inputs",
    "examples",
    "context",
    "signature_name",
    "x",
    "images",
    "b64",
    *_WORDS,
)
_SEGMENTS = (
    "m", "lite", "nobody", "", "..", ".", "%00", "%2e%2e", "%ff", "a" * 300, "m:predict",
    "versions", "labels", "1", "2", "-1", "999999999999999999999", "stable", "metadata", "v1",
    "models", "%25", "m%2F1", "description", "openapi.json", "*", "~", "?x=1", "#a",
)  # fmt: skip
_VERBS = (
    "predict",
    "classify",
    "regress",
    "Predict",
    "",
    "explain",
    "predict:predict",
    "%70redict",
)
_METHODS = ("POST",) * 12 + ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")
_TYPES = (
    "application/json", "text/plain", "", "application/json; charset=utf-16", "a/b;;;=",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png",
)  # fmt: skip
_ENCODINGS = ("gzip", "identity", "deflate", "br", "", "gzip, gzip", "x")


def request(generator):
    """Method, path, headers and body."""
    model, verb, tree = generator.choice(_GOOD)
    tree = copy.deepcopy(tree)
    for _ in range(generator.choice((0, 1, 1, 1, 2, 4))):
        tree = changed(generator, tree)
    body = json.dumps(tree).encode()
    if generator.random() < 0.25:
        body = mangled(generator, body)
    headers = {}
    if generator.random() < 0.1:
        headers["Content-Type"] = generator.choice(_TYPES)
    if generator.random() < 0.1:
        headers["Content-Encoding"] = generator.choice(_ENCODINGS)
        if generator.random() < 0.7:
            body = gzip.compress(body, 1)
        if generator.random() < 0.3:
            body = mangled(generator, body)
    return generator.choice(_METHODS), _path(generator, model, verb), headers, body


def _path(generator, model, verb):
    if generator.random() < 0.8:
        return f"/v1/models/{model}{generator.choice(('', '', '/versions/1'))}:{verb}"
    parts = ["v1", "models", model, *generator.choice(((), ("versions", "1"), ("metadata",)))]
    for _ in range(generator.choice((1, 1, 2))):
        at = generator.randrange(len(parts) + 1)
        parts[at : at + generator.choice((0, 1))] = [generator.choice(_SEGMENTS)]
    return "/" + "/".join(parts) + generator.choice(("", f":{generator.choice(_VERBS)}"))


def changed(generator, tree):
    """The JSON value with one change, anywhere in it."""
    if isinstance(tree, dict | list) and tree and generator.random() < 0.75:
        key = (
            generator.choice(list(tree))
            if isinstance(tree, dict)
            else generator.randrange(len(tree))
        )
        what = generator.random()
        if what < 0.7:
            tree[key] = changed(generator, tree[key])
        elif what < 0.8:
            del tree[key]
        elif isinstance(tree, list):
            tree.insert(key, copy.deepcopy(generator.choice((tree[key], *_ODD))))
        else:
            tree[generator.choice(_KEYS)] = copy.deepcopy(generator.choice((tree[key], *_ODD)))
        return tree
    if generator.random() < 0.1:
        for _ in range(generator.choice((1, 3, 70))):
            tree = [tree]
        return tree
    return copy.deepcopy(generator.choice(_ODD))


def mangled(generator, content):
    """The bytes with one to four changes."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 4))):
        at, what = generator.randrange(len(data) + 1), generator.random()
        if what < 0.35 and at < len(data):
            data[at] = generator.randrange(256)
        elif what < 0.55:
            data[at:at] = generator.randbytes(generator.choice((1, 2, 8)))
        elif what < 0.75:
            del data[at : at + generator.choice((1, 2, 8, 64))]
        elif what < 0.85:
            del data[at:]
        else:
            data[at:at] = data[generator.randrange(len(data) + 1) :][:32]
    return bytes(data)
