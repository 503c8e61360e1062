# What the trainings of all stages share: their settings, their networks and the input of these.

# Keys of the section training that do not change the result of a training.
RUN_KEYS = ("threads", "runs_per_gpu", "checkpoint_minutes", "resident_gb")
# Folder of the states of running trainings, see headstart.training.checkpoint.
STATE = f"{RESULTS}/states"


def training_of(epochs=None, steps=None, learning_rate=None):
    """Settings of a training of this length, see headstart.training.settings.TrainingSettings."""
    settings = {key: value for key, value in config["training"].items() if key not in RUN_KEYS}
    rate = learning_rate or settings["learning_rate"]
    return settings | {"learning_rate": rate, "epochs": epochs, "steps": steps, "encoder_factor": 1}


def run_setting(key):
    """Parameter function: a setting of these keys. Asking for resources keeps it out of what Snakemake records."""
    return lambda wildcards, resources: config["training"][key]


def expected_input():
    """The input for which weights must have been made to be used in this study."""
    return {
        "template": template.SPACE,
        "voxel_mm": config["template"]["voxel_mm"],
        "size": [config["slice"]["size"]] * 2,
        "percentiles": config["register"]["percentiles"],
    }


def network_of(target):
    """The network of a target's models, which see neighbours and further images; sources see single slices."""
    return config["network"] | {"neighbours": config["slice"]["neighbours"], "images": len(IMAGES[target])}


# Distance of a slice's neighbours, in slices.
NEIGHBOUR_STEP = channels.step_of(config["slice"]["neighbour_mm"], config["template"]["voxel_mm"])
