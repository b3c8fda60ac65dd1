import pytest
import torch
from finished_runs import finished_run, logits_and_labels

from dogbreeds import models
from dogbreeds.analysis import imagenet_leakage
from dogbreeds.data import datasets
from dogbreeds.errors import StudyError
from dogbreeds.models import imagenet_classes, pretrained


@pytest.fixture
def weights_on_disk(checksums):
    """A weight file for ResNet50 as torchvision publishes it; its logits are 9 for "goldfish" and 3 for "Chihuahua"."""
    state = models.build("resnet50", "pytorch", 1000).state_dict()
    state["fc.weight"] = torch.zeros(1000, 2048)
    state["fc.bias"] = torch.zeros(1000).index_put((torch.tensor([1, 151]),), torch.tensor([9.0, 3.0]))
    file = pretrained.find("imagenet", "resnet50").file.path
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    checksums(file)


def test_table_is_empty_without_weights(dataset):
    assert imagenet_leakage.networks(dataset) == []
    assert imagenet_leakage.table([], dataset, 32).empty


def test_original_classifier_is_restricted_to_the_breeds_of_the_dataset(dataset, weights_on_disk):
    assert imagenet_leakage.networks(dataset) == ["resnet50"]
    assert imagenet_classes.outputs(dataset.breeds) == [151, 254]
    logits = imagenet_leakage.original_classifier_logits("resnet50", dataset, 32)
    assert logits.tolist() == [[3, 0]] * 6
    row = imagenet_leakage.table([], dataset, 32).iloc[0]
    assert (row["network"], row["original classifier"]) == ("ResNet50", 0.5)
    assert row[["fine-tuned", "gain"]].isna().all()


def test_fine_tuning_gain_is_paired_with_the_original_classifier(dataset, weights_on_disk, tmp_path):
    labels = dataset.photos["label"].to_numpy()[dataset.rows("test")]
    answers = torch.nn.functional.one_hot(torch.tensor(labels)).numpy()
    runs = [
        finished_run(tmp_path / "tuned", answers, labels, weights="imagenet"),
        finished_run(tmp_path / "other", *logits_and_labels(1, 6)),
    ]
    table = imagenet_leakage.table(runs, dataset, 32)
    assert table[["framework", "original classifier", "fine-tuned", "gain"]].values.tolist() == [
        ["Keras", 0.5, 1.0, 0.5]
    ]
    assert table.loc[0, "low"] < 0 < 0.5 < table.loc[0, "high"]  # three of six photos are too few: p is 0.083


def test_breed_missing_from_imagenet_is_refused(weights_on_disk):
    drawn = datasets.load("drawn_dogs", [], 8)
    assert imagenet_leakage.table([], drawn, 32).empty
    with pytest.raises(StudyError, match="ImageNet has no output"):
        imagenet_leakage.original_classifier_logits("resnet50", drawn, 32)
