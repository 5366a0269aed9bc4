import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from digitline.models.report import robustness
from digitline.models.run.records import Robustness, UnderCorruption


def test_shows_what_each_corruption_does_and_its_accuracies():
    image = np.full((60, 90, 3), (10, 60, 20), np.uint8)
    rows = [UnderCorruption("fog", (0.9, 0.8, 0.75, 0.3, 0.1)), UnderCorruption("hail", (0.7,))]
    measured = Robustness(3, 0.6, 0.7, tuple(rows))
    chart = robustness.sheet("train[:5000]", measured, image)
    svg = chart.svg()
    ElementTree.fromstring(svg)
    assert "accuracy on train[:5000]" in svg
    assert re.findall(r">([\d.]+%)<", svg) == ["90.0%", "80.0%", "75.0%", "30.0%", "10.0%"]
    assert "fog" in svg
    assert "hail" not in svg  # Of a version that had other corruptions.
