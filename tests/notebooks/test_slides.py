"""The presentation in both languages, in a real browser without a network, and as PDF."""

import html
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader

from dogbreeds.presentation import slides
from dogbreeds.presentation.deck import LANGUAGES

DOGBREEDS = Path(sys.executable).with_name("dogbreeds")
chromium = slides.chromium()
SLIDE = '<section><div class="page">'
pytestmark = [pytest.mark.slow, pytest.mark.browser]
needs_chromium = pytest.mark.skipif(chromium is None, reason="Chromium is not installed")
# Finds elements outside their slide, and measures how much images are stretched and how high they are.
OUTSIDE = """() => {
  const page = document.querySelector('.slides section.present .page'), box = page.getBoundingClientRect();
  return [...page.querySelectorAll('*')].filter(each => !each.closest('aside')).filter(each => {
    const own = each.getBoundingClientRect();
    return own.left < box.left - 1 || own.top < box.top - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1;
  }).map(each => each.outerHTML.slice(0, 80));
}"""
IMAGES = """() => [...document.querySelectorAll('.slides section.present img')].map(each => {
  const own = each.getBoundingClientRect();
  const ratio = each.naturalWidth / each.naturalHeight;
  return {stretched: own.width / own.height / ratio, share: own.height / innerHeight};
})"""


@pytest.fixture(scope="module", params=LANGUAGES)
def deck(request, home, results):
    """The page in one language, with its PDF if Chromium is installed."""
    page = home["study"] / "slides" / f"presentation.{request.param}.html"
    before = page.read_bytes() if page.is_file() else None  # the study renders only the French page
    command = [DOGBREEDS, "slides", "--profile", "tiny", "--language", request.param, "--pdf"]
    subprocess.run(command, env=home["environment"], check=True, stdout=-1)
    return {"page": page, "language": request.param, "before": before}


@contextmanager
def opened(page, width, height):
    """Opens the page in Chromium without a network; yields the tab and a list of errors and network requests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        tab, problems = context.new_page(), []
        tab.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("request", lambda request: problems.append(request.url) if request.url.startswith("http") else None)
        tab.on("requestfailed", lambda request: problems.append(request.url))
        tab.goto(page.as_uri())
        tab.wait_for_function("window.Reveal && Reveal.isReady()")
        yield tab, problems
        browser.close()


@pytest.mark.parametrize("deck", ["fr"], indirect=True)
def test_the_same_results_give_the_same_page(deck):
    assert deck["page"].read_bytes() == deck["before"]


@needs_chromium
@pytest.mark.parametrize("deck", ["fr"], indirect=True)
def test_the_same_page_gives_the_same_pdf(deck):
    before = deck["page"].with_suffix(".pdf").read_bytes()
    assert slides._printed(deck["page"], chromium) == before


def test_page_has_all_sections_and_says_that_the_dogs_are_drawn(deck):
    page = deck["page"].read_text()
    assert [number for number in range(1, 8) if not re.search(rf"<h2[^>]*>{number} ", page)] == []
    assert page.count('<aside class="notes">') >= page.count(SLIDE) - 1  # the bibliography needs no notes
    title = page.partition("<section>")[2].partition("</section>")[0]
    assert {"fr": "aucune n’est une photographie", "en": "none is a photograph"}[deck["language"]] in title
    other = {"fr": "Bibliography", "en": "Bibliographie"}
    assert other[deck["language"]] not in page


@needs_chromium
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_every_slide_fits_and_is_reachable_offline(deck, width, height):
    with opened(deck["page"], width, height) as (tab, problems):
        count, seen = tab.locator(".slides section").count(), []
        for place in range(count):
            assert tab.evaluate("Reveal.getIndices().h") == place
            heading = tab.locator("section.present :is(h1, h2)").inner_text()
            seen.append(heading)
            assert tab.evaluate(OUTSIDE) == [], heading
            for image in tab.evaluate(IMAGES):
                assert image["stretched"] == pytest.approx(1, abs=0.01), heading
                assert image["share"] > 0.3, heading
            tab.keyboard.press("ArrowRight")
        assert len(set(seen)) == count >= 20
        assert problems == []


@needs_chromium
def test_pdf_has_one_page_per_slide_with_text_and_embedded_fonts(deck):
    pdf = PdfReader(deck["page"].with_suffix(".pdf"))
    headings = re.findall(rf"{SLIDE}\s*<h[12][^>]*>([^<]+)", deck["page"].read_text())
    texts = [" ".join(page.extract_text().split()) for page in pdf.pages]
    assert len(texts) == len(headings) >= 20
    for text, heading in zip(texts, headings, strict=True):
        assert text.startswith(" ".join(html.unescape(heading).split())), heading
    assert "1512.03385" in texts[-1]
    fonts = [font.get_object() for page in pdf.pages for font in page["/Resources"]["/Font"].values()]
    for font in fonts:
        described = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        embedded = "/FontFile2" in described.get("/FontDescriptor", {})
        assert embedded or font["/Subtype"] == "/Type3", font  # a Type 3 font is part of the file


def slides_of(page):
    """The visible text of each slide, without notes and alternative texts, white space, commas and full stops."""
    found = []
    for part in page.read_text().split(SLIDE)[1:]:
        seen = re.sub(r"<aside.*?</aside>|<[^>]+>", " ", part.partition("</section>")[0], flags=re.DOTALL)
        found.append(re.sub(r"[\s,.\N{NO-BREAK SPACE}]", "", html.unescape(seen)))
    return found


def test_each_claim_of_2020_is_shown_with_a_measurement(home, deck):
    """Key figures in sections 3 to 6 of the presentation of 2020, each with this study's result on the same slide."""
    tables = home["study"] / "tables"
    baselines = pd.read_csv(tables / "baselines.csv").set_index("variant")
    measured = pd.read_csv(tables / "failure_2020.csv").query("frozen == 'nothing' and preprocessing == 'rescaled'")
    wished = pd.read_csv(tables / "in_pytorch.csv").set_index("variant")
    claims = pd.read_csv(tables / "claims.csv")
    expected = {
        "20580": ["68", "20"],
        "982%(n=164": [
            f"{100 * baselines.loc['controlled', 'test accuracy']:.1f}[",
            f"{baselines.loc['deck_2020', 'seconds']:.0f}",
        ],
        "268%(n=164": [f"{share:.1%}" for share in measured[["while training", "new images"]].to_numpy().flat],
        "8575%": ["19488", "009%", f"{100 * baselines.loc['block 1 frozen', 'ahead']:+.1f}"],
        "7706%": ["7615%", "points"],
        {"fr": "32contre100", "en": "32against100"}[deck["language"]]: [
            f"{100 * wished.loc[name, 'ahead']:+.1f}" for name in ("layer1 frozen", "early stopping")
        ],
    }
    texts = slides_of(deck["page"])
    for claim, found in expected.items():
        slide = next(text for text in texts if claim in text)
        for figure in found:
            assert re.sub(r"[,.]", "", figure) in slide, (claim, figure)
    conclusion = next(text for text in texts if text.startswith("6Conclusion"))
    selected = claims[claims["initial weights"] == "other-breeds"]
    assert conclusion.count("95%") == selected["measured"].str.count("95 %").sum()
    assert len(selected) == 6
