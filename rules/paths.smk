# The names of files: of scans, of parts of datasets, of figures, of draws and of fine-tunings. In patterns, {first} stands
# for the name of the first image of a dataset's scans.


def scan_paths(pattern, *names):
    """A pattern with dataset and subject filled in for every scan of the datasets named."""
    return [scan_path(pattern, name, subject) for name in names for subject in SCANS[name]]


def scan_path(pattern, dataset, subject):
    """A pattern with dataset and subject filled in."""
    return pattern.format(dataset=dataset, subject=subject, first=FIRST[dataset])


def path_of_scan(pattern):
    """Input function: a pattern filled in for the scan that the wildcards name."""
    return lambda wildcards: scan_path(pattern, wildcards.dataset, wildcards.subject)


def numbered_parts(pattern, dataset, count, each):
    """A pattern with dataset and part filled in for every part of ``count`` things with ``each`` in a part."""
    first = FIRST.get(dataset)
    return [pattern.format(dataset=dataset, part=f"{number:04d}", first=first) for number in range(-(-count // each))]


def part_range(count, each, part):
    """Number of the first thing of a part, and of the one after its last."""
    first = int(part) * each
    return [first, min(first + each, count)]


def scans_of_part(wildcards, stage):
    """The scans of a part of a stage, see SCANS_PER_PART."""
    return [SCANS[wildcards.dataset][subject] for subject in subjects_of_part(wildcards, stage)]


def subjects_of_part(wildcards, stage):
    """The subjects, or synthetic heads, of a part of a stage."""
    subjects = SUBJECTS[wildcards.dataset]
    return subjects[slice(*part_range(len(subjects), SCANS_PER_PART[stage], wildcards.part))]


def paths_of_part(pattern, stage):
    """Input function: a pattern filled in for each scan of a part."""
    return lambda wildcards: [
        str(pattern).format(**wildcards, subject=scan.subject, first=FIRST[wildcards.dataset])
        for scan in scans_of_part(wildcards, stage)
    ]


def part_paths(pattern, stage, *names):
    """A pattern with dataset and part filled in for every part of the subjects of the datasets named."""
    return [
        path for name in names for path in numbered_parts(pattern, name, len(SUBJECTS[name]), SCANS_PER_PART[stage])
    ]


def parts_of_scans(pattern, dataset, subjects):
    """A pattern with dataset and part filled in for the files with the slices of these scans of a dataset."""
    files = part_paths(pattern, "slice", dataset)
    wanted = set(subjects)
    places = {files[number // SCANS_PER_PART["slice"]] for number, s in enumerate(SUBJECTS[dataset]) if s in wanted}
    return sorted(places)


def parts_holding(pattern, target, subjects):
    """A pattern with dataset and part filled in for the files with the slices of these scans of a target."""
    return parts_of_scans(pattern, TARGETS[target]["dataset"], subjects)


def scan_pictures(kind):
    """The folder with a picture of each scan of a part; ``kind`` is also the name of the caption."""
    return report(
        directory(f"{RESULTS}/figures/{kind}/{{dataset}}/part-{{part}}"),
        patterns=["sub-{subject}.png"],
        caption=f"../rules/report/{kind}.rst",
        category="3 Quality control",
        subcategory=f"{kind}: {{dataset}}",
        labels={"scan": "{subject}"},
    )


def report_figure(name, caption, category, subcategory=None, **labels):
    """A figure as PNG, which the report includes, and as SVG."""
    png = f"{RESULTS}/figures/{name}.png"
    shown = report(
        png, caption=f"../rules/report/{caption}.rst", category=category, subcategory=subcategory, labels=labels
    )
    return [shown, f"{RESULTS}/figures/{name}.svg"]


def image_part_paths(pattern, *names):
    """A pattern with dataset and part filled in for every file of the natural images of the datasets named."""
    each = config["slice"]["images_per_file"]
    counts = {name: config["datasets"][name]["pictures"] for name in names}
    return [path for name, count in counts.items() for path in numbered_parts(pattern, name, count, each)]


def sources_at(target, size):
    """The sources that have models of this set size of a target."""
    return SOURCES if size else AS_PRETRAINED[target]


def sources_scored(target, size):
    """The sources whose predictions are scored: those that have models, and competitors from elsewhere."""
    return [*sources_at(target, size), *(EXTERNAL[target] if size else [])]


def runs(targets=TARGETS, least=0, sources=sources_at):
    """Target, source, size and resample of every run of these targets, of a set size of at least this.

    ``sources``: from a target and a size to the sources, those that have models or those that are scored.
    """
    return [
        (target, source, size, resample)
        for target, size, resample in SPLITS
        if target in targets and size >= least
        for source in sources(target, size)
    ]


def run_paths(pattern, targets=TARGETS, least=0, sources=sources_at):
    """A pattern with target, source, size and resample filled in for each of these runs."""
    return [
        pattern.format(target=target, source=source, size=size, resample=resample)
        for target, source, size, resample in runs(targets, least, sources)
    ]


def scored_paths(pattern, targets=TARGETS):
    """The same for each run whose predictions are scored."""
    return run_paths(pattern, targets, sources=sources_scored)


def tests_of(targets):
    """The test scans of each draw of these targets, by the name of the draw."""
    return {
        f"{name}/size-{size}_resample-{resample}": list(split.test)
        for (name, size, resample), split in SPLITS.items()
        if name in targets
    }


def split_of(wildcards):
    """Training and test scans of the draw that the wildcards name."""
    return SPLITS[wildcards.target, int(wildcards.size), int(wildcards.resample)]


def scans_tested(target):
    """The scans that any resample of a target tests, each once."""
    return sorted({subject for (name, _, _), split in SPLITS.items() if name == target for subject in split.test})


def resamples_of(target, size):
    """Numbers of the resamples of a target's set size; all sizes but 0 have the same."""
    return range(1, without_labels.resamples(TARGETS[target], size) + 1)


def resample_paths(pattern, target, size):
    """A pattern with the resamples of a target's set size filled in."""
    return expand(pattern, resample=resamples_of(target, size), allow_missing=True)


def subjects_drawn(wildcards, role):
    """The training or test scans of each resample of the target and size that the wildcards name."""
    target, size = wildcards.target, int(wildcards.size)
    return [list(getattr(SPLITS[target, size, number], role)) for number in resamples_of(target, size)]


def image_slices(image):
    """Pattern of the files with the slices of an image, such as T1w."""
    return f"{PART}_{image}.npy"


def every_image(slices_of, *about):
    """Input function: the files that slices_of, with a pattern and these, has of each image that the models see."""
    return lambda wildcards: [
        path for image in IMAGES[wildcards.target] for path in slices_of(image_slices(image), *about)(wildcards)
    ]


def drawn_slices(pattern, role):
    """Input function: the files with the slices of the training or test scans of any of these resamples."""
    return lambda wildcards: parts_holding(pattern, wildcards.target, set().union(*subjects_drawn(wildcards, role)))
