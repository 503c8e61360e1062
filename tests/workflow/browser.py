"""A page opened in headless Chromium, and what a script in it found."""

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
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
# What a page asks for beyond itself is refused, and told.
GUARD = """
<meta http-equiv="Content-Security-Policy" content="default-src data: blob: 'unsafe-inline' 'unsafe-eval'">
<script>
var refused = [], faults = [];
document.addEventListener("securitypolicyviolation", (told) => refused.push(told.blockedURI));
window.addEventListener("error", (told) => faults.push(String(told.message)));
</script>
"""
PROBE = """
<script>
window.addEventListener("load", async () => {
  let found = [];
  try { found = await (%s)(); } catch (error) { faults.push(String(error)); }
  const said = document.createElement("pre");
  said.id = "found";
  said.textContent = JSON.stringify({found, refused, faults});
  document.documentElement.replaceChildren(said);
});
</script>
"""


def look(page: str, script: str, folder: Path) -> dict:
    """Open a page of HTML and run an asynchronous function in it: what it ``found``; ``refused``, ``faults``."""
    head, opened, rest = page.partition("<head>")
    assert opened
    body, closed, end = rest.rpartition("</body>")
    assert closed
    watched = folder / "watched.html"
    watched.write_text(head + opened + GUARD + body + PROBE % script + closed + end)
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=120000", "--dump-dom",
             watched.as_uri()],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    said = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert said, done.stderr[-2000:]
    return json.loads(html.unescape(said[1]))
