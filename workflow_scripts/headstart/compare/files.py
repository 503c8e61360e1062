"""Names of the files of a comparison; imports nothing heavy, for planning a workflow."""

# What stands between the names of studies in the name of a comparison; names of studies have no underscore.
JOINT = "_vs_"
PAGE, FIGURES = "index.html", ("curves.png", "curves.svg")
TABLES = ("same_size", "across_sizes", "saved", "summary")
SETTINGS = "settings.tsv"
FILES = (PAGE, *(f"{name}.tsv" for name in TABLES), SETTINGS, *FIGURES)
