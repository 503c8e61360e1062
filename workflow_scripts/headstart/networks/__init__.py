"""The networks and their files.

- ``architectures``: encoder, decoder, discriminator, classification head and labeller
- ``model_files``: weights as safetensors, with metadata that describes them
- ``model_card``: the page that describes an encoder to other projects
- ``weight_files``: tensors by name from a file, whichever format it has
- ``external_weights``: weights from other projects, loaded into an encoder
"""
