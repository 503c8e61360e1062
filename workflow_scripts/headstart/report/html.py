"""Text for readers: pieces of reStructuredText, and self-contained HTML pages made from it."""

from collections.abc import Mapping, Sequence

from docutils.core import publish_string

_SETTINGS = {
    "embed_stylesheet": True,
    # Invalid reStructuredText is a bug in headstart: raise an error instead of writing the warning into the page.
    "halt_level": 2,
    "report_level": 2,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "section_self_link": False,
    "doctitle_xform": True,
}


def html(title: str, text: str) -> str:
    """A self-contained HTML page of a title and reStructuredText: its style is embedded, its links stay on the page."""
    bar = "=" * (len(title) + 2)
    source = f"{bar}\n {title}\n{bar}\n\n{text}\n"
    return publish_string(source, writer="html5", settings_overrides={**_SETTINGS, "output_encoding": "unicode"})


def section(title: str, *paragraphs: str) -> str:
    """A section in reStructuredText."""
    return "\n\n".join([f"{title}\n{'-' * len(title)}", *paragraphs]) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in reStructuredText; each cell is one line of reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for k, cell in enumerate(row):
            lines.append(f"   {'* -' if k == 0 else '  -'} {cell}".rstrip())
    return "\n".join(lines)


def literal(text: str) -> str:
    """A literal block in reStructuredText, which shows the text unchanged."""
    return "::\n\n" + "".join(f"   {line}".rstrip() + "\n" for line in text.splitlines())


def plain(value: object) -> str:
    """A value as text with the markup characters of reStructuredText escaped."""
    marked = str(value)
    for sign in ("\\", "*", "`", "|", "_"):
        marked = marked.replace(sign, f"\\{sign}")
    return marked


def citations(works: Mapping[str, str]) -> str:
    """The list of references that citations ``[Key]_`` in the text refer to."""
    return "\n".join(f".. [{key}] {work}" for key, work in works.items())


def listed(items: Sequence[object]) -> str:
    """Items as part of a sentence: "a, b and c"."""
    *first, last = [str(item) for item in items]
    return f"{', '.join(first)} and {last}" if first else last
