"""The methods of a study as text for a paper, generated from its configuration and tables.

The sentences are in the template ``methods.rst.jinja`` and the references in ``references.yaml``, beside this module,
and the numbers and names that they need come from ``methods_facts``.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from headstart.report import html, methods_facts, wording
from headstart.report.html import listed, plain

FOLDER = Path(__file__).parent
TEMPLATE, REFERENCES = "methods.rst.jinja", "references.yaml"
_CITATION = re.compile(r"\[(\w+)\]_")
_WIDTH = 100
# Packages named at the end of the text, by the name under which they are installed.
_PACKAGES = {
    "antspyx": "ANTsPy",
    "deepbet": "deepbet",
    "picsl_greedy": "picsl_greedy",
    "nipype": "Nipype",
    "nibabel": "NiBabel",
    "numpy": "NumPy",
    "scipy": "SciPy",
}


def text(
    config: Mapping,
    backends: Mapping[str, str],
    participants: pd.DataFrame,
    versions: Mapping[str, str],
    left_out: Mapping[str, Sequence[str]],
    overlaps: Sequence[str],
) -> str:
    """The methods as reStructuredText, with references.

    Parameters
    ----------
    config
        The resolved configuration.
    backends
        What labelled the scans of each dataset of which sources needed labels, ``ants`` or ``fsl``.
    participants
        The study's table of participants, with one row per dataset of scans.
    versions
        Versions of headstart, Python and the installed packages by name, and of FSL (``fsl``) where it was used.
    left_out
        Subjects of each dataset that no source was trained on, as they were in a test set.
    overlaps
        What pre-training and test data have, or may have, in common, in sentences (:mod:`headstart.leaks`).

    Returns
    -------
    str
        Sections of wrapped paragraphs and list items. Every citation has its reference at the end, and no other work
        is listed there.

    """
    # Without the build, as in 2.13.0+cpu.
    versions = {name: version.partition("+")[0] for name, version in versions.items()}
    used_by = {"ants": "picsl_greedy", "fsl": "nipype"}
    unused = {package for backend, package in used_by.items() if backend not in backends.values()}
    facts = {
        **methods_facts.of_study(config, participants, left_out),
        "backends": {
            backend: wording.emphasised(name for name, by in backends.items() if by == backend)
            for backend in sorted(set(backends.values()))
        },
        "in_common": overlaps,
        "versions": versions,
        "fsl": versions.get("fsl", "FSL"),
        "packages": [
            f"{title} {versions[name]}" for name, title in _PACKAGES.items() if name in versions and name not in unused
        ],
    }
    written = _environment().get_template(TEMPLATE).render(facts)
    body = "\n\n".join(_wrapped(block) for block in re.split(r"\n\s*\n", written) if block.strip())
    works = references()
    cited = {key: works[key] for key in sorted(set(_CITATION.findall(body)))}
    return f"{body}\n\n{html.section('References', html.citations(cited))}"


def references() -> dict[str, str]:
    """All works that the text may cite, as its list of references prints them, by key."""
    works = yaml.safe_load((FOLDER / REFERENCES).read_text(encoding="utf-8"))
    return {key: plain(f"{work['authors']}. {work['title']}. {work['source']}.") for key, work in works.items()}


def _environment() -> jinja2.Environment:
    filters = {
        "plain": plain,
        "listed": listed,
        "count": wording.count,
        "grouped": wording.grouped,
        "number": wording.number,
        "ordinal": wording.ordinal,
    }
    # The output is reStructuredText, in which names are escaped by the filter `plain`.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.filters |= filters
    return environment


def _wrapped(block: str) -> str:
    """A paragraph or list item in lines of even length; a heading as it is."""
    lines = block.strip().splitlines()
    if len(lines) == 2 and set(lines[1]) == {"-"}:
        return "\n".join(lines)
    words = " ".join(block.split())
    indent = "  " if words.startswith("- ") else ""
    return textwrap.fill(words, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
