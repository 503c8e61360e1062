"""A page opened in headless Chromium without a network, and what a script in it found."""

import html
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
# Pixels: width and height of the screen on which pages are opened.
SCREEN = (1400, 900)
# A request for anything outside the page is refused and reported.
GUARD = """
<meta http-equiv="Content-Security-Policy" content="default-src data: blob: 'unsafe-inline' 'unsafe-eval'">
<script>
var refused = [], faults = [];
document.addEventListener("securitypolicyviolation", (event) => refused.push(event.blockedURI));
window.addEventListener("error", (event) => faults.push(String(event.message)));
// The width of an image; 0 if it has none or is of one colour. Drawing decodes the image at once; the browser's clock,
// which runs ahead, would not wait for image.decode().
function drawn(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  if (!canvas.width) return 0;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.some((value) => value !== pixels[0]) ? canvas.width : 0;
}
</script>
"""
PROBE = """
<script>
window.addEventListener("load", async () => {
  let found = [];
  try { found = await (%s)(); } catch (error) { faults.push(String(error)); }
  const output = document.createElement("pre");
  output.id = "found";
  output.textContent = JSON.stringify({found, refused, faults});
  document.documentElement.replaceChildren(output);
});
</script>
"""
# What a reader sees before any click.
FIRST_SCREEN = """async () => {
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    const middle = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
    return box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight
      && element.contains(middle);
  };
  return {
    screen: [innerWidth, innerHeight],
    texts: [...document.querySelectorAll("p")].filter(visible).map((text) => text.innerText),
    figures: [...document.querySelectorAll("img")].filter((image) => visible(image) && drawn(image))
      .map((image) => image.getBoundingClientRect().width),
    links: [...document.links].map((link) => link.href),
    parts: [...document.querySelectorAll("[id]")].map((part) => part.id),
  };
}"""


def look(page: str, script: str, folder: Path) -> dict:
    """Open a page of HTML from a file in ``folder`` and run an asynchronous function in it.

    Returns what the function ``found``; ``refused``, the requests that the page made; and ``faults``, its errors.
    """
    head, opened, rest = page.partition("<head>")
    assert opened
    body, closed, end = rest.rpartition("</body>")
    assert closed
    watched = folder / "watched.html"
    watched.write_text(head + opened + GUARD + body + PROBE % script + closed + end)
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", f"--window-size={SCREEN[0]},{SCREEN[1]}",
             "--virtual-time-budget=120000", "--dump-dom", watched.as_uri()],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    output = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert output, done.stderr[-2000:]
    return json.loads(html.unescape(output[1]))
