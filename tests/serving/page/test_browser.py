"""The page as a person uses it: a real browser, a real server, real test images."""

import contextlib
import io
import re

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from browsers import watch
from strokes import strokes_of

from digitline.base.errors import UserError
from digitline.base.pictures import decode
from digitline.serving import artifacts
from digitline.serving.page import litert_js

from support import call

ENGINES = ("server", "browser")


@pytest.fixture(scope="module", autouse=True)
def litertjs():
    """LiteRT.js in the user's cache, where the server looks for it."""
    try:
        call(litert_js.COMMAND, [])
    except UserError as error:
        pytest.skip(f"needs an npm registry: {error}")


@contextlib.contextmanager
def opened(browser, server, model, **options):
    """The page with a model chosen; afterwards, nothing may have gone wrong in it."""
    page = browser.new_page(**options)
    errors = watch(page)
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    page.goto(f"http://127.0.0.1:{server.rest}/")
    page.wait_for_selector("html[data-ready]", state="attached")
    page.select_option("#model", model)
    yield page
    page.close()
    assert errors == []
    own = (f"http://127.0.0.1:{server.rest}/", "data:", "blob:")
    assert [url for url in urls if not url.startswith(own)] == []


def draw(page, strokes):
    """Strokes of points (x, y), 0 to 1, with the mouse."""
    box = page.locator("#pad").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*points[0])
        page.mouse.down()
        for point in points[1:]:
            page.mouse.move(*point)
        page.mouse.up()


def answers(page, engines=ENGINES):
    """Each engine's label and its probabilities, in percent, once they are there."""
    page.wait_for_selector("#answer[aria-busy=false]")
    shown = {}
    for engine in engines:
        label = page.inner_text(f"#times tr.{engine} td:nth-child(2)").rsplit(",", 1)[0]
        percents = page.locator(f"#bars .{engine} span").all_inner_texts()
        shown[engine] = (label, [float(percent) for percent in percents])
    return shown


def received(page):
    """The input of the network, uint8 [28, 28]."""
    values = page.evaluate(
        """() => { const canvas = document.querySelector("#input");
        return Array.from(canvas.getContext("2d").getImageData(0, 0, 28, 28).data); }"""
    )
    return np.array(values, np.uint8).reshape(28, 28, 4)[..., 0]


@pytest.mark.parametrize(
    "digits", [(2, 7, 8), pytest.param(range(10), marks=pytest.mark.long)], ids=["few", "all"]
)
def test_digits_drawn_are_recognized_by_both(browser, server, test_images, digits):
    images, labels = test_images
    wrong = []
    with opened(browser, server, "boxed") as page:
        for digit in digits:
            image = images[int((labels == digit).argmax())][..., 0]
            page.click("#clear")
            strokes = [[*stroke[:-1:2], stroke[-1]] for stroke in strokes_of(image)]
            draw(
                page, [[((x + 0.5) / 28, (y + 0.5) / 28) for y, x in stroke] for stroke in strokes]
            )
            shown = answers(page)
            wrong += [(digit, engine, shown[engine]) for engine in ENGINES
                      if shown[engine][0] != f"{digit}"]  # fmt: skip
            assert page.inner_text("#answer").startswith(f"{shown['server'][0]}, ")
            pixels = received(page)
            rows, columns = np.nonzero(pixels)
            # A box of 20 pixels, but for rounding; its centre of mass at the centre.
            assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20)
            centre = (pixels.sum(1) @ np.arange(28), pixels.sum(0) @ np.arange(28)) / pixels.sum()
            assert abs(centre - 14).max() <= 0.6 or rows.max() == 27 or rows.min() == 0
    assert wrong == []


def test_a_narrow_digit_becomes_what_a_picture_of_it_becomes(browser, server):
    eight = [(0.5, 0.5), (0.1, 0.3), (0.5, 0.1), (0.9, 0.3), (0.5, 0.5), (0.1, 0.7), (0.5, 0.9),
             (0.9, 0.7), (0.5, 0.5)]  # fmt: skip
    one = [(0.6, 0.1), (0.4, 0.9)]
    with opened(browser, server, "boxed") as page:
        for line, least, most in ((eight, 9, 11), (one, 2, 5)):
            points = [(0.5 + (x - 0.5) * 0.25, y) for x, y in line]
            page.click("#clear")
            draw(page, [points])
            answers(page, ["server"])
            sheet = PIL.Image.new("L", (300, 300), 255)
            drawing = [(300 * x, 300 * y) for x, y in points]
            PIL.ImageDraw.Draw(sheet).line(drawing, 0, 18, joint="curve")
            pixels, found = received(page), decode.find_digit(sheet, 28, 28)
            assert np.corrcoef(pixels.ravel(), found.ravel())[0, 1] > 0.8
            for image in (pixels, found):
                assert least <= np.ptp(np.nonzero(image > 60)[1]) + 1 <= most


def test_test_images_get_the_models_own_answers(browser, server, exported, test_images):
    classifier = artifacts.open_saved_model(exported.saved_model)
    with opened(browser, server, "tiny") as page:
        page.wait_for_selector("#sample-grid button >> nth=30")
        page.click("#inside-details summary")
        for index in (0, 12, 30):
            button = page.locator("#sample-grid button").nth(index)
            button.click()
            shown = answers(page)
            pixels = received(page)
            expected = classifier.run(pixels[None, ..., None])["probabilities"][0]
            for engine in ENGINES:
                label, percents = shown[engine]
                assert label == classifier.labels[expected.argmax()]
                assert percents == pytest.approx(100 * expected, abs=0.15)
            assert re.fullmatch(r"\d, image \d+", button.get_attribute("aria-label"))
        page.wait_for_selector(".layer >> nth=6")
        names = [text.split(":")[0] for text in page.locator(".layer p").all_inner_texts()]
        assert names == ["c1", "s2", "c3", "s4", "c5", "f6", "logits"]
        assert "28×28×6" in page.locator(".layer p").first.inner_text()


