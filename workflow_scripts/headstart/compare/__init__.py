"""Finished studies side by side, outside the pipeline: compared on the test scans that they share.

- ``finished``: what the results of a study say; its configuration file is not needed
- ``shared``: which test scans and training sets are the same in several studies, and whether their scores compare
- ``pairs``: differences between studies, at equal and at different set sizes, and labelled scans saved
- ``words``: the comparison in sentences
- ``page``: tables, figure and page; ``files``: their names, which import nothing heavy
"""
