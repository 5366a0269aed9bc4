import os

import hostile_models
import pytest
from served import serving_process

SECONDS = float(os.environ.get("HOSTILE_SECONDS", "120"))


@pytest.mark.long
def test_what_a_generator_makes_of_the_description_is_never_an_error_of_the_server(tmp_path):
    pytest.importorskip("schemathesis")
    import hostile

    hostile_models.save(tmp_path)
    with serving_process(tmp_path, f"--model_config_file={tmp_path / 'config'}") as server:
        codes, failures = hostile.attack(f"http://127.0.0.1:{server.rest}", SECONDS)
        assert server.process.poll() is None
    assert failures == []
    assert codes[200] > 10
    assert codes[400] > 10
