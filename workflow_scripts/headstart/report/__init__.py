"""Stage 8, report: figures, tables and text for readers.

- ``answer_page``: the page to read first, index.html
- ``verdict_page``: the page of a table of scores that were computed elsewhere
- ``verdict_figure``: the answer as one figure
- ``needed_scans``: the labelled scans that a target needs, in a sentence
- ``figures``, ``paper``: learning curves, examples, training; the figures and tables of Zoetmulder 2022
- ``detection_figure``: precision and sensitivity of lesion detection
- ``paired_figure``: score of each test scan against that from random initialisation
- ``scan_pictures``: pictures of single scans
- ``sources``: order, names and styles of the sources
- ``methods``, ``methods_facts``, ``methods_sources``, ``methods_augmentation``, ``wording``: the methods as text for a
  paper
- ``runtimes``: time and memory by rule, versions
- ``html``: reStructuredText and pages of HTML
"""
