import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from digitline.base import charts
from digitline.base.charts import BLUE, Chart, visible


def drawn():
    chart = Chart(200, 100, "$a$ < b", "a note")
    chart.rectangles([(20, 40, 60, 20)], [BLUE])
    chart.image(120, 50, 20, 20, np.full((2, 2, 3), (200, 10, 10), np.uint8))
    chart.tip(20, 40, 60, 20, "3 & more")
    chart.axes(20, 70, 180, 90).plot((0, 1), (0, 1), color=charts.VERMILION)
    return chart


def test_a_png_file_shows_the_chart_at_twice_its_size():
    with Image.open(io.BytesIO(drawn().png())) as picture:
        assert picture.size == (400, 200)
        assert picture.getpixel((100, 100)) == (0x00, 0x72, 0xB2)
        assert picture.getpixel((260, 120)) == (200, 10, 10)
        assert picture.getpixel((398, 198)) == (255, 255, 255)


def test_an_svg_file_has_words_tips_and_colours_that_a_page_sets():
    svg = drawn().svg()
    words = [element.text for element in ElementTree.fromstring(svg).iter() if element.text]
    assert {"$a$ < b", "a note", "3 & more"} <= set(words)
    assert f"fill: var(--blue, {BLUE})" in svg
    assert not re.search(r": #(?!f7f7f7)\w{6}", svg)  # Each colour is a variable.
    assert "http" not in drawn().svg(inline=True)


def test_the_same_chart_has_the_same_bytes():
    assert drawn().svg() == drawn().svg()
    assert drawn().png() == drawn().png()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_images_of_any_channels_are_shown(channels):
    image = np.full((4, 5, channels), 100, np.uint8)
    assert visible(image).tolist() == np.full((4, 5, 3), 100).tolist()
