"""A finished model packed for those who do not use headstart, outside the pipeline.

- ``choice``: which model of a study, and what its tables say of it
- ``terms``: the datasets behind it, and their terms
- ``pack``: the files; ``card``: the page that describes them, with the lines that load them
"""
