"""The version of headstart, imported only by modules that write it into a file."""

__version__ = "0.1.0"
