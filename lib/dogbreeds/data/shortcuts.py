"""Shortcut baselines: how well simple classifiers recognise breeds by colour alone or by outline alone."""

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
    """Returns which test photos a logistic regression on colour histograms (8 bins per channel) gets right."""
    bins = np.asarray(pixels).reshape(len(pixels), -1, 3) // 32
    histograms = np.stack([(bins == value).mean(axis=1) for value in range(8)], axis=1).reshape(len(pixels), -1)
    labels, train, test = dataset.photos["label"].to_numpy(), dataset.rows("train"), dataset.rows("test")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(histograms[train], labels[train])
    return model.predict(histograms[test]) == labels[test]


def brightness_and_colour(dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"]) -> pd.DataFrame:
    """Returns the mean brightness and the mean of each colour, 0 to 255, of the training photos per breed."""
    train = dataset.rows("train")
    means = np.array([pixels[row].mean(axis=(0, 1)) for row in train])
    table = pd.DataFrame(means, columns=["red", "green", "blue"])
    table.insert(0, "brightness", means.mean(axis=1))
    return table.groupby(dataset.photos["breed"].iloc[train].to_numpy()).mean()


def similar_breeds(dataset: Dataset, pixels: UInt8[np.ndarray, "photos size size 3"]) -> pd.DataFrame:
    """Returns the five pairs of breeds that a simple classifier confuses most, and how often, in 0 to 1.

    The classifier is a linear discriminant analysis with shrinkage on training photos reduced to 12 x 12 grey pixels,
    evaluated by five-fold cross-validation. It sees outline, posture and shading, but no fine detail.
    """
    train = dataset.rows("train")
    shrunk = [Image.fromarray(pixels[row]).convert("L").resize((12, 12), Image.Resampling.BOX) for row in train]
    features = np.array([np.asarray(photo).ravel() for photo in shrunk]) / 255
    labels = dataset.photos["breed"].to_numpy()[train]
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    predicted = cross_val_predict(model, features, labels, cv=5)
    shares = confusion_matrix(labels, predicted, labels=dataset.breeds, normalize="true")
    both = (shares + shares.T) / 2
    first, second = np.triu_indices(len(both), k=1)
    table = pd.DataFrame({"breed": np.array(dataset.breeds)[first], "other": np.array(dataset.breeds)[second]})
    return table.assign(confused=both[first, second]).nlargest(5, "confused").reset_index(drop=True)
