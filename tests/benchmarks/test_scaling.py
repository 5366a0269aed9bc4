import re

import pytest
import scaling

from digitline.base.storage import records

import figures


def measured(name):
    return records.read_json(figures.RESULTS / f"{name}.json")


def test_the_page_has_the_tables_that_the_figures_give():
    """Nobody types numbers: `python benchmarks/scaling.py` renews them."""
    page = scaling.Options().page.read_text(encoding="utf-8")
    made = scaling.tables(scaling.Options())
    assert set(re.findall(r"<!-- table: ([\w-]+) -->", page)) == set(made)
    for name, table in made.items():
        assert f"<!-- table: {name} -->\n{table}\n<!-- /table -->" in page


def test_tables_take_their_place_in_a_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: serving -->\nold\n<!-- /table -->\nafter\n")
    made = scaling.run(scaling.Options(page=page))
    text = f"before\n<!-- table: serving -->\n{made['serving']}\n<!-- /table -->\nafter\n"
    assert page.read_text() == text


def test_a_step_is_compute_the_slowest_and_a_ring():
    steps = [
        {"model": "net", "parameters": 250, "batch": size, "step_ms": 1 + size, "deviation": 0.0}
        for size in (10, 20, 30)
    ]
    sums = [{"workers": 2, "bytes": 4, "ms": 2.0}, {"workers": 2, "bytes": 10**6, "ms": 12.0}]
    options = scaling.Options(network_gbit=0.8, latency_us=1000)
    model = scaling.Model({"steps": steps, "sums": sums}, options)
    assert model.compute("net", 50) == pytest.approx(51e-3)
    assert (model.hop, model.rate) == pytest.approx((1e-3, 1e8))
    # Six messages of a quarter of 1,000 bytes each, of 1 ms here and 1 ms of the network.
    assert model.step("net", 4, 50) == pytest.approx(51e-3 + 6 * (2e-3 + 250 / 1e8))
    assert model.step("net", 1, 50) == pytest.approx(51e-3)
    # Three on two cores of one machine.
    here = (51e-3 + 4 * (1e-3 + 1000 / 3 / 1e8)) * 1.5
    assert model.step("net", 3, 50, cores=2) == pytest.approx(here)
