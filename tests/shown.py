"""The sources of the paper as figures and tables show them, for tests of these."""

from headstart.report.sources import Shown

SHOWN = Shown({}).with_paper()
