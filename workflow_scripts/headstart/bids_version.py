"""The version of BIDS that headstart writes."""

BIDS_VERSION = "1.10.0"
