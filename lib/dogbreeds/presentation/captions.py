"""The captions of the report: one sentence for each figure and each table that a notebook saves, by its file name."""

FIGURES = {
    "photos_per_split": "The bars show how many images of each breed are in each split.",
    "contact_sheet": "These are training images of each breed, as the networks receive them.",
    "sizes": "The left panel shows the width and height of each image, the right panel the ratio of width to height.",
    "baseline_curves": "Xception is trained in Keras with each recipe; the solid line is the validation accuracy.",
    "failure_of_2020": "Markers are accuracies on new images, crosses while training; the table names initial weights.",
    "healing_curves": "ResNet50 is trained on images divided by 255, from the same weights, for many more steps.",
    "se_resnet50_pytorch_curves": "The lines show the accuracy of SE-ResNet50 in PyTorch after each epoch.",
    "gates": "The lines show the mean gate of the first channels for each breed, in four residual units.",
    "keras_vs_pytorch_curves": "ResNet50 is trained in both frameworks on the same batches with the same recipe.",
    "keras_vs_pytorch_noise": "The grey band shows how far changes of the last bit move the training loss of PyTorch.",
    "minimal_loops": "The lines show the validation accuracy of the same simple training, written for each framework.",
    "accuracies": "The points are test accuracies, and the lines are their 95 % intervals.",
    "network_differences": "The points are differences between networks, and the lines are their 95 % intervals.",
    "factor_differences": "The points are differences from the unchanged recipe, the lines their 95 % intervals.",
    "learning_curves": "The lines show the accuracy after each epoch; the dotted line is the chance level.",
    "accuracy_against_cost": "Networks with a higher accuracy are further up, and faster trainings are further left.",
    "confusion": "The rows are the true breeds, and the columns are the breeds that the best run predicts.",
    "most_confident_errors": "These errors of the best run have the highest predicted probability.",
    "reliability": "A perfectly calibrated network is on the dotted line; points below it mean overconfidence.",
    "agreement": "Each cell is the share of test images for which two networks predict the same breed.",
    "activation_maps": "Bright positions contain the most evidence for the true breed; each row shows one network.",
    "confidence": "The lines show the share of predictions that have at most a given probability.",
}
TABLES = {
    "baselines": "Accuracies are in per cent, differences from the first recipe in points, with 95 % intervals.",
    "failure_2020": "Each cell has the accuracy while training and the accuracy on new images, both in per cent.",
    "healing": "The table has the steps after which ResNet50 leaves chance, measured and predicted.",
    "in_pytorch": "Accuracies are in per cent, differences from the controlled recipe in points, with 95 % intervals.",
    "backends": "The distance is the mean difference between the losses of a backend and PyTorch over the first steps.",
    "results": "Test accuracies are in per cent, with 95 % intervals; each column has other initial weights.",
    "costs": "Seconds, photos/s and memory are those of the machine that trained these runs.",
    "networks": "Differences between networks are in points, with 95 % intervals and corrected p-values.",
    "frameworks": "Differences between frameworks are in points, with 95 % intervals and corrected p-values.",
    "initial_weights": "Differences between initial weights are in points, with 95 % intervals and corrected p-values.",
    "factors": "Differences from the unchanged recipe are in points, with 95 % intervals and corrected p-values.",
    "learning_speed": "The table has the mean epochs and seconds until a validation accuracy that all runs reach.",
    "claims": "Each claim of 2020 is compared with these runs; all p-values of the table are corrected together.",
}


def caption(captions: dict[str, str], name: str) -> str:
    """Returns the caption of a file, or its name in words if there is none."""
    return captions.get(name, name.replace("_", " "))
