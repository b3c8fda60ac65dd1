"""The dog-breed study: Xception, ResNet50 and SE-ResNet50 in Keras and PyTorch, compared on the same work."""
