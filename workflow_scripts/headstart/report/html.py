"""Text for readers: reStructuredText put together, and pages of HTML that need no other file."""

from collections.abc import Mapping, Sequence

from docutils.core import publish_string

_SETTINGS = {
    "embed_stylesheet": True,
    # A text of ours that is no reStructuredText is a fault of ours.
    "halt_level": 2,
    "report_level": 2,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "section_self_link": False,
    "doctitle_xform": True,
}


def html(title: str, text: str) -> str:
    """A page of HTML with its style inside, of a title and reStructuredText; links within it lead to its own parts."""
    bar = "=" * (len(title) + 2)
    source = f"{bar}\n {title}\n{bar}\n\n{text}\n"
    return publish_string(source, writer="html5", settings_overrides={**_SETTINGS, "output_encoding": "unicode"})


def section(title: str, *paragraphs: str) -> str:
    """A section of a text."""
    return "\n\n".join([f"{title}\n{'-' * len(title)}", *paragraphs]) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; cells are reStructuredText in one line."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for k, cell in enumerate(row):
            lines.append(f"   {'* -' if k == 0 else '  -'} {cell}".rstrip())
    return "\n".join(lines)


def literal(text: str) -> str:
    """Text shown letter by letter."""
    return "::\n\n" + "".join(f"   {line}".rstrip() + "\n" for line in text.splitlines())


def plain(value: object) -> str:
    """A value as text that is no markup."""
    marked = str(value)
    for sign in ("\\", "*", "`", "|", "_"):
        marked = marked.replace(sign, f"\\{sign}")
    return marked


def citations(works: Mapping[str, str]) -> str:
    """A list of references that the text's ``[Key]_`` lead to."""
    return "\n".join(f".. [{key}] {work}" for key, work in works.items())


def listed(items: Sequence[object]) -> str:
    """Items in a sentence: a, b and c."""
    *first, last = [str(item) for item in items]
    return f"{', '.join(first)} and {last}" if first else last
