"""Training of all networks: one loop for pre-training, fine-tuning and the labeller."""
