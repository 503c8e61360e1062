"""Competitors from elsewhere: masks that another method, or a person, made of a target's test scans.

``find`` finds their files, and ``masks`` reads and checks them.
"""
