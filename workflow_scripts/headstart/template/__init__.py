"""MNI space and the atlases that lie in it.

- ``template``: the images of MNI152NLin2009aSym, its grid, and the label values
- ``atlases``: how these images are made from what pip installs
- ``warp``: deformable registration
"""
