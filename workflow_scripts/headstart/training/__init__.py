"""One training loop for pre-training, fine-tuning and the labeller.

What ``trainer.Trainer`` does, without resuming, logging and the details of GPUs::

    for epoch in range(epochs):
        batches = permutation(N, seed_for(seed, "epoch", epoch)).split(settings.batch_size)
        for step, rows in enumerate(batches):
            optimisers.set_rate(settings.rate(step of the training))
            generator = seeded(seed_for(seed, "step", epoch, step))
            images, targets = augment(*slices[rows], generator)
            images, targets = task.corrupt(images, targets, generator)  # masked auto-encoding: patches are hidden
            with autocast(device, precision):
                output = model(images)                  # (B, I, H, W) -> (B, C, H, W) or (B, C)
            loss = task.loss(output, images, targets)   # in float32
            optimiser.zero_grad(); loss.backward(); optimiser.step()
            task.after_step(output, images)             # auto-encoding: one step of the discriminator
            if checkpoint.due(): checkpoint.write(state)
        if settings.norms == "reestimated":             # before a validation, and at the end
            update_bn(slices, model)
        history.append((epoch, rate, mean(loss), validation(model.eval()), task.epoch_metrics()))

Modules, from the outside in:

- ``loop``: trains one or several networks; inference
- ``trainer``: the training of one network, step by step
- ``settings``: its length and learning rates; ``optimisers``: Adam for the parts of a network; ``plateau``: how much
  the loss still fell at its end
- ``tasks``: what a network is trained to do; ``restoring``: those that restore what ``corruption`` took from slices;
  ``source_tasks``: those of sources by their kinds; ``losses``: the loss functions; ``outputs``: what a source's
  network makes of held-out slices
- ``feed``: slices in the device's memory, or streamed from disk
- ``augment``: random changes of slices, of where things are (``warp``) and of how bright they are (``intensity``)
- ``synthesis``: images made of label maps in each step, for trainings without scans
- ``devices``: device, layout, precision and determinism; ``leases``: which GPU of a machine; ``cuda_graphs``: a
  training step as CUDA graphs
- ``distributed``: one training in several processes, one per GPU
- ``checkpoint``: the state of a training that was interrupted
- ``speed``: how fast a study's networks train on this machine

Axes in the docstrings of slices, training and evaluation are written with these letters: N slices, B slices of a
batch, C channels or classes, H and W rows and columns of pixels; S scans, K sources, T set sizes, R resamples, D draws
of a bootstrap.
"""
