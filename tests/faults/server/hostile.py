"""Requests that a generator makes of the server's own description: how many it answers with 500.

A script of its own, which needs schemathesis and nothing of digitline:

    python tests/faults/server/hostile.py http://127.0.0.1:8501 SECONDS
"""

import collections
import contextlib
import json
import random
import sys
import time

import hypothesis
import hypothesis.errors
import schemathesis

# Cases of one operation before the next one has its turn.
_AT_A_TIME = 25


def attack(url, seconds):
    """Asks until the time is over; gives answers by status, and the cases that were 5xx."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    codes, failures = collections.Counter(), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        random.shuffle(operations)
        for operation in operations:
            for mode in (
                schemathesis.GenerationMode.POSITIVE,
                schemathesis.GenerationMode.NEGATIVE,
            ):
                _ask(operation.as_strategy(generation_mode=mode), end, codes, failures)
    return codes, failures


def _ask(cases, end, codes, failures):
    @hypothesis.settings(
        max_examples=_AT_A_TIME,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.seed(random.getrandbits(64))
    @hypothesis.given(cases)
    def ask(case):
        if time.monotonic() > end:
            return
        response = case.call()
        codes[response.status_code] += 1
        if response.status_code >= 500 and response.status_code not in (501, 503, 504):
            failures.append([case.as_curl_command(), response.text[:500]])

    # Of what has no parameters nothing wrong can be asked.
    with contextlib.suppress(hypothesis.errors.Unsatisfiable):
        ask()


if __name__ == "__main__":
    codes, failures = attack(sys.argv[1], float(sys.argv[2]))
    print(json.dumps({"answers": codes, "failures": failures[:10]}))
    sys.exit(bool(failures))
