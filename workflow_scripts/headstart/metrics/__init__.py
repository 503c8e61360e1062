"""Pure functions of two arrays.

``overlap`` (Dice, IoU), ``distance`` (Hausdorff), ``lesions`` (detection), ``variance`` (explained), ``ranking`` (ROC).
"""
