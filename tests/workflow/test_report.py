"""The pages of the tiny study as a reader opens them: in a browser, without a network."""

import base64
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

import browser
import pandas as pd
import pytest

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(browser.CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)"),
]

# Goes through the report's menus and opens each result as a click does.
OPEN_ALL = """async () => {
  const wait = () => new Promise((go) => setTimeout(go, 30));
  const found = [];
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


def test_the_verdict_and_its_figure_are_on_the_first_screen_of_a_copied_study(project, page, tmp_path):
    copied = shutil.copytree(project.results, tmp_path / "copied study #1")
    seen = browser.look((copied / "index.html").read_text(), browser.FIRST_SCREEN, copied)
    assert seen["refused"] == []
    assert seen["faults"] == []
    found = seen["found"]
    assert found["screen"][0] == browser.SCREEN[0]
    assert found["screen"][1] <= browser.SCREEN[1]
    (sentence,) = pd.read_csv(project.results / "tables/verdict.tsv", sep="\t")["sentence"]
    assert sentence in found["texts"]
    assert any("All scans and images of this study are synthetic." in text for text in found["texts"])
    assert any("Research use only, not a medical device." in text for text in found["texts"])
    assert len(found["figures"]) == 1
    assert found["figures"][0] > 600


def test_every_link_of_the_first_page_leads_to_a_file_or_to_a_part_of_the_page(project, page, tmp_path):
    copied = shutil.copytree(project.results, tmp_path / "copied study #1")
    found = browser.look((copied / "index.html").read_text(), browser.FIRST_SCREEN, copied)["found"]
    links = [urlsplit(link) for link in found["links"]]
    assert {link.scheme for link in links} == {"file"}
    assert {link.fragment for link in links if link.fragment} <= set(found["parts"])
    files = {Path(unquote(link.path)).relative_to(copied).as_posix() for link in links if not link.fragment}
    assert all((copied / file).is_file() for file in files)
    tables = {f"tables/{path.name}" for path in (copied / "tables").iterdir()}
    assert files >= tables | {"report.html", "provenance.json", "methods/methods.html", "figures/verdict.png"}


def test_every_result_opens_and_nothing_is_asked_of_the_network(page, tmp_path):
    seen = browser.look(page, OPEN_ALL, tmp_path)
    assert seen["refused"] == []
    assert seen["faults"] == []
    opened, results = pd.DataFrame(seen["found"]), embedded(page, "results")
    assert len(opened) == len(results)
    assert opened["reached"].all()
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
        assert seen["refused"] == [], path
        assert seen["faults"] == [], path
        assert all(link["there"] for link in seen["found"]), path
        links[path.rpartition("/")[2]] = len(seen["found"])
    assert links["methods.html"] > 10
