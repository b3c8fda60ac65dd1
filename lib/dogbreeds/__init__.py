"""The dog-breed study compares Xception, ResNet50 and SE-ResNet50 in Keras and PyTorch on the same task."""
