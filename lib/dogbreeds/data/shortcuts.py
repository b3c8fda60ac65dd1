"""How far one comes without seeing a dog: by colour, and by outline alone."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, UInt8
from PIL import Image
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dogbreeds.data.datasets import Dataset


def colour_only_correct(
    dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"]
) -> Bool[np.ndarray, " test_photos"]:
    """Which test photos a logistic regression gets right from colour histograms, eight bins a channel."""
    bins = np.asarray(pixels).reshape(len(pixels), -1, 3) // 32
    histograms = np.stack([(bins == value).mean(axis=1) for value in range(8)], axis=1).reshape(len(pixels), -1)
    labels, train, test = dataset.photos["label"].to_numpy(), dataset.rows("train"), dataset.rows("test")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(histograms[train], labels[train])
    return model.predict(histograms[test]) == labels[test]


def brightness_and_colour(dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"]) -> pd.DataFrame:
    """Per breed the mean of brightness and of each colour over its training photos, in 0 to 255."""
    train = dataset.rows("train")
    means = np.array([pixels[row].mean(axis=(0, 1)) for row in train])
    table = pd.DataFrame(means, columns=["red", "green", "blue"])
    table.insert(0, "brightness", means.mean(axis=1))
    return table.groupby(dataset.photos["breed"].iloc[train].to_numpy()).mean()


def look_alike_breeds(dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"], most: int = 5) -> pd.DataFrame:
    """The pairs of breeds that a simple classifier takes for one another most, and how often, in 0 to 1.

    Linear discriminant analysis with shrinkage on training photos shrunk to 12 x 12 grey pixels, five-fold: it sees
    outline, posture and shading, nothing fine.
    """
    train = dataset.rows("train")
    shrunk = [Image.fromarray(pixels[row]).convert("L").resize((12, 12), Image.Resampling.BOX) for row in train]
    features = np.array([np.asarray(photo).ravel() for photo in shrunk]) / 255
    labels = dataset.photos["breed"].to_numpy()[train]
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    guesses = cross_val_predict(model, features, labels, cv=5)
    shares = confusion_matrix(labels, guesses, labels=dataset.breeds, normalize="true")
    both = (shares + shares.T) / 2
    first, second = np.triu_indices(len(both), k=1)
    table = pd.DataFrame({"breed": np.array(dataset.breeds)[first], "other": np.array(dataset.breeds)[second]})
    return table.assign(confused=both[first, second]).nlargest(most, "confused").reset_index(drop=True)
