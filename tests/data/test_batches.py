import numpy as np
import torch

from dogbreeds.data.batches import Batches, augment

PIXELS = np.random.default_rng(0).integers(0, 256, (22, 8, 10, 3), dtype=np.uint8)
LABELS = np.arange(22)
PREPROCESSING = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))


def stream(seed: int | None = None, **options) -> Batches:
    return Batches(PIXELS, LABELS, np.arange(2, 22), 6, PREPROCESSING, seed=seed, **options)


def test_evaluation_batches_are_ordered_complete_and_normalised():
    batches = list(stream().loader())
    assert [len(labels) for _, labels in batches] == [6, 6, 6, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(2, 22))
    expected = (PIXELS[2] / 255 - PREPROCESSING[0]) / PREPROCESSING[1]
    np.testing.assert_allclose(batches[0][0][0].permute(1, 2, 0), expected, rtol=1e-5, atol=1e-6)


def test_training_epoch_has_full_batches_without_repeated_photos():
    training = stream(seed=0)
    labels = torch.cat([labels for _, labels in training.loader()]).tolist()
    assert len(labels) == len(set(labels)) == 18
    training.epoch = 1
    assert torch.cat([labels for _, labels in training.loader()]).tolist() != labels


def test_seed_and_epoch_determine_the_order_of_photos():
    """Earlier runs can therefore be repeated bit for bit."""
    training = stream(seed=3)
    training.epoch = 2
    expected = np.random.default_rng([3, 2]).permutation(np.arange(2, 22))[:18]
    assert torch.cat([labels for _, labels in training.loader()]).tolist() == expected.tolist()


def test_batch_depends_only_on_seed_epoch_and_index():
    one, two = stream(seed=0, augmentation=True), stream(seed=0, augmentation=True)
    one[0]
    torch.manual_seed(5)
    assert torch.equal(one[1][0], two[1][0])
    assert not torch.equal(one[1][0], stream(seed=1, augmentation=True)[1][0])


def test_both_frameworks_receive_identical_batches():
    pytorch, keras = stream(seed=0, augmentation=True), stream(seed=0, augmentation=True, channels_last=True)
    for (photos, labels), (photos_last, labels_last) in zip(pytorch.loader(), keras.loader(), strict=True):
        assert torch.equal(photos, photos_last.permute(0, 3, 1, 2))
        assert torch.equal(labels, labels_last)


def test_augmentation_preserves_shape_and_range_of_values():
    photos = torch.rand(16, 3, 8, 8)
    augmented = augment(photos, torch.rand(len(photos), 6, generator=torch.Generator().manual_seed(0)))
    assert augmented.shape == photos.shape
    assert augmented.min() >= photos.min()
    assert augmented.max() <= photos.max()
    assert not torch.allclose(augmented, photos, atol=0.05)


def test_augmentation_flips_half_of_the_images_and_crops_within_range():
    """The colours of the images are coordinates: their gradient at the centre gives the affine map of each image."""
    size, count = 33, 400
    ramp = torch.linspace(-1, 1, size)
    photo = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.zeros(size, size)])
    draws = torch.rand(count, 6, generator=torch.Generator().manual_seed(0))
    augmented = augment(photo.expand(count, 3, size, size).contiguous(), draws)
    middle = size // 2
    across = (augmented[:, :2, middle, middle + 1] - augmented[:, :2, middle, middle - 1]) * size / 4
    down = (augmented[:, :2, middle + 1, middle] - augmented[:, :2, middle - 1, middle]) * size / 4
    determinant = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
    assert 0.4 < (determinant < 0).float().mean() < 0.6
    area = determinant.abs() * (size / (size - 1)) ** -2
    assert 0.55 < area.min() < 0.65
    assert 0.85 < area.max() <= 1.01
    assert across[:, 1].abs().max() <= 1.1 * np.sin(np.pi / 22)


def test_augmentation_rotates_by_up_to_eight_degrees():
    """The colours are coordinates. The crop is the whole image, and the draws give the extreme rotations and none."""
    size = 65
    ramp = torch.linspace(-1, 1, size)
    photo = torch.stack([ramp.expand(size, size), ramp[:, None].expand(size, size), torch.zeros(size, size)])
    draws = torch.tensor([[0.9, rotation, 1.0, 0.5, 0.5, 0.5] for rotation in (0.0, 0.5, 1.0)])
    augmented = augment(photo.expand(3, 3, size, size).contiguous(), draws)
    middle = size // 2
    right, left = augmented[:, :2, middle, middle + 5], augmented[:, :2, middle, middle - 5]
    angles = torch.atan2((right - left)[:, 1], (right - left)[:, 0]).rad2deg()
    torch.testing.assert_close(angles, torch.tensor([-8.0, 0.0, 8.0]), atol=0.01, rtol=0)
