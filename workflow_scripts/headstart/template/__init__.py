"""MNI space and its atlases.

- ``template``: the images of MNI152NLin2009aSym, its grid, and the label values
- ``atlases``: builds these images from the files in installed packages
- ``warp``: deformable registration
"""