def test_takes_a_picture_and_rejects_a_file_that_is_not_one(browser, server, test_images):
    file = io.BytesIO()
    paper = PIL.Image.fromarray(255 - test_images[0][0, ..., 0]).resize((200, 200))
    paper.save(file, "PNG")
    picture = {"name": "seven.png", "mimeType": "image/png", "buffer": file.getvalue()}
    with opened(browser, server, "boxed") as page:
        page.set_input_files("#file", picture)
        labels = {label for label, _ in answers(page).values()}
        assert labels == {str(test_images[1][0])}
    page, held = browser.new_page(), []
    page.route("**/page/models", lambda route: held.append(route))
    page.goto(f"http://127.0.0.1:{server.rest}/")
    page.set_input_files("#file", {**picture, "name": "seven.txt", "buffer": b"not a picture"})
    while not held:
        page.wait_for_timeout(10)
    for route in held:  # The file was picked before it was known what is served.
        route.continue_()
    page.unroute("**/page/models")
    page.wait_for_selector("#trouble:has-text('seven.txt')")
    assert page.inner_text("#trouble").startswith("seven.txt: not a picture")
    page.close()


def test_with_the_keyboard_only(browser, server):
    with opened(browser, server, "boxed") as page:
        page.focus("#version")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "pad"
        for key in [*["Shift+ArrowUp"] * 4, "Space", *["Shift+ArrowDown"] * 8, "Space"]:
            page.keyboard.press(key)
        assert answers(page)["browser"][0] == "1"
        page.keyboard.press("Backspace")
        assert page.inner_text("#answer") == "Draw something."
        assert not received(page).any()
    with opened(browser, server, "tiny") as page:
        page.wait_for_selector("#sample-grid button >> nth=30")
        page.focus("#sample-grid button")  # The one stop of the Tab key.
        for key in ("ArrowRight", "ArrowDown", "ArrowUp", "Enter"):
            page.keyboard.press(key)
        answers(page)
        second = page.locator("#sample-grid button").nth(1)
        assert second.evaluate("button => button === document.activeElement")
        assert page.locator("#sample-grid button[tabindex='0']").count() == 1
        picked = received(page)
        assert picked.any()
        page.focus("#pad")
        page.keyboard.press("ArrowLeft")  # The pen is up: nothing is drawn.
        np.testing.assert_array_equal(received(page), picked)


def test_a_drawing_stays_when_the_model_changes(browser, server):
    with opened(browser, server, "boxed") as page:
        draw(page, [[(0.5, 0.2), (0.5, 0.8), (3.0, 0.8)]])  # Outside counts as the edge.
        assert answers(page)["server"][0].isdigit()
        before = received(page)
        assert np.ptp(np.nonzero(before)[0]) >= 9
        page.select_option("#model", "tiny")
        answers(page)
        np.testing.assert_array_equal(received(page), before)
        page.select_option("#model", "softmax")  # One layer, whose name REST leaves out.
        page.click("#inside-details summary")
        answers(page, ["server"])
        page.wait_for_selector(".layer")
        assert "10, from " in page.locator(".layer p").inner_text()


def test_one_engine_and_what_is_missing(browser, server):
    with opened(browser, server, "tiny") as page:
        page.check("input[value=server]")
        draw(page, [[(0.5, 0.2), (0.5, 0.8)]])
        assert answers(page, ["server"])["server"][0].isdigit()
        assert page.inner_text("#times tr.browser td:last-child") == "–"
        page.select_option("#model", "softmax")  # A SavedModel with no TFLite file beside it.
        page.check("input[value=both]")
        assert "no TFLite file" in page.inner_text("#trouble")
        page.select_option("#model", "boxed")
        assert page.is_hidden("#trouble")
        assert page.is_hidden("#samples")


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        (360, 740, "dark"),
        pytest.param(768, 1000, "light", marks=pytest.mark.long),
        (1280, 900, "light"),
    ],
)
def test_it_fits_phones_and_desktops(browser, server, width, height, scheme):
    size = {"width": width, "height": height}
    with opened(browser, server, "tiny", viewport=size, color_scheme=scheme) as page:
        page.click("#inside-details summary")
        page.wait_for_selector("#sample-grid button >> nth=30")
        page.locator("#sample-grid button").first.click()
        answers(page)
        page.wait_for_selector(".layer >> nth=6")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in ("#pad", "#bars", "#times", "#input", "#sample-grid", "#model", "#layers"):
            box = page.locator(selector).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["width"] >= 100 or selector == "#model"


def test_says_that_it_is_not_one_digit(browser, server):
    with opened(browser, server, "boxed") as page:
        draw(page, [[(0.3, 0.2), (0.3, 0.8)]])
        assert answers(page)["server"][0] == "1"
        draw(page, [[(0.7, 0.2), (0.7, 0.8)]])
        answers(page)
        assert page.inner_text("#answer").startswith("More than one digit; as one: ")
        file = io.BytesIO()
        PIL.Image.new("L", (90, 40), 255).save(file, "PNG")
        blank = {"name": "blank.png", "mimeType": "image/png", "buffer": file.getvalue()}
        page.set_input_files("#file", blank)
        page.wait_for_selector("#answer:has-text('Blank: there is nothing to recognize')")
