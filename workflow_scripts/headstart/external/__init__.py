"""Competitors from elsewhere: masks that another method, or a person, made of a target's test scans.

:mod:`headstart.external.find` finds their files; :mod:`headstart.external.masks` reads and checks them.
"""
