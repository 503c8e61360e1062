"""The networks and their files.

- ``trunks``: encoders, of the blocks in ``resnet``; ``backbones``: those of MONAI and timm
- ``decoders``: decoders, discriminator and classification heads
- ``architectures``: the networks that a study makes of them
- ``model_files``: weights as safetensors, with metadata that describes them
- ``start``: pre-trained weights from which a training starts; ``fine_tuned``: fine-tuned networks, read back
- ``model_card``: the page that describes an encoder to other projects
- ``weight_files``: tensors by name from a file, whichever format it has
- ``external_weights``: weights from other projects, loaded into an encoder; ``trunk_names``: where a trunk is in a
  file; ``foreign_weights``: what it is if it is none; ``expected_input``: what it expects of an image
"""
