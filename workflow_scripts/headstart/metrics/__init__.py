"""Pure functions of two arrays: ``overlap`` (Dice, IoU), ``distance`` (Hausdorff) and ``lesions`` (detection)."""
