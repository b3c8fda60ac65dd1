"""Minimal training loops: the same training written three times without this library, for notebook 04.

The three are the loop that the 2020 deck took from a PyTorch tutorial, Keras' `fit`, and Lightning's Trainer. Each
function trains `model` on two streams of `batches.Batches`, restores the weights of the best epoch, and returns the
validation accuracies.
"""

import copy
from tempfile import TemporaryDirectory

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.nn import functional as F

from dogbreeds import models
from dogbreeds.models import keras_runtime, weight_conversion

keras = keras_runtime.load_keras()


def pytorch_loop(model, train, validation, epochs, rate):
    model.to(train.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    accuracies, best = [], None
    for epoch in range(epochs):
        train.epoch = epoch + 1
        model.train()
        for photos, labels in train.loader():
            loss = F.cross_entropy(model(photos), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.no_grad():
            for photos, labels in validation.loader():
                predicted = model(photos).argmax(dim=1)
                correct += (predicted == labels).sum().item()
        accuracies.append(correct / len(validation.rows))
        if accuracies[-1] > max(accuracies[:-1], default=-1):
            best = copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return accuracies


def keras_fit(model, train, validation, epochs, rate):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, epsilon=1e-8)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    best = keras.callbacks.EarlyStopping("val_accuracy", patience=epochs, restore_best_weights=True)
    reshuffle = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(train, "epoch", epoch + 1))
    options = {"epochs": epochs, "callbacks": [best, reshuffle], "shuffle": False, "verbose": 0}
    fitted = model.fit(train.loader(), validation_data=validation.loader(), **options)
    return fitted.history["val_accuracy"]


class Classifier(lightning.LightningModule):
    def __init__(self, model, rate):
        super().__init__()
        self.model, self.rate, self.accuracies = model, rate, []

    def on_train_epoch_start(self):
        self.trainer.train_dataloader.dataset.epoch = self.current_epoch + 1

    def training_step(self, batch, index):
        photos, labels = batch
        return F.cross_entropy(self.model(photos), labels)

    def validation_step(self, batch, index):
        photos, labels = batch
        accuracy = (self.model(photos).argmax(dim=1) == labels).float().mean()
        self.log("accuracy", accuracy, batch_size=len(labels))

    def on_validation_epoch_end(self):
        self.accuracies.append(self.trainer.callback_metrics["accuracy"].item())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.model.parameters(), lr=self.rate)


def lightning_fit(model, train, validation, epochs, rate):
    module = Classifier(model, rate)
    with TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="accuracy", mode="max", save_weights_only=True)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = lightning.Trainer(max_epochs=epochs, callbacks=[best], num_sanity_val_steps=0, **quiet)
        trainer.fit(module, train.loader(), validation.loader())
        module.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
    return module.accuracies


def compare(streams, epochs):
    """Returns the validation accuracies of ResNet50 in Keras and in PyTorch, trained from the same initial weights."""
    torch.manual_seed(0)
    classes = int(streams["pytorch"]["train"].labels.max()) + 1
    network = models.build("resnet50", "pytorch", classes)
    twin = weight_conversion.fill(models.build("resnet50", "keras", classes), weight_conversion.read(network))
    arguments = {name: (stream["train"], stream["validation"], epochs, 0.001) for name, stream in streams.items()}
    keras_accuracies = keras_fit(twin, *arguments["keras"])
    return {"keras_fit": keras_accuracies, "pytorch_loop": pytorch_loop(network, *arguments["pytorch"])}
