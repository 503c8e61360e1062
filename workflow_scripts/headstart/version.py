"""The version of headstart, imported only by what writes it into a file."""

__version__ = "0.1.0"
