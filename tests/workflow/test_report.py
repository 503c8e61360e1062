"""The report of the tiny study, as a reader opens it: in a browser, without a network."""

import base64
import json
import re

import browser
import pandas as pd
import pytest

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)"),
]

# Goes through the report's menus, and opens each result as a click does.
OPEN_ALL = """async () => {
  const wait = () => new Promise((go) => setTimeout(go, 30));
  const found = [];
  // Drawing decodes the picture at once; the browser's clock, which runs ahead, would not wait for image.decode().
  const drawn = (image) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    if (!canvas.width) return 0;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value) => value !== pixels[0]) ? canvas.width : 0;
  };
  const press = async (words) => {
    const link = [...document.querySelectorAll("#app a")].find((a) => a.textContent.trim() === words);
    if (link) { link.click(); await wait(); }
    return Boolean(link);
  };
  while (!app) await wait();
  for (const [category, subcategories] of Object.entries(categories)) {
    for (const subcategory of Object.keys(subcategories)) {
      app.setView({navbarMode: "menu"});
      await wait();
      const reached = await press(category)
        && (Object.keys(subcategories).length === 1 || await press(subcategory));
      const rows = document.querySelectorAll("#app tbody tr").length;
      for (let row = 0; row < rows; row++) {
        const view = document.querySelectorAll("#app tbody tr")[row].querySelector("a");
        const label = document.querySelectorAll("#app tbody tr")[row].textContent.trim();
        const one = {category, subcategory, reached, label, width: 0, page: false, download: 0};
        if (view.getAttribute("href") !== "#") {
          one.download = view.href.startsWith("data:") ? view.href.length : -1;
        } else {
          view.click();
          await wait();
          const image = document.querySelector("#app img[src^='data:image/png']");
          one.page = document.querySelector("#app iframe")?.src.startsWith("data:text/html") ?? false;
          one.width = image ? drawn(image) : 0;
        }
        found.push(one);
      }
    }
  }
  return found;
}"""
LINKS = """async () => [...document.querySelectorAll("a[href^='#']")].map((link) => {
  const name = decodeURIComponent(link.hash.slice(1));
  return {name, there: document.getElementById(name) !== null};
})"""


@pytest.fixture(scope="module")
def page(project):
    done = project.snakemake("--report", "results/tiny/report.html")
    assert done.returncode == 0, done.stderr[-2000:]
    return (project.results / "report.html").read_text()


def embedded(page, name):
    """A variable that the report's page gives its scripts."""
    return json.loads(re.search(rf'<script id="{name}">\s*var {name} = (.*?);\s*</script>', page, re.S)[1])


def test_every_result_opens_and_nothing_is_asked_of_the_network(page, tmp_path):
    seen = browser.look(page, OPEN_ALL, tmp_path)
    assert seen["refused"] == [] and seen["faults"] == []
    opened, results = pd.DataFrame(seen["found"]), embedded(page, "results")
    assert len(opened) == len(results) and opened["reached"].all()
    kinds = pd.Series([result["mime_type"] for result in results.values()])
    assert (opened["width"] > 200).sum() == (kinds == "image/png").sum() > 4
    assert opened["page"].sum() == (kinds == "text/html").sum() >= 4
    assert (opened["download"] > 100).sum() == (~kinds.isin(["image/png", "text/html"])).sum()
    assert sorted(opened["category"].unique()) == ["1 Answer", "2 Training", "3 Quality control", "4 Methods"]
    answer = opened[opened["category"] == "1 Answer"]
    assert sorted(answer["subcategory"].unique()) == ["1 Verdict", "2 Figures", "3 Tables"]


def test_links_within_its_pages_lead_somewhere(page, tmp_path):
    pages = {path: result for path, result in embedded(page, "results").items() if result["mime_type"] == "text/html"}
    links = {}
    for path, result in pages.items():
        seen = browser.look(base64.b64decode(result["data_uri"].partition("base64,")[2]).decode(), LINKS, tmp_path)
        assert seen["refused"] == [] and seen["faults"] == [], path
        assert all(link["there"] for link in seen["found"]), path
        links[path.rpartition("/")[2]] = len(seen["found"])
    assert links["methods.html"] > 10
