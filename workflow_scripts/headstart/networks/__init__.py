"""The networks and their files.

- ``architectures``: encoder, decoder, discriminator and classification head
- ``model_files``: weights as safetensors, with the metadata that says what they expect
- ``external_weights``: weights from elsewhere, read into an encoder
"""
