import re

import pytest
from rest_serving import answer, ask, serving

from digitline.serving.rest import requests


@pytest.fixture(scope="module")
def server():
    with serving() as server:
        yield server


def test_describes_the_routes_that_there_are(server):
    """Each is answered as one of them; no other one is in it."""
    document = answer(server, "GET", "/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert "/healthz" in document["paths"]
    assert "/v1/models/{model}/labels/{label}:classify" in document["paths"]
    for path, operations in document["paths"].items():
        named = set(re.findall(r"\{(\w+)\}", path))
        sent = path.format(model="toy", version=3, label="stable") if named else path
        for method, operation in operations.items():
            assert {parameter["name"] for parameter in operation["parameters"]} == named
            if path.startswith("/v1"):
                requests.read_call(method.upper(), sent)  # Raises of others.
            status = ask(server, method.upper(), sent, {} if method == "post" else None).status
            assert status != 404, sent
            assert str(status) in operation["responses"], (sent, status)


def test_names_the_models(server):
    paths = answer(server, "GET", "/openapi.json")["paths"]
    (parameter,) = paths["/v1/models/{model}"]["get"]["parameters"]
    assert parameter["schema"] == {"type": "string", "enum": ["toy"]}


def test_tells_no_foreign_host():
    with serving(local=True) as server:
        assert ask(server, "GET", "/openapi.json", headers={"Host": "a.example"}).status == 403
